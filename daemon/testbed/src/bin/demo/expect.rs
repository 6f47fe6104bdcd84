//! Compares what happened with what the policy says: on the wire, and in flowd's flows.

use crate::errand::{Done, Tries};
use crate::flows::Flow;
use crate::plan::{Errand, Expected};
use crate::shop::Shop;

/// Tries whose outcome the policy does not explain.
pub(crate) fn on_the_wire(results: &[Done]) -> Vec<String> {
    let tries = results
        .iter()
        .flat_map(|done| done.tries.iter().map(|tries| (done.errand, tries)));
    tries
        .filter_map(|(errand, tries)| wire(errand, tries))
        .collect()
}

fn wire(errand: Errand, tries: &Tries) -> Option<String> {
    let what = title(errand, tries);
    if let Some(cause) = &tries.broken {
        return Some(format!("{what}: could not be tried: {cause}"));
    }
    match (errand.expected.succeeds(), tries.ok, tries.failed) {
        (_, 0, 0) => Some(format!("{what}: was never tried")),
        (true, _, 0) | (false, 0, _) => None,
        (true, _, failed) => Some(format!("{what}: is allowed, but {failed} tries failed")),
        (false, ok, _) => Some(format!("{what}: is denied, but {ok} tries succeeded")),
    }
}

/// Tries that flowd does not tell as the policy says.
pub(crate) fn in_the_flows(shop: &Shop, results: &[Done], flows: &[Flow]) -> Vec<String> {
    let mut surprises = Vec::new();
    for Done { errand, tries } in results {
        for (tries, source) in tries.iter().zip(shop.addresses(errand.from)) {
            let told: Vec<&Flow> = flows
                .iter()
                .filter(|flow| flow.source == source && flow.destination == tries.address)
                .filter(|flow| flow.is(errand.what))
                .collect();
            if !explained(&told, errand.expected) {
                let what = title(*errand, tries);
                surprises.push(format!("{what}: no flow tells {}", words(errand.expected)));
            }
        }
    }
    surprises
}

fn explained(flows: &[&Flow], expected: Expected) -> bool {
    let any = |verdict: &str, named: &dyn Fn(&Flow) -> bool| {
        flows
            .iter()
            .any(|flow| flow.verdict == verdict && named(flow))
    };
    let holds = |list: &[String], policy: &str| list.iter().any(|name| name == policy);
    match expected {
        Expected::Allowed([]) => any("FORWARDED", &|_| true),
        Expected::Allowed(policies) => policies
            .iter()
            .all(|policy| any("FORWARDED", &|flow| holds(&flow.by, policy))),
        Expected::DefaultDenied(policy) => any("DROPPED", &|flow| {
            flow.reason == "default_denied" && holds(&flow.default_denied_by, policy)
        }),
        Expected::RuleDenied(policy) => any("DROPPED", &|flow| {
            flow.reason == "rule_denied" && holds(&flow.by, policy)
        }),
    }
}

/// An errand in a word for each column.
pub(crate) fn title(errand: Errand, tries: &Tries) -> String {
    let family = if tries.address.is_ipv4() {
        "IPv4"
    } else {
        "IPv6"
    };
    format!(
        "{} → {} {} {family}",
        errand.from.name(),
        errand.to.name(),
        errand.what
    )
}

/// The expectation in words.
pub(crate) fn words(expected: Expected) -> String {
    match expected {
        Expected::Allowed([]) => "allowed, no policy".to_owned(),
        Expected::Allowed(policies) => format!("allowed by {}", policies.join(", ")),
        Expected::DefaultDenied(policy) => format!("default deny by {policy}"),
        Expected::RuleDenied(policy) => format!("denied by {policy}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::errands;

    fn tries(ok: u64, failed: u64) -> Tries {
        Tries {
            address: "10.0.0.1".parse().unwrap(),
            ok,
            failed,
            broken: None,
        }
    }

    #[test]
    fn one_leak_or_one_cut_is_a_surprise() {
        for errand in errands() {
            let (right, wrong) = if errand.expected.succeeds() {
                ((9, 0), (9, 1))
            } else {
                ((0, 9), (1, 9))
            };
            assert_eq!(wire(errand, &tries(right.0, right.1)), None);
            assert!(wire(errand, &tries(wrong.0, wrong.1)).is_some());
            assert!(wire(errand, &tries(0, 0)).is_some());
        }
    }
}
