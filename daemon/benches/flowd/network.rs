//! What guarding costs real traffic: two identical paths through one node, one of them guarded.
//!
//! Each path is sender → node → receiver, all namespaces. Slices of both paths take turns, and which
//! goes first alternates; half-way through, the other path is the guarded one, so that no
//! difference between the paths counts. A figure is the median of the ratios of neighbouring
//! slices. Slices in which the machine was taken away (steal) are dropped with their neighbour.
//!
//! `one` guards the sender, as a workload that talks to another host is; `both` guards both ends,
//! as two workloads on one node are: every packet is judged twice.

use std::{error::Error, thread::sleep, time::Duration};

use flowd_testbed::{Flowd, Pod, PodSpec, Testbed};

use crate::{
    guarded,
    slice::{self, Kind},
    summary::{Summary, Target, median},
};

/// More steal than this and a pair is dropped.
const MAX_STEAL: f64 = 0.12;

/// One way through the node.
struct Path {
    sender: Pod,
    receiver: Pod,
}

/// Measures the ratios and the daemon's time, or the one ratio that is named.
pub(crate) fn measure(
    summary: &mut Summary,
    quick: bool,
    only: Option<&str>,
) -> Result<(), Box<dyn Error>> {
    let wanted = |kind: &Kind| only.is_none_or(|key| kind.key() == key);
    let testbed = Testbed::new()?;
    let paths = [path(&testbed, "a")?, path(&testbed, "b")?];
    for path in &paths {
        slice::warm(&path.sender, &path.receiver)?;
    }
    for (suffix, both) in [("", false), ("_both_guarded", true)] {
        let mut ratios: [Vec<f64>; 3] = Default::default();
        let mut bare: [Vec<f64>; 3] = Default::default();
        let mut toll = Toll::default();
        for guarded in 0..2 {
            let directory = tempfile::tempdir()?;
            let path = &paths[guarded];
            let pods: &[&Pod] = if both {
                &[&path.sender, &path.receiver]
            } else {
                &[&path.sender]
            };
            let flowd = guarded::start(&testbed, directory.path(), pods)?;
            for (number, kind) in Kind::ALL.into_iter().filter(wanted).enumerate() {
                let pairs = kind.pairs();
                for turn in 0..if quick { pairs / 6 } else { pairs } {
                    let pair = pair(&paths, guarded, kind, turn % 2 == 0, &flowd, &mut toll)?;
                    if let Some((without, with)) = pair {
                        ratios[number].push(with / without);
                        bare[number].push(without);
                    }
                }
            }
            toll.settle(&flowd, pods.len() as f64)?;
        }
        for (number, kind) in Kind::ALL.into_iter().filter(wanted).enumerate() {
            let method = format!(
                "median of {} paired ratios of {:?} slices, {} guarded; bare {:.0} {}",
                ratios[number].len(),
                kind.length(),
                if both { "both ends" } else { "sender" },
                median(&bare[number]),
                kind.unit()
            );
            let key = format!("{}{suffix}", kind.key());
            summary.put(
                "network",
                &key,
                median(&ratios[number]),
                target(both, 0.97),
                &method,
            );
        }
        if toll.connections > 0 {
            toll.report(summary, suffix, both);
        }
    }
    Ok(())
}

fn target(both: bool, bound: f64) -> Target {
    if both {
        Target::None
    } else {
        Target::AtLeast(bound)
    }
}

fn path(testbed: &Testbed, name: &str) -> Result<Path, Box<dyn Error>> {
    Ok(Path {
        sender: testbed.pod(PodSpec::app("bench", &format!("sender-{name}")))?,
        receiver: testbed.pod(PodSpec::app("bench", &format!("receiver-{name}")))?,
    })
}

/// One slice on each path; what each brought, the bare one first, unless the machine was away.
fn pair(
    paths: &[Path; 2],
    guarded: usize,
    kind: Kind,
    guarded_first: bool,
    flowd: &Flowd,
    toll: &mut Toll,
) -> Result<Option<(f64, f64)>, Box<dyn Error>> {
    let order = if guarded_first {
        [guarded, 1 - guarded]
    } else {
        [1 - guarded, guarded]
    };
    let (mut without, mut with, mut clean) = (0.0, 0.0, true);
    for number in order {
        let path = &paths[number];
        let before = guarded::cpu_time(guarded::pid(flowd)?)?;
        let brought = slice::run(kind, &path.sender, &path.receiver)?;
        clean &= brought.steal <= MAX_STEAL;
        if number == guarded {
            with = brought.rate;
            if kind == Kind::Connections {
                // What is told in the last moment is read in the next.
                sleep(Duration::from_millis(100));
                toll.cpu += guarded::cpu_time(guarded::pid(flowd)?)? - before;
                toll.connections += brought.count;
            }
        } else {
            without = brought.rate;
        }
    }
    Ok(clean.then_some((without, with)))
}

/// What the daemon paid for the short connections, and whether all were told.
#[derive(Default)]
struct Toll {
    /// Nanoseconds of the daemon in slices of connections.
    cpu: u64,
    connections: u64,
    flows: f64,
    /// Connections before the guarded path changed.
    settled: u64,
}

impl Toll {
    /// Checks the ledger of a daemon that is about to go.
    fn settle(&mut self, flowd: &Flowd, ends: f64) -> Result<(), Box<dyn Error>> {
        let mine = self.connections - self.settled;
        // Each end tells the opening, the first answer and the end of each connection.
        let expected = mine as f64 * 3.0 * ends;
        let metrics = guarded::wait(flowd, "every connection's flows are delivered", |metrics| {
            metrics.sum("flowd_events_received_total", &[("ring", "events")]) >= expected
                && metrics.sum("flowd_ledger_pending", &[]) == 0.0
        })?;
        for name in ["flowd_ledger_deferred_total", "flowd_ledger_lost_total"] {
            let count = metrics.sum(name, &[]);
            if count > 0.0 {
                println!("{name} is {count}: the rings were full at times");
            }
        }
        let lost = metrics.sum("flowd_ledger_lost_total", &[]);
        if lost > 0.0 {
            return Err(format!("{lost} verdicts were lost").into());
        }
        self.flows += expected;
        self.settled = self.connections;
        Ok(())
    }

    fn report(&self, summary: &mut Summary, suffix: &str, both: bool) {
        let per_flow = self.cpu as f64 / 1000.0 / self.flows;
        let method = format!(
            "all threads' CPU time in {} connections' slices / {} flows, all of them delivered; \
             polling and idle time included",
            self.connections, self.flows
        );
        let target = if both {
            Target::None
        } else {
            Target::AtMost(1.5)
        };
        let key = format!("daemon_cpu_us_per_flow{suffix}");
        summary.put("network", &key, per_flow, target, &method);
    }
}
