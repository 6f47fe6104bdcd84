//! What this process costs, from `/proc/self`.

use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::family::{Family, describe, number};

/// Collects `process_*`.
#[derive(Debug)]
pub struct ProcessCollector;

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        static DESC: std::sync::OnceLock<Option<Desc>> = std::sync::OnceLock::new();
        DESC.get_or_init(|| describe("process_cpu_seconds_total"))
            .iter()
            .collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let cpu = fs::read_to_string("/proc/self/stat")
            .ok()
            .and_then(|text| cpu_ticks(&text));
        let resident = fs::read_to_string("/proc/self/statm")
            .ok()
            .and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
        let mut families = Vec::new();
        if let Some(ticks) = cpu {
            let seconds = number(ticks) / number(rustix::param::clock_ticks_per_second());
            families.push(
                Family::counter("process_cpu_seconds_total", "CPU time used.").with(&[], seconds),
            );
        }
        if let Some(pages) = resident {
            let bytes = pages.saturating_mul(rustix::param::page_size() as u64);
            families.push(
                Family::gauge("process_resident_memory_bytes", "Resident memory.")
                    .with(&[], number(bytes)),
            );
        }
        families.into_iter().filter_map(Family::finish).collect()
    }
}

/// User and system time of `/proc/self/stat`; the command, in brackets, may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_brackets_does_not_shift_the_fields() {
        let stat = "1 (a) b) c) S 0 1 1 0 -1 4194560 100 0 0 0 70 30 0 0 20 0 1";
        assert_eq!(cpu_ticks(stat), Some(100));
    }
}
