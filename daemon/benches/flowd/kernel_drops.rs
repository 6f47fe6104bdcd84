//! What it costs to tell a drop of the kernel: the run time of the program on its tracepoint, as the
//! kernel keeps it, over datagrams to a closed port.

use std::{error::Error, net::UdpSocket};

use aya::sys::{Stats, enable_stats};
use flowd::kernel::{
    Kernel, Sizes, Timeouts,
    bpffs::Pins,
    drop_tables::GuardedTable,
    kernel_drops::{self, Layout},
    namespace::Namespace,
};
use flowd_abi::{Address, Guarded, GuardedKey};
use flowd_testbed::Bpffs;

use crate::summary::{Summary, Target};

const DATAGRAMS: u32 = 20_000;

/// Measures drops of a workload, which are one flow, and drops of nobody who is guarded.
pub(crate) fn measure(summary: &mut Summary) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let bpffs = Bpffs::mount(directory.path().join("bpffs"))?;
    let pins = Pins::open(&directory.path().join("bpffs"))?;
    let sizes = Sizes {
        kernel_drops: 1024,
        ..Sizes::default()
    };
    let own = Namespace::own();
    let layout = Layout::of_kernel(&own)?;
    let mut kernel = Kernel::load_for(&sizes, &Timeouts::default(), None, &layout)?;
    let mut table = GuardedTable::take(&mut kernel)?;
    kernel_drops::attach(&mut kernel, &pins)?;
    let statistics = enable_stats(Stats::RunTime)?;
    let elsewhere = cost(&mut kernel)?;
    let key = GuardedKey {
        namespace: own.number()?,
        address: Address::v4([127, 0, 0, 1]),
    };
    table.put(&key, &Guarded { endpoint: 7 })?;
    let counted = cost(&mut kernel)?;
    drop(statistics);
    kernel_drops::detach(&pins)?;
    drop(bpffs);
    let method = |whose: &str| {
        format!(
            "run time of the program on skb:kfree_skb for each of {DATAGRAMS} datagrams to a closed port \
             of {whose}; what else the host drops meanwhile included"
        )
    };
    for (key, value, whose) in [
        ("kernel_drop_ns", counted, "a guarded address, one flow"),
        (
            "kernel_drop_elsewhere_ns",
            elsewhere,
            "an address nobody guards",
        ),
    ] {
        summary.put("datapath", key, value, Target::None, &method(whose));
    }
    Ok(())
}

fn cost(kernel: &mut Kernel) -> Result<f64, Box<dyn Error>> {
    let closed = {
        let bound = UdpSocket::bind("127.0.0.1:0")?;
        bound.local_addr()?
    };
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    let before = kernel_drops::run_time(kernel)?;
    for _ in 0..DATAGRAMS {
        sender.send_to(b"?", closed)?;
    }
    let spent = kernel_drops::run_time(kernel)? - before;
    Ok(spent as f64 / f64::from(DATAGRAMS))
}
