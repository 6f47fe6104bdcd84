//! A flowd of our own in a testbed: what the sections about the whole daemon stand on.

use std::{
    error::Error,
    fs,
    thread::sleep,
    time::{Duration, Instant},
};

use flowd_testbed::{Flowd, Metrics, Pod, Testbed};

/// The daemon has this long for what it is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Both directions of every pod are enforced; what the bench sends is allowed by rules.
const POLICY: &str = "apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: bench}
spec:
  endpointSelector: {}
  ingress:
  - fromEntities: [all]
    toPorts:
    - ports:
      - {port: \"5000\", endPort: 29999, protocol: TCP}
      - {port: \"5000\", endPort: 29999, protocol: UDP}
  egress:
  - toEntities: [all]
    toPorts:
    - ports:
      - {port: \"5000\", endPort: 29999, protocol: TCP}
      - {port: \"5000\", endPort: 29999, protocol: UDP}
";

/// The daemon of this build, guarding these pods.
pub(crate) fn start(
    testbed: &Testbed,
    directory: &std::path::Path,
    pods: &[&Pod],
) -> Result<Flowd, Box<dyn Error>> {
    let mut flowd = Flowd::builder(testbed, directory)
        .binary(env!("CARGO_BIN_EXE_flowd"))
        .prepare()?;
    flowd.write_policy("bench", POLICY)?;
    for pod in pods {
        flowd.write_endpoint(pod)?;
    }
    flowd.launch()?;
    wait(&flowd, "the pods are protected", |metrics| {
        metrics.sum("flowd_endpoints", &[("state", "protected")]) == pods.len() as f64
    })?;
    Ok(flowd)
}

/// Waits until the daemon's metrics say so.
pub(crate) fn wait(
    flowd: &Flowd,
    what: &str,
    mut met: impl FnMut(&Metrics) -> bool,
) -> Result<Metrics, Box<dyn Error>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let metrics = flowd.metrics()?;
        if met(&metrics) {
            return Ok(metrics);
        }
        if Instant::now() >= deadline {
            return Err(format!("after {PATIENCE:?} it is not so that {what}").into());
        }
        sleep(LOOK_EVERY);
    }
}

/// The process id of the daemon.
pub(crate) fn pid(flowd: &Flowd) -> Result<u32, Box<dyn Error>> {
    flowd.pid().ok_or_else(|| "flowd does not run".into())
}

/// CPU time all threads of a process have had, in nanoseconds.
pub(crate) fn cpu_time(pid: u32) -> Result<u64, Box<dyn Error>> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        let first = text.split_whitespace().next().unwrap_or_default();
        sum += first.parse::<u64>()?;
    }
    Ok(sum)
}

/// Resident memory of a process, in MiB.
pub(crate) fn resident(pid: u32) -> Result<f64, Box<dyn Error>> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.ok_or("no VmRSS")?.parse::<f64>()? / 1024.0)
}
