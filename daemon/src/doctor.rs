//! `flowd doctor`: what this host and this user can do, and what is in the way.

use std::{path::Path, process::ExitCode};

use crate::{
    capabilities,
    detach::DetachFlags,
    kernel::{
        Kernel, Sizes, Timeouts, attach, bpffs,
        kernel_drops::{self, Layout},
        links,
        namespace::Namespace,
        sockets,
    },
};

/// Oldest kernel the programs load on: ring buffers.
const OLDEST: (u8, u8) = (5, 8);

/// Enough to load the programs.
const SMALL: Sizes = Sizes {
    endpoints: 64,
    peers: 64,
    policy: 64,
    connections: 1024,
    denied: 1024,
    fragments: 64,
    ring_bytes: 65_536,
    sockets: 0,
    kernel_drops: 0,
};

/// One finding.
enum Finding {
    Good(String),
    /// Works, but the reader should know.
    Note(String),
    Bad(String),
}

/// Prints every finding; fails when something keeps flowd from enforcing.
pub fn run(flags: &DetachFlags) -> ExitCode {
    let mut findings = vec![kernel_version(), tcx()];
    findings.extend(capability_findings());
    findings.push(btf());
    findings.push(pin_directory(&flags.bpffs));
    findings.push(programs());
    findings.push(processes());
    findings.push(kernel_drops(flags));
    findings.extend(neighbours(flags));
    let mut bad = 0;
    for finding in &findings {
        match finding {
            Finding::Good(text) => println!("ok    {text}"),
            Finding::Note(text) => println!("note  {text}"),
            Finding::Bad(text) => {
                bad += 1;
                println!("FAIL  {text}");
            }
        }
    }
    if bad == 0 {
        println!("flowd can guard workloads on this host");
        ExitCode::SUCCESS
    } else {
        println!("flowd cannot guard workloads on this host: {bad} findings above");
        ExitCode::FAILURE
    }
}

fn kernel_version() -> Finding {
    let release = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    let (major, minor) = OLDEST;
    if attach::kernel_is_at_least(major, minor) {
        Finding::Good(format!("kernel {release}"))
    } else {
        Finding::Bad(format!(
            "kernel {release} is older than {major}.{minor}, the first with BPF ring buffers"
        ))
    }
}

fn tcx() -> Finding {
    if attach::has_tcx() {
        Finding::Good("TCX: programs are attached by links that survive a restart".to_owned())
    } else {
        Finding::Note("no TCX (kernel 6.6): programs are attached with clsact".to_owned())
    }
}

fn capability_findings() -> Vec<Finding> {
    let missing = capabilities::missing();
    if missing.is_empty() {
        return vec![Finding::Good(
            "capabilities: all that are needed".to_owned(),
        )];
    }
    missing
        .into_iter()
        .map(|(capability, use_of)| {
            let text = format!("no {capability}, needed to {use_of}");
            if capabilities::VITAL.contains(&capability) {
                Finding::Bad(text)
            } else {
                Finding::Note(text)
            }
        })
        .collect()
}

fn btf() -> Finding {
    if Path::new("/sys/kernel/btf/vmlinux").exists() {
        Finding::Good("BTF of the running kernel".to_owned())
    } else {
        Finding::Note("no BTF of the running kernel: not needed by today's programs".to_owned())
    }
}

fn pin_directory(path: &Path) -> Finding {
    let text = path.display();
    if bpffs::on_bpffs(path) {
        return Finding::Good(format!("{text} is on a bpffs"));
    }
    let parent = path.ancestors().find(|ancestor| ancestor.exists());
    match parent {
        Some(parent) if bpffs::on_bpffs(parent) => {
            Finding::Good(format!("{} is a bpffs", parent.display()))
        }
        _ => Finding::Note(format!(
            "{text} is on no bpffs: `flowd run` mounts one there"
        )),
    }
}

/// Whether flows can name their processes.
fn processes() -> Finding {
    let Some(root) = sockets::root() else {
        return Finding::Note(
            "no control groups of version 2 are mounted: flows will not name their processes"
                .to_owned(),
        );
    };
    let sizes = Sizes {
        sockets: 64,
        ..SMALL
    };
    let loaded = Kernel::load(&sizes, &Timeouts::default(), None)
        .map_err(|error| error.to_string())
        .and_then(|mut kernel| sockets::load(&mut kernel).map_err(|error| error.to_string()));
    match loaded {
        Ok(()) => Finding::Good(format!(
            "control groups at {}: flows can name their processes",
            root.display()
        )),
        Err(error) => Finding::Note(format!("flows will not name their processes: {error}")),
    }
}

/// Whether drops of the kernel can be told.
fn kernel_drops(flags: &DetachFlags) -> Finding {
    let sizes = Sizes {
        kernel_drops: 64,
        ..SMALL
    };
    let namespace = flags.netns.as_deref();
    let namespace = namespace.map_or_else(Namespace::own, Namespace::at);
    let load = |layout: &Layout| {
        let loaded = Kernel::load_for(&sizes, &Timeouts::default(), None, layout);
        let mut kernel = loaded.map_err(|error| error.to_string())?;
        kernel_drops::load(&mut kernel).map_err(|error| error.to_string())
    };
    let layout = Layout::of_kernel(&namespace).map_err(|error| error.to_string());
    match layout.and_then(|layout| load(&layout)) {
        Ok(()) => {
            Finding::Good("drops of the kernel itself can be told, with its reasons".to_owned())
        }
        Err(error) => Finding::Note(format!(
            "drops of the kernel itself will not be told: {error}"
        )),
    }
}

/// The only honest answer to "would the programs load": loading them.
fn programs() -> Finding {
    match Kernel::load(&SMALL, &Timeouts::default(), None) {
        Ok(mut kernel) => {
            let counts: Vec<String> = kernel
                .verified_instructions()
                .into_iter()
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            Finding::Good(format!(
                "programs load; instructions verified: {}",
                counts.join(", ")
            ))
        }
        Err(error) => Finding::Bad(error.to_string()),
    }
}

/// Others' programs on the hooks flowd uses: they keep running, and it is good to know of them.
fn neighbours(flags: &DetachFlags) -> Vec<Finding> {
    let namespace = flags
        .netns
        .as_deref()
        .map_or_else(Namespace::own, Namespace::at);
    let devices = match links::list(&namespace) {
        Ok(devices) => devices,
        Err(error) => return vec![Finding::Bad(format!("devices cannot be listed: {error}"))],
    };
    let mut findings = vec![Finding::Good(format!("{} network devices", devices.len()))];
    let found = namespace.run(|| {
        let on = |name: &str| {
            attach::programs_on(name)
                .into_iter()
                .map(|(side, program)| format!("TCX {side} of {name}: program {program}"))
                .collect::<Vec<_>>()
        };
        devices
            .iter()
            .flat_map(|device| on(&device.name))
            .collect::<Vec<_>>()
    });
    findings.extend(found.unwrap_or_default().into_iter().map(Finding::Note));
    findings
}
