//! The running flowd: started, killed, started again, read, and cleaned up after.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::builder::{FlowdBuilder, Plan, binary};
use super::metrics::Metrics;
use super::probe;
use crate::namespace::MARK;
use crate::{Bpffs, Testbed};

/// How long a flowd that was told to end may take.
const END_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks at something that is awaited.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Bytes of the log that an error message quotes.
const LOG_TAIL: u64 = 4096;

/// A flowd under our control. Dropping it ends the daemon and undoes its work with `flowd detach`.
#[derive(Debug)]
pub struct Flowd {
    pub(super) plan: Plan,
    child: Option<Child>,
    // After `child`: pins are needed until the daemon has ended.
    _bpffs: Bpffs,
}

impl Flowd {
    /// A flowd that guards the interfaces of `testbed`'s node, with all its files below `directory`.
    pub fn builder(testbed: &Testbed, directory: impl AsRef<Path>) -> FlowdBuilder {
        FlowdBuilder::new(testbed, directory.as_ref())
    }

    pub(super) fn new(plan: Plan, bpffs: Bpffs) -> Self {
        Self {
            plan,
            child: None,
            _bpffs: bpffs,
        }
    }

    /// Starts the daemon and waits until it serves and protects. An error quotes the end of its log.
    pub fn launch(&mut self) -> Result<()> {
        if self.child.is_some() {
            bail!("flowd is running already");
        }
        // An old answer to "where do you listen" must not be mistaken for the new one.
        let _ = fs::remove_file(self.addresses_file());
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_file())?;
        let mut command = self.command("run");
        command
            .arg("--state")
            .arg(self.state())
            .arg("--policies")
            .arg(self.policies())
            .arg("--endpoints")
            .arg(self.endpoints())
            .arg("--socket")
            .arg(self.socket())
            .args([
                "--listen",
                "127.0.0.1:0",
                "--web",
                "127.0.0.1:0",
                "--metrics",
                "127.0.0.1:0",
            ])
            .args(["--log-format", "text"])
            .args(&self.plan.arguments)
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", self.plan.binary.display()))?;
        self.child = Some(child);
        self.wait_ready().with_context(|| {
            format!(
                "flowd is not ready; the end of its log:\n{}",
                self.log_tail()
            )
        })
    }

    /// Ends the daemon without any chance to tidy up. Enforcement stays: links and maps are pinned.
    pub fn kill9(&mut self) -> Result<()> {
        let mut child = self.child.take().context("flowd is not running")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Asks the daemon to end and waits for it. Enforcement stays.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        let mut child = self.child.take().context("flowd is not running")?;
        signal(&child, Signal::TERM)?;
        match within(END_WITHIN, || child.try_wait().transpose()) {
            Some(status) => Ok(status?),
            None => {
                child.kill()?;
                child.wait()?;
                bail!("flowd ignored SIGTERM for {END_WITHIN:?}, so it was killed")
            }
        }
    }

    /// Starts the daemon again with the same flags, ending it first if it runs.
    pub fn restart(&mut self) -> Result<()> {
        if self.child.is_some() {
            self.terminate()?;
        }
        self.launch()
    }

    /// Runs `flowd detach`: takes all programs off the interfaces.
    pub fn detach(&self) -> Result<()> {
        let output = self
            .command("detach")
            .output()
            .context("cannot run `flowd detach`")?;
        if output.status.success() {
            return Ok(());
        }
        bail!(
            "`flowd detach` failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )
    }

    /// A `flowctl` that will ask this flowd.
    pub fn flowctl(&self) -> Result<Command> {
        let mut command = Command::new(binary("flowctl")?);
        command.args(["--server", &self.server()]);
        command.env(MARK, self.plan.node.name()).process_group(0);
        Ok(command)
    }

    /// The process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Waits until every endpoint is protected, as `/healthz` tells.
    pub fn wait_protected(&self, limit: Duration) -> Result<()> {
        let metrics = self.metrics_address()?;
        let mut said = String::new();
        within(limit, || match probe::get(metrics, "/healthz") {
            Ok(answer) if answer.status == 200 => Some(()),
            Ok(answer) => {
                said = format!("{} {}", answer.status, answer.body.trim());
                None
            }
            Err(error) => {
                said = error.to_string();
                None
            }
        })
        .with_context(|| format!("not all endpoints are protected after {limit:?}: {said}"))
    }

    /// What `/metrics` says now.
    pub fn metrics(&self) -> Result<Metrics> {
        let answer = probe::get(self.metrics_address()?, "/metrics")?;
        if answer.status != 200 {
            bail!(
                "/metrics answered {}: {}",
                answer.status,
                answer.body.trim()
            );
        }
        Ok(Metrics::parse(&answer.body))
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.plan.binary);
        command
            .arg(verb)
            .arg("--bpffs")
            .arg(self.bpffs())
            .arg("--netns")
            .arg(self.plan.node.path())
            .env(MARK, self.plan.node.name())
            // Nobody else's processes are any of our business; a scene that wants them names its own.
            .env("FLOWD_CGROUP", "off")
            .envs(
                self.plan
                    .environment
                    .iter()
                    .map(|(key, value)| (key, value)),
            )
            .stdin(Stdio::null())
            .process_group(0);
        command
    }

    fn wait_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + self.plan.ready_within;
        let socket = self.socket();
        let child = self.child.as_mut().context("flowd was not started")?;
        let served = within(self.plan.ready_within, || match child.try_wait() {
            Ok(None) => probe::accepts(&socket).then_some(Ok(())),
            Ok(Some(status)) => Some(Err(format!("it ended with {status}"))),
            Err(error) => Some(Err(error.to_string())),
        });
        match served {
            Some(Ok(())) => {}
            Some(Err(cause)) => {
                self.child = None;
                bail!(cause);
            }
            None => bail!("its socket {} does not accept", socket.display()),
        }
        let addresses = self.addresses_file();
        within(deadline.saturating_duration_since(Instant::now()), || {
            probe::address(&addresses, "metrics").ok()
        })
        .with_context(|| format!("{} does not name a metrics address", addresses.display()))?;
        self.wait_protected(deadline.saturating_duration_since(Instant::now()))
    }

    fn log_tail(&self) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(self.log_file())?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        read().unwrap_or_else(|error| format!("(no log: {error})"))
    }
}

impl Drop for Flowd {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the end of flowd's log:\n{}", self.log_tail());
        }
        if self.child.is_some()
            && let Err(error) = self.terminate()
        {
            eprintln!("flowd: {error:#}");
        }
        // The namespaces and the bpffs go anyway; this is for programs attached elsewhere by mistake.
        if let Err(error) = self.detach() {
            eprintln!("flowd: {error:#}");
        }
    }
}

/// Asks `look` until it answers or `limit` has passed.
fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(seen) = look() {
            return Some(seen);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn signal(child: &Child, signal: Signal) -> Result<()> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.context("flowd has no process id")?, signal)?;
    Ok(())
}
