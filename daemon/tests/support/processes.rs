//! A control group of the test's own, so that flowd watches the test's processes and no others; what
//! flows say of their processes, and what the kernel counts beside flowd.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command},
    sync::atomic::{AtomicU32, Ordering},
};

use flowd_proto::{
    flow::Flow,
    flowd::v1::{EventKind, FlowExtension, Process},
};
use flowd_testbed::Namespace;

use super::{Scene, Wanted, eventually, run_inside, when};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A control group; goes with the value, once its processes have ended.
#[derive(Debug)]
pub(crate) struct Group(PathBuf);

impl Group {
    pub(crate) fn new() -> Self {
        let root = flowd::kernel::sockets::root().expect("control groups of version 2");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = root.join(format!("flowd-test-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("a control group");
        Self(path)
    }

    /// One below this one, named as a unit of systemd.
    pub(crate) fn unit(&self, name: &str) -> Self {
        let path = self.0.join(name);
        fs::create_dir(&path).expect("a control group");
        Self(path)
    }

    pub(crate) fn path(&self) -> &PathBuf {
        &self.0
    }

    /// A command that will run inside a namespace and this group, under one process id.
    pub(crate) fn command(&self, namespace: &Namespace, line: &[&str]) -> Command {
        let mut command = namespace.command("sh");
        command
            .args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""])
            .arg(&self.0)
            .args(line);
        command
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A group with processes stays, and they are some other part's to end.
        let _ = fs::remove_dir(&self.0);
    }
}

/// A process of the test that ends with it.
#[derive(Debug)]
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until somebody listens there, without connecting.
pub(crate) fn listening(namespace: &Namespace, port: u16) {
    eventually("somebody listens", || {
        let all = run_inside(namespace, "ss -Htln");
        when(all.contains(&format!(":{port} ")), all)
    });
}

/// A scene whose flowd watches the group, with these further lines of configuration.
pub(crate) fn watched(group: &Group, config: &str) -> Scene {
    Scene::with(|builder, directory| {
        let file = directory.join("flowd.yaml");
        fs::write(&file, config).expect("written");
        let builder = builder.arg("--config").arg(file);
        builder.env("FLOWD_CGROUP", group.path())
    })
}

/// The newest event of this kind whose process passes.
pub(crate) fn told(
    scene: &Scene,
    wanted: &Wanted,
    kind: EventKind,
    good: impl Fn(&Process) -> bool,
) -> (Flow, FlowExtension) {
    eventually("a flow with its process", || {
        let flows = scene.flows(wanted);
        let seen: Vec<_> = flows.iter().map(Flow::extension).collect();
        let seen = format!("{seen:#?}");
        let found = flows.into_iter().rev().find_map(|flow| {
            let extension = flow.extension()?;
            let process = extension.process.as_ref()?;
            (extension.event() == kind && good(process)).then_some((flow, extension))
        });
        found.ok_or(seen)
    })
}

/// A counter of /proc/net/snmp or /proc/net/netstat in a namespace.
pub(crate) fn counter(namespace: &Namespace, protocol: &str, name: &str) -> u64 {
    let text = run_inside(namespace, "cat /proc/net/snmp /proc/net/netstat");
    let mut rows = text.lines().filter(|line| line.starts_with(protocol));
    let (names, values) = (rows.next().expect("names"), rows.next().expect("values"));
    let place = names.split(' ').position(|column| column == name);
    let value = values.split(' ').nth(place.expect("the column"));
    value
        .and_then(|value| value.parse().ok())
        .expect("a number")
}

/// Bytes of IPv4 a namespace counts, in and out together.
pub(crate) fn octets(namespace: &Namespace) -> u64 {
    counter(namespace, "IpExt:", "InOctets") + counter(namespace, "IpExt:", "OutOctets")
}
