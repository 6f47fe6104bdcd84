//! The end of the demo: what was tried, what flowd told, whether the books balance.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use flowd_testbed::{Flowd, Metrics};

use crate::errand::Done;
use crate::expect;
use crate::flows::{self, Flow};
use crate::ledger::Ledger;
use crate::shop::Shop;

/// The last verdicts are on their way for a moment after the last packet.
const SETTLE_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What flowd says at the end.
#[derive(Debug)]
pub(crate) struct Evidence {
    /// `None` where no `flowctl` is built to ask for them.
    flows: Option<Vec<Flow>>,
    metrics: Metrics,
    ledger: Ledger,
    surprises: Vec<String>,
}

/// Reads until flows and ledger are as expected, or have had time enough to be.
pub(crate) fn gather(
    flowd: &Flowd,
    shop: &Shop,
    results: &[Done],
    edited: bool,
) -> Result<Evidence> {
    let deadline = Instant::now() + SETTLE_WITHIN;
    loop {
        let metrics = flowd.metrics()?;
        let ledger = Ledger::read(&metrics)?;
        let flows = flows::read(flowd)?;
        let mut surprises = ledger.imbalances();
        if !edited {
            surprises.extend(expect::on_the_wire(results));
            let told = flows
                .as_deref()
                .map(|flows| expect::in_the_flows(shop, results, flows));
            surprises.extend(told.into_iter().flatten());
        }
        if surprises.is_empty() || Instant::now() >= deadline {
            return Ok(Evidence {
                flows,
                metrics,
                ledger,
                surprises,
            });
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Prints everything; true if nothing was a surprise.
pub(crate) fn print(results: &[Done], evidence: &Evidence, edited: bool) -> bool {
    print_tries(results);
    match &evidence.flows {
        Some(flows) => print_flows(flows),
        None => println!("\nFlows: no flowctl beside the demo, so they were not read back."),
    }
    print_processed(&evidence.metrics);
    print_ledger(&evidence.ledger);
    if edited {
        println!("\nThe policies were edited while the demo ran, so outcomes were not checked.");
    }
    if evidence.surprises.is_empty() {
        println!("\nEverything was as the policy says.");
        return true;
    }
    println!("\nSurprises:");
    evidence
        .surprises
        .iter()
        .for_each(|surprise| println!("  {surprise}"));
    false
}

fn print_tries(results: &[Done]) {
    println!("\nTries, as the clients saw them:");
    println!(
        "  {:<10}{:<10}{:<12}{:<6}{:>6}{:>6}{:>8}  expected",
        "from", "to", "what", "", "tries", "ok", "failed"
    );
    for Done { errand, tries } in results {
        for tries in tries {
            println!(
                "  {:<10}{:<10}{:<12}{:<6}{:>6}{:>6}{:>8}  {}",
                errand.from.name(),
                errand.to.name(),
                errand.what,
                if tries.address.is_ipv4() {
                    "IPv4"
                } else {
                    "IPv6"
                },
                tries.ok + tries.failed,
                tries.ok,
                tries.failed,
                expect::words(errand.expected)
            );
        }
    }
}

fn print_flows(flows: &[Flow]) {
    let mut counts = BTreeMap::new();
    for flow in flows {
        let policies = if flow.by.is_empty() {
            flow.default_denied_by
                .iter()
                .map(|name| format!("default deny: {name}"))
                .collect()
        } else {
            flow.by.clone()
        };
        let key = (
            flow.verdict.as_str(),
            flow.reason.as_str(),
            policies.join(", "),
        );
        *counts.entry(key).or_insert(0_u64) += 1;
    }
    println!("\nFlows, as flowd tells them (the newest {}):", flows.len());
    println!(
        "  {:>7}  {:<12}{:<20}policies",
        "flows", "verdict", "reason"
    );
    for ((verdict, reason, policies), count) in counts {
        println!("  {count:>7}  {verdict:<12}{reason:<20}{policies}");
    }
}

fn print_processed(metrics: &Metrics) {
    let processed = metrics.sum_by("hubble_flows_processed_total", &["verdict"]);
    let text: Vec<String> = processed
        .iter()
        .map(|(verdict, count)| format!("{count} {}", verdict.concat().to_lowercase()))
        .collect();
    println!("\nFlows processed in all: {}.", text.join(", "));
}

fn print_ledger(ledger: &Ledger) {
    println!("\nLedger, in packets:");
    println!(
        "  {:<11}{:<20}{:<10}{:>9}{:>9}{:>11}{:>10}{:>11}",
        "verdict", "reason", "direction", "packets", "told", "coalesced", "deferred", "recovered"
    );
    for row in &ledger.rows {
        println!(
            "  {:<11}{:<20}{:<10}{:>9}{:>9}{:>11}{:>10}{:>11}",
            row.verdict,
            row.reason,
            row.direction,
            row.packets,
            row.told,
            row.coalesced,
            row.deferred,
            row.recovered
        );
    }
    let balanced = if ledger.imbalances().is_empty() {
        "It balances"
    } else {
        "It does not balance"
    };
    println!(
        "  {balanced}; {} pending, {} lost.",
        ledger.pending, ledger.lost
    );
}
