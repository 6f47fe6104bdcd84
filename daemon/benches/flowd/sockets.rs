//! What it costs to know whose a connection is: the run time of the socket programs, as the kernel
//! keeps it, over real connections.

use std::{
    error::Error,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process,
};

use aya::sys::{Stats, enable_stats};
use flowd::kernel::{Kernel, Sizes, Timeouts, bpffs::Pins, sockets};
use flowd_testbed::Bpffs;

use crate::summary::{Summary, Target};

const CONNECTIONS: u16 = 5_000;

/// This process in a control group of its own, so that nobody else's sockets are seen.
struct Group {
    root: PathBuf,
    path: PathBuf,
}

impl Group {
    fn enter() -> Result<Self, Box<dyn Error>> {
        let root = sockets::root().ok_or("no control groups of version 2")?;
        let path = root.join(format!("flowd-bench-{}", process::id()));
        fs::create_dir(&path)?;
        let group = Self { root, path };
        fs::write(group.path.join("cgroup.procs"), process::id().to_string())?;
        Ok(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let back = fs::write(self.root.join("cgroup.procs"), process::id().to_string());
        if let Err(error) = back.and_then(|()| fs::remove_dir(&self.path)) {
            eprintln!("bench: {}: {error}", self.path.display());
        }
    }
}

/// Measures connections whose both ends are in the group.
pub(crate) fn measure(summary: &mut Summary) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let bpffs = Bpffs::mount(directory.path().join("bpffs"))?;
    let pins = Pins::open(&directory.path().join("bpffs"))?;
    let sizes = Sizes {
        sockets: 65_536,
        ..Sizes::default()
    };
    let mut kernel = Kernel::load(&sizes, &Timeouts::default(), None)?;
    let group = Group::enter()?;
    sockets::attach(&mut kernel, &group.path, &pins)?;
    let statistics = enable_stats(Stats::RunTime)?;
    connections(100)?;
    let before = sockets::run_times(&mut kernel)?;
    connections(CONNECTIONS)?;
    let after = sockets::run_times(&mut kernel)?;
    drop(statistics);
    sockets::detach(&pins)?;
    drop(bpffs);
    let spent = |of: &[&str]| {
        let both = before.iter().zip(&after);
        let those = both.filter(|((name, _), _)| of.iter().any(|part| name.contains(part)));
        let sum: u64 = those.map(|((_, before), (_, after))| after - before).sum();
        sum as f64 / f64::from(CONNECTIONS)
    };
    let method = |end: &str| {
        format!(
            "run time of the socket programs at the end that {end}, over {CONNECTIONS} TCP connections \
             on loopback, connect to close; the kernel's own bookkeeping of it included"
        )
    };
    for (key, of, end) in [
        (
            "attribution_ns_connects",
            &["opened", "connected"][..],
            "connects",
        ),
        ("attribution_ns_accepts", &["bound", "accepted"], "accepts"),
    ] {
        let target = Target::AtMost(1_000.0);
        summary.put("datapath", key, spent(of), target, &method(end));
    }
    Ok(())
}

fn connections(count: u16) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    for _ in 0..count {
        let mut client = TcpStream::connect(address)?;
        let (mut server, _) = listener.accept()?;
        client.write_all(b"?")?;
        server.read_exact(&mut [0])?;
        server.write_all(b"!")?;
        client.read_exact(&mut [0])?;
    }
    Ok(())
}
