//! What flowd costs: each figure with its method and its target, as a table and as
//! `target/bench/summary.json`.
//!
//! `cargo bench -p flowd --bench flowd [-- [--quick] [--only=KEY] SECTION…]`; sections are `datapath`,
//! `sockets`, `kernel_drops`, `userspace`, `resolve`, `observe`, `grpc`, `memory`, `network`; without any, all are run.
//! Needs root. Figures of sections that were not run are kept if they are of the same commit and no file
//! differs from it.

#[path = "../../../ebpf/tests/common/mod.rs"]
mod common;
mod datapath;
mod grpc;
mod guarded;
mod kernel_drops;
mod memory;
mod network;
mod observe;
#[path = "../../tests/packets/mod.rs"]
mod packets;
mod resolve;
mod scrape;
mod slice;
mod sockets;
mod summary;
mod userspace;

use std::{env, error::Error, process::ExitCode};

use summary::Summary;

/// Whether to be quick, and which sections to run.
struct Arguments {
    quick: bool,
    /// The one figure of the datapath or the network that is wanted, to profile it.
    only: Option<String>,
    sections: Vec<String>,
}

impl Arguments {
    fn read() -> Self {
        // Cargo adds `--bench`.
        let all: Vec<String> = env::args().skip(1).filter(|one| one != "--bench").collect();
        let (flags, sections): (Vec<String>, _) =
            all.into_iter().partition(|one| one.starts_with("--"));
        let only = flags.iter().find_map(|flag| flag.strip_prefix("--only="));
        Self {
            quick: flags.iter().any(|flag| flag == "--quick"),
            only: only.map(str::to_owned),
            sections,
        }
    }

    fn wants(&self, section: &str) -> bool {
        self.sections.is_empty() || self.sections.iter().any(|one| one == section)
    }
}

fn main() -> ExitCode {
    match run(&Arguments::read()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut summary = Summary::open()?;
    if arguments.wants("datapath") {
        datapath::measure(&mut summary, arguments.quick, arguments.only.as_deref())?;
    }
    if arguments.wants("sockets") {
        sockets::measure(&mut summary)?;
    }
    if arguments.wants("kernel_drops") {
        kernel_drops::measure(&mut summary)?;
    }
    if arguments.wants("userspace") {
        userspace::measure(&mut summary, arguments.quick);
        scrape::measure(&mut summary)?;
    }
    if arguments.wants("resolve") {
        resolve::measure(&mut summary)?;
    }
    if arguments.wants("observe") {
        observe::measure(&mut summary)?;
    }
    if arguments.wants("grpc") {
        grpc::measure(&mut summary)?;
    }
    if arguments.wants("memory") {
        memory::measure(&mut summary)?;
    }
    if arguments.wants("network") {
        network::measure(&mut summary, arguments.quick, arguments.only.as_deref())?;
    }
    summary.write()?;
    summary.print();
    Ok(())
}
