//! The end of the demo: what was tried, what flowd told, whether the books balance.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use flowd_testbed::{Flowd, Metrics};

use crate::errand::Done;
use crate::expect;
use crate::flows::{self, Flow};
use crate::ledger::{Ledger, Row};
use crate::shop::Shop;

/// The last verdicts are on their way for a moment after the last packet, and flowd reads its counters
/// once a second: two readings must agree.
const SETTLE_WITHIN: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(1500);

/// What flowd says at the end; absent is what could not be read.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    flows: Option<Vec<Flow>>,
    books: Option<Books>,
    surprises: Vec<String>,
}

impl Evidence {
    fn rows(&self) -> &[Row] {
        self.books.as_ref().map_or(&[], |books| &books.ledger.rows)
    }
}

#[derive(Debug)]
struct Books {
    metrics: Metrics,
    ledger: Ledger,
}

/// Reads until flows and ledger stand still and are as expected, or have had time enough to.
pub(crate) fn gather(flowd: &Flowd, shop: &Shop, results: &[Done], edited: bool) -> Evidence {
    let deadline = Instant::now() + SETTLE_WITHIN;
    let mut before = Evidence::default();
    loop {
        let evidence = look(flowd, shop, results, edited);
        let settled = evidence.rows() == before.rows() && evidence.surprises.is_empty();
        if settled || Instant::now() >= deadline {
            return evidence;
        }
        before = evidence;
        thread::sleep(LOOK_EVERY);
    }
}

fn look(flowd: &Flowd, shop: &Shop, results: &[Done], edited: bool) -> Evidence {
    let mut evidence = Evidence::default();
    if !edited {
        evidence.surprises.extend(expect::on_the_wire(results));
    }
    match books(flowd) {
        Ok(books) => {
            evidence.surprises.extend(books.ledger.imbalances());
            evidence.books = Some(books);
        }
        Err(error) => evidence
            .surprises
            .push(format!("the ledger could not be read: {error:#}")),
    }
    match flows::read(flowd) {
        Ok(flows) => {
            if let Some(flows) = flows.as_ref().filter(|_| !edited) {
                evidence
                    .surprises
                    .extend(expect::in_the_flows(shop, results, flows));
            }
            evidence.flows = flows;
        }
        Err(error) => evidence
            .surprises
            .push(format!("the flows could not be read: {error:#}")),
    }
    evidence
}

fn books(flowd: &Flowd) -> Result<Books> {
    let metrics = flowd.metrics()?;
    let ledger = Ledger::read(&metrics)?;
    Ok(Books { metrics, ledger })
}

/// Prints everything; true if nothing was a surprise.
pub(crate) fn print(results: &[Done], evidence: &Evidence, edited: bool) -> bool {
    print_tries(results);
    match &evidence.flows {
        Some(flows) => print_flows(flows),
        None => println!("\nFlows: not read back (is a flowctl beside the demo?)."),
    }
    if let Some(books) = &evidence.books {
        print_processed(&books.metrics);
        print_ledger(&books.ledger);
    }
    if edited {
        println!("\nThe policies were not only the demo's own, so outcomes were not checked.");
    }
    if evidence.surprises.is_empty() {
        println!("\nNo surprises.");
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
        let policies = if flow.by.is_empty() || !flow.default_denied_by.is_empty() {
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
