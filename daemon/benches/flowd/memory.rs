//! Resident memory of the real daemon while it guards a workload with 100,000 live connections.

use std::{error::Error, net::UdpSocket, thread::sleep, time::Duration};

use flowd_testbed::{PodSpec, Testbed, traffic::UdpFlood};

use crate::{
    guarded,
    summary::{Summary, Target},
};

const CONNECTIONS: u64 = 100_000;
/// Ports the other side holds open, so that no datagram is answered with an error.
const PORTS: std::ops::RangeInclusive<u16> = 20_000..=20_499;
/// Ports no rule allows.
const DENIED: std::ops::RangeInclusive<u16> = 40_000..=40_249;
const SOCKETS: u16 = 200;
/// Rounds of sending, at most: a datagram may be lost before it is judged.
const ROUNDS: u32 = 5;

/// Measures the resident set.
pub(crate) fn measure(summary: &mut Summary) -> Result<(), Box<dyn Error>> {
    let testbed = Testbed::new()?;
    let client = testbed.pod(PodSpec::app("bench", "client"))?;
    let server = testbed.world("server")?;
    let directory = tempfile::tempdir()?;
    let flowd = guarded::start(&testbed, directory.path(), &[&client])?;
    let _held: Vec<UdpSocket> = server.namespace.run(|| {
        let any = std::net::Ipv4Addr::UNSPECIFIED;
        PORTS
            .map(|port| UdpSocket::bind((any, port)))
            .collect::<Result<_, _>>()
    })??;
    let before = guarded::resident(guarded::pid(&flowd)?)?;
    let flood = UdpFlood {
        target: server.ipv4.into(),
        ports: PORTS,
        sockets: SOCKETS,
        payload: 18,
    };
    let mut live = 0.0;
    for _ in 0..ROUNDS {
        flood.send(&client.namespace, flood.flows())?;
        // The daemon counts the table's entries in its own time.
        sleep(Duration::from_secs(3));
        let metrics = flowd.metrics()?;
        live = metrics.sum("flowd_connections", &[]);
        if live >= CONNECTIONS as f64 {
            break;
        }
    }
    // Denied flows fill what room the log has left.
    let denied = UdpFlood {
        ports: DENIED,
        ..flood
    };
    denied.send(&client.namespace, denied.flows())?;
    sleep(Duration::from_secs(2));
    let metrics = flowd.metrics()?;
    let stored = metrics.sum("flowd_log_flows", &[]);
    if live < CONNECTIONS as f64 {
        return Err(format!("only {live} connections live").into());
    }
    let resident = guarded::resident(guarded::pid(&flowd)?)?;
    let method = format!(
        "VmRSS of the release flowd with {live} live UDP connections and {stored} flows in its log; \
         {before:.1} MiB before"
    );
    let target = Target::AtMost(96.0);
    summary.put(
        "memory",
        "rss_mib_100k_connections",
        resident,
        target,
        &method,
    );
    Ok(())
}
