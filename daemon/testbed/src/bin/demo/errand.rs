//! Keeps trying: one thread for each errand, both address families, counts per family.

use std::io;
use std::net::IpAddr;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use anyhow::Result;
use flowd_testbed::Namespace;
use flowd_testbed::traffic::{Conversation, http_get, ping, tcp_connect, udp_exchange};

use crate::plan::{Errand, What};
use crate::shop::Shop;
use crate::stop::Stop;

/// A try that ought to succeed may take this long on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);
/// A try that ought to fail is given up after this; packets inside one machine take microseconds.
const IMPATIENCE: Duration = Duration::from_millis(400);
/// Slow enough to read along.
const BETWEEN: Duration = Duration::from_millis(750);
/// DNS questions and answers are between these sizes.
const SMALLEST: usize = 60;
const LARGEST: usize = 512;

/// What became of an errand by one address family.
#[derive(Clone, Debug)]
pub(crate) struct Tries {
    pub(crate) address: IpAddr,
    pub(crate) ok: u64,
    pub(crate) failed: u64,
    /// The first try that could not even be made.
    pub(crate) broken: Option<String>,
}

/// What became of an errand.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) errand: Errand,
    pub(crate) tries: [Tries; 2],
}

/// Errands under way.
pub(crate) type Running = Vec<(Errand, JoinHandle<Done>)>;

/// Starts all errands; each does at least one round.
pub(crate) fn start(shop: &Shop, errands: Vec<Errand>, stop: &Stop) -> Result<Running> {
    errands
        .into_iter()
        .map(|errand| {
            let namespace = shop.namespace(errand.from).clone();
            let addresses = shop.addresses(errand.to);
            let stop = stop.clone();
            let name = format!("{}-{}", errand.from.name(), errand.to.name());
            let thread = Builder::new()
                .name(name)
                .spawn(move || keep_trying(errand, &namespace, addresses, &stop))?;
            Ok((errand, thread))
        })
        .collect()
}

/// Waits for all errands to finish the round they are in.
pub(crate) fn finish(running: Running) -> Vec<Done> {
    let join = |(_, thread): (Errand, JoinHandle<Done>)| {
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    };
    running.into_iter().map(join).collect()
}

fn keep_trying(errand: Errand, from: &Namespace, addresses: [IpAddr; 2], stop: &Stop) -> Done {
    let mut tries = addresses.map(|address| Tries {
        address,
        ok: 0,
        failed: 0,
        broken: None,
    });
    let mut round = 0;
    loop {
        for tries in &mut tries {
            match attempt(errand, from, tries.address, round) {
                Ok(true) => tries.ok += 1,
                Ok(false) => tries.failed += 1,
                Err(error) => {
                    tries.failed += 1;
                    tries.broken.get_or_insert_with(|| error.to_string());
                }
            }
        }
        round += 1;
        stop.pause(BETWEEN);
        if stop.is_set() {
            return Done { errand, tries };
        }
    }
}

fn attempt(errand: Errand, from: &Namespace, to: IpAddr, round: usize) -> io::Result<bool> {
    let limit = if errand.expected.succeeds() {
        PATIENCE
    } else {
        IMPATIENCE
    };
    match errand.what {
        What::Http(port) => {
            let answer = http_get(from, to, port, "/", limit)?;
            Ok(answer.is_ok_and(|answer| answer.status == 200))
        }
        What::Tcp(port) if errand.expected.succeeds() => {
            Conversation::open(from, to, port, limit)?.say(b"select 1", limit)
        }
        What::Tcp(port) => Ok(tcp_connect(from, to, port, limit)?.is_connected()),
        What::Udp(port) => {
            let size = SMALLEST + (round * 37) % (LARGEST - SMALLEST + 1);
            udp_exchange(from, to, port, &vec![0x2a; size], limit)
        }
        What::Ping => Ok(ping(from, to, 1)? == 1),
    }
}
