//! A flowd that cannot start is an error that tells why, and leaves nothing behind.

use std::fs;
use std::time::Duration;

use flowd_testbed::{Flowd, PodSpec, Testbed};

#[test]
fn a_daemon_that_ends_at_once_is_quoted() {
    let testbed = Testbed::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let start = Flowd::builder(&testbed, directory.path())
        .binary("/bin/ls")
        .start();
    let error = format!("{:#}", start.unwrap_err());
    assert!(error.contains("it ended with"), "{error}");
    // What `ls` thinks of the flags stands in the log.
    assert!(error.contains("--bpffs"), "{error}");
    assert!(!is_mount(directory.path().join("bpffs").to_str().unwrap()));
}

#[test]
fn a_daemon_that_never_serves_is_given_up_and_ended() {
    let testbed = Testbed::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut flowd = Flowd::builder(&testbed, directory.path())
        .binary("/bin/sleep")
        .ready_within(Duration::from_millis(100))
        .prepare()
        .unwrap();
    let pod = testbed.pod(PodSpec::app("shop", "frontend")).unwrap();
    flowd.write_endpoint(&pod).unwrap();
    flowd.write_policy("none", "").unwrap();
    let written = fs::read_to_string(flowd.endpoints().join("shop.frontend.yaml")).unwrap();
    assert!(written.contains(&pod.interface));
    assert!(is_mount(flowd.bpffs().to_str().unwrap()));
    let error = format!("{:#}", flowd.launch().unwrap_err());
    assert!(error.contains("flowd is not ready"), "{error}");
    let (bpffs, pid) = (flowd.bpffs(), flowd.pid());
    drop(flowd);
    assert!(!is_mount(bpffs.to_str().unwrap()));
    if let Some(pid) = pid {
        assert!(
            !fs::exists(format!("/proc/{pid}")).unwrap(),
            "process {pid} survived"
        );
    }
}

fn is_mount(path: &str) -> bool {
    let table = fs::read_to_string("/proc/self/mounts").unwrap();
    table
        .lines()
        .any(|line| line.split(' ').nth(1) == Some(path))
}
