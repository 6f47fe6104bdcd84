//! The configuration: flags before environment before file before defaults, checked as a whole.

pub mod access;
mod check;
pub mod export;
mod host;
mod kernel_drops;
mod metrics;
mod otlp;
mod reloadable;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use serde::Deserialize;
use thiserror::Error;

use self::access::{AccessSection, AuditSection, LimitsSection, TlsSection};
pub use self::kernel_drops::KernelDrops;
pub use self::processes::{Processes, Watched};
pub use self::reloadable::Reloadable;
use crate::{
    kernel::{AttachMode, Sizes, Timeouts},
    metrics::Settings,
};

mod control;
pub mod observe;
mod policy;
mod processes;

pub use host::{HostDevices, HostSettings};

/// Flags of `flowd run`. Each has an environment variable and a key in the config file.
#[derive(Args, Clone, Debug, Default)]
pub struct Flags {
    /// Configuration file (YAML); keys are the flag names in snake_case.
    #[arg(long, env = "FLOWD_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory on a bpffs where programs and tables are pinned; one daemon each
    /// [default: /sys/fs/bpf/flowd].
    #[arg(long, env = "FLOWD_BPFFS", value_name = "DIR")]
    pub bpffs: Option<PathBuf>,
    /// Directory for what must survive a restart [default: /var/lib/flowd].
    #[arg(long, env = "FLOWD_STATE", value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Directory of policy files [default: /etc/flowd/policies].
    #[arg(long, env = "FLOWD_POLICIES", value_name = "DIR")]
    pub policies: Option<PathBuf>,
    /// Directory of endpoint files [default: /etc/flowd/endpoints].
    #[arg(long, env = "FLOWD_ENDPOINTS", value_name = "DIR")]
    pub endpoints: Option<PathBuf>,
    /// Unix socket of the gRPC API [default: /run/flowd/flowd.sock].
    #[arg(long, env = "FLOWD_SOCKET", value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Group that may use the unix socket [default: that of the daemon].
    #[arg(long, env = "FLOWD_SOCKET_GROUP", value_name = "GROUP")]
    pub socket_group: Option<String>,
    /// TCP address of the gRPC API; loopback only, unless the file has a section `tls` [default:
    /// none].
    #[arg(long, env = "FLOWD_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Loopback address of the web page [default: 127.0.0.1:8735].
    #[arg(long, env = "FLOWD_WEB", value_name = "ADDRESS")]
    pub web: Option<SocketAddr>,
    /// Address of /metrics, /healthz, /livez and /readyz [default: 127.0.0.1:9965].
    #[arg(long, env = "FLOWD_METRICS", value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    /// Network namespace whose devices are guarded [default: the daemon's own].
    #[arg(long, env = "FLOWD_NETNS", value_name = "PATH")]
    pub netns: Option<PathBuf>,
    /// Name of this node on every flow [default: the host name].
    #[arg(long, env = "FLOWD_NODE_NAME", value_name = "NAME")]
    pub node_name: Option<String>,
    /// How programs are attached [default: auto].
    #[arg(long, env = "FLOWD_ATTACH", value_name = "HOW")]
    pub attach: Option<AttachMode>,
    /// Control group (version 2) whose processes' sockets are watched, so that flows name their
    /// process; `auto` for its root, `off` for none [default: auto].
    #[arg(long, env = "FLOWD_CGROUP", value_name = "DIR")]
    pub cgroup: Option<String>,
    /// Form of the log on standard error [default: text].
    #[arg(long, env = "FLOWD_LOG_FORMAT", value_name = "FORM")]
    pub log_format: Option<LogFormat>,
    /// What is logged, as `level` or `module=level,…` [default: info].
    #[arg(long, env = "FLOWD_LOG", value_name = "FILTER")]
    pub log: Option<String>,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// JSON lines.
    Json,
}

/// The file: the flags' keys, and the sizes that have no flag.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    bpffs: Option<PathBuf>,
    state: Option<PathBuf>,
    policies: Option<PathBuf>,
    endpoints: Option<PathBuf>,
    socket: Option<PathBuf>,
    socket_group: Option<String>,
    listen: Option<SocketAddr>,
    tls: Option<TlsSection>,
    access: AccessSection,
    limits: LimitsSection,
    audit: AuditSection,
    export: Vec<export::ExportSection>,
    web: Option<SocketAddr>,
    metrics: metrics::FileMetrics,
    netns: Option<PathBuf>,
    node_name: Option<String>,
    attach: Option<String>,
    log_format: Option<LogFormat>,
    log: Option<String>,
    update_interval: Option<u32>,
    flow_log_capacity: Option<usize>,
    sizes: FileSizes,
    timeouts: FileTimeouts,
    policy: policy::PolicySection,
    observe: observe::ObserveSection,
    host: host::HostSection,
    processes: processes::ProcessesSection,
    control: control::ControlSection,
    kernel_drops: kernel_drops::KernelDropsSection,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileSizes {
    endpoints: Option<u32>,
    peers: Option<u32>,
    policy: Option<u32>,
    connections: Option<u32>,
    denied: Option<u32>,
    fragments: Option<u32>,
    ring_bytes: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileTimeouts {
    tcp_new: Option<u32>,
    tcp_established: Option<u32>,
    tcp_closing: Option<u32>,
    other: Option<u32>,
    icmp: Option<u32>,
    denied: Option<u32>,
    fragment: Option<u32>,
}

/// Everything the daemon is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file it was read from.
    pub file: Option<PathBuf>,
    /// Directory of the pins.
    pub bpffs: PathBuf,
    /// Directory of what survives a restart.
    pub state: PathBuf,
    /// Directory of policy files.
    pub policies: PathBuf,
    /// Directory of endpoint files.
    pub endpoints: PathBuf,
    /// Unix socket of the gRPC API.
    pub socket: PathBuf,
    /// Group that may use it.
    pub socket_group: Option<String>,
    /// What is read again while the daemon runs.
    pub reloadable: Reloadable,
    /// TCP address of the gRPC API.
    pub listen: Option<SocketAddr>,
    /// Address of the web page.
    pub web: SocketAddr,
    /// Address of the metrics.
    pub metrics: SocketAddr,
    /// What the metrics count.
    pub counting: Settings,
    /// The guarded namespace, when it is not the daemon's own.
    pub netns: Option<PathBuf>,
    /// Name of this node.
    pub node_name: String,
    /// How programs are attached.
    pub attach: AttachMode,
    /// Form of the log.
    pub log_format: LogFormat,
    /// What is logged.
    pub log: String,
    /// Seconds between two events about a flow that goes on.
    pub update_interval: u32,
    /// Flows kept in memory.
    pub flow_log_capacity: usize,
    /// Sizes of the kernel's tables and rings.
    pub sizes: Sizes,
    /// Time-outs.
    pub timeouts: Timeouts,
    /// What holds besides the policies.
    pub policy: flowd_policy::Options,
    /// How this node presents itself to Hubble's clients and relays.
    pub observe: observe::ObserveSection,
    /// This node, as its own policies see it.
    pub host: HostSettings,
    /// What is known of processes.
    pub processes: Processes,
    /// What is told of the kernel's own drops.
    pub kernel_drops: KernelDrops,
    /// How often the control loop looks by itself.
    pub look: std::time::Duration,
}

/// What is wrong with the configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("config file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no valid configuration.
    #[error("config file {}:{line}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// What is wrong.
        message: String,
    },
    /// Values that cannot work, all of them.
    #[error("invalid configuration:\n  {}", .0.join("\n  "))]
    Invalid(Vec<String>),
}

impl Config {
    /// The configuration of these flags and the file they name.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or parsed, or values cannot work; every such value is named.
    pub fn load(flags: Flags) -> Result<Self, ConfigError> {
        let file = match &flags.config {
            Some(path) => read(path)?,
            None => File::default(),
        };
        Self::checked(flags, file)
    }

    /// The configuration of a text, as if it stood in a file and there were no flags.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn of_text(text: &str) -> Result<Self, ConfigError> {
        Self::checked(Flags::default(), parse(Path::new("flowd.yaml"), text)?)
    }

    fn checked(flags: Flags, file: File) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let config = merge(flags, file, &mut problems)
            .map_err(|problem| ConfigError::Invalid(vec![problem]))?;
        problems.append(&mut config.problems());
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError::Invalid(problems))
        }
    }

    /// What the metrics are to count, as the file says now.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or parsed, or the section cannot work.
    pub fn counting(path: &Path) -> Result<Settings, ConfigError> {
        let mut problems = Vec::new();
        let settings = read(path)?.metrics.settings(&mut problems);
        if problems.is_empty() {
            Ok(settings)
        } else {
            Err(ConfigError::Invalid(problems))
        }
    }
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<File, ConfigError> {
    if text.trim().is_empty() {
        return Ok(File::default());
    }
    serde_saphyr::from_str_with_options(
        text,
        serde_saphyr::options! { strict_booleans: true, with_snippet: false },
    )
    .map_err(|error| ConfigError::Parse {
        path: path.to_owned(),
        line: error.location().map_or(0, |at| at.line()),
        message: error.without_snippet().to_string(),
    })
}

fn merge(flags: Flags, file: File, problems: &mut Vec<String>) -> Result<Config, String> {
    let reloadable = Reloadable::of(&file);
    let attach = match (flags.attach, file.attach) {
        (Some(attach), _) => attach,
        (None, Some(text)) => AttachMode::from_str(&text, true)
            .map_err(|_| format!("attach: {text} is not auto, tcx or clsact"))?,
        (None, None) => AttachMode::default(),
    };
    let path = |flag: Option<PathBuf>, file: Option<PathBuf>, default: &str| {
        flag.or(file).unwrap_or_else(|| PathBuf::from(default))
    };
    let address = |flag: Option<SocketAddr>, file: Option<SocketAddr>, port: u16| {
        flag.or(file)
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], port)))
    };
    let (sizes, timeouts) = (Sizes::default(), Timeouts::default());
    Ok(Config {
        file: flags.config,
        reloadable,
        socket_group: flags.socket_group.or(file.socket_group),
        bpffs: path(flags.bpffs, file.bpffs, "/sys/fs/bpf/flowd"),
        state: path(flags.state, file.state, "/var/lib/flowd"),
        policies: path(flags.policies, file.policies, "/etc/flowd/policies"),
        endpoints: path(flags.endpoints, file.endpoints, "/etc/flowd/endpoints"),
        socket: path(flags.socket, file.socket, "/run/flowd/flowd.sock"),
        listen: flags.listen.or(file.listen),
        web: address(flags.web, file.web, 8735),
        metrics: address(flags.metrics, file.metrics.listen, 9965),
        counting: file.metrics.settings(problems),
        netns: flags.netns.or(file.netns),
        node_name: flags.node_name.or(file.node_name).unwrap_or_else(host_name),
        attach,
        log_format: flags.log_format.or(file.log_format).unwrap_or_default(),
        log: flags.log.or(file.log).unwrap_or_else(|| "info".to_owned()),
        update_interval: file.update_interval.unwrap_or(10),
        flow_log_capacity: file.flow_log_capacity.unwrap_or(131_072),
        sizes: Sizes {
            endpoints: file.sizes.endpoints.unwrap_or(sizes.endpoints),
            peers: file.sizes.peers.unwrap_or(sizes.peers),
            policy: file.sizes.policy.unwrap_or(sizes.policy),
            connections: file.sizes.connections.unwrap_or(sizes.connections),
            denied: file.sizes.denied.unwrap_or(sizes.denied),
            fragments: file.sizes.fragments.unwrap_or(sizes.fragments),
            ring_bytes: file.sizes.ring_bytes.unwrap_or(sizes.ring_bytes),
            sockets: sizes.sockets,
            kernel_drops: sizes.kernel_drops,
        },
        timeouts: Timeouts {
            tcp_new: file.timeouts.tcp_new.unwrap_or(timeouts.tcp_new),
            tcp_established: file
                .timeouts
                .tcp_established
                .unwrap_or(timeouts.tcp_established),
            tcp_closing: file.timeouts.tcp_closing.unwrap_or(timeouts.tcp_closing),
            other: file.timeouts.other.unwrap_or(timeouts.other),
            icmp: file.timeouts.icmp.unwrap_or(timeouts.icmp),
            denied: file.timeouts.denied.unwrap_or(timeouts.denied),
            fragment: file.timeouts.fragment.unwrap_or(timeouts.fragment),
        },
        policy: file.policy.options(),
        observe: file.observe,
        host: file.host.settings()?,
        processes: Processes::merge(flags.cgroup, file.processes),
        kernel_drops: file.kernel_drops.settings(),
        look: file.control.look(),
    })
}

fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests;
