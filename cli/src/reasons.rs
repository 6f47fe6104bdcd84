//! What reasons mean, for `flowctl explain`. A reason added to the kernel boundary does not compile
//! here until it is explained.

use flowd_abi::DropReason;
use flowd_proto::flow::DropReason as HubbleReason;

/// A reason and its help.
#[derive(Clone, Copy, Debug)]
pub struct Explanation {
    /// flowd's name.
    pub name: &'static str,
    /// flowd's number, as in the kernel's counters.
    pub number: u8,
    /// The reason as Hubble clients see it.
    pub hubble: HubbleReason,
    /// What happened.
    pub meaning: &'static str,
    /// What to do.
    pub advice: &'static str,
}

/// Every reason, in the order of their numbers.
pub fn all() -> impl Iterator<Item = Explanation> {
    DropReason::ALL.into_iter().map(explain)
}

/// Reasons of this name or number: flowd's, in any spelling, or Hubble's.
pub fn find(wanted: &str) -> Vec<Explanation> {
    let plain = plain(wanted);
    let matches = |reason: &Explanation| {
        let hubble = i32::from(reason.hubble);
        plain == self::plain(reason.name)
            || plain == self::plain(reason.hubble.as_str_name())
            || wanted.trim().parse() == Ok(hubble)
    };
    all().filter(matches).collect()
}

/// Spelling without what people vary.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

const fn explain(reason: DropReason) -> Explanation {
    let (name, hubble, meaning, advice) = match reason {
        DropReason::DefaultDenied => (
            "default_denied",
            HubbleReason::PolicyDenied,
            "No rule allows it, and a policy switched the workload to default deny in this direction.",
            "The flow names the policies that did so. Add an allow rule for this peer and port, or \
             set enableDefaultDeny to false in those policies.",
        ),
        DropReason::RuleDenied => (
            "rule_denied",
            HubbleReason::PolicyDeny,
            "A deny rule matches. Deny wins over every allow rule.",
            "The flow names the policy and its rule. Narrow that ingressDeny or egressDeny rule.",
        ),
        DropReason::Malformed => (
            "malformed",
            HubbleReason::InvalidPacketDropped,
            "A header is cut short or contradicts itself, so that policy cannot be applied to it.",
            "Look at the sender: a scanner, a broken driver, or a tunnel that cuts packets.",
        ),
        DropReason::UnsupportedProtocol => (
            "unsupported_protocol",
            HubbleReason::CtUnknownL4Protocol,
            "An IP protocol that policies cannot name, to or from a workload that policies guard.",
            "If the workload needs it (GRE, ESP, …), it cannot be guarded in this direction.",
        ),
        DropReason::UnsupportedEthertype => (
            "unsupported_ethertype",
            HubbleReason::UnsupportedL2Protocol,
            "A frame that is neither IPv4, IPv6 nor ARP, to or from a workload that policies guard.",
            "Usually harmless: LLDP, spanning tree and the like. Quieten the sender.",
        ),
        DropReason::FragmentWithoutHead => (
            "fragment_without_head",
            HubbleReason::FirstLogicalDatagramFragmentNotFound,
            "A later fragment of a datagram whose first fragment, which holds the ports, was not seen.",
            "Lost or reordered fragments. Lower the sender's datagram size or fix the path MTU.",
        ),
        DropReason::TableFull => (
            "table_full",
            HubbleReason::CtMapInsertionFailed,
            "The connection table refused the entry, so that answers could not have been recognised.",
            "Raise the size of the connection table in the daemon's configuration, or find who opens \
             so many connections.",
        ),
        DropReason::SourceAddress => (
            "source_address",
            HubbleReason::InvalidSourceIp,
            "The workload sent a packet whose source address is not one of its own.",
            "Spoofing, or an address the endpoint file does not list. List it, or switch the check \
             off for this endpoint if it forwards packets of others.",
        ),
        DropReason::ExtensionHeader => (
            "extension_header",
            HubbleReason::InvalidIpv6ExtensionHeader,
            "An IPv6 extension header that is unknown, or more of them than are followed.",
            "Look at the sender: ordinary traffic has none or few of them.",
        ),
    };
    Explanation {
        name,
        number: reason as u8,
        hubble,
        meaning,
        advice,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_reason_is_explained_once() {
        let names: HashSet<_> = all().map(|reason| reason.name).collect();
        assert_eq!(names.len(), DropReason::ALL.len());
        for reason in all() {
            assert!(
                reason.meaning.len() > 20 && reason.advice.len() > 20,
                "{}",
                reason.name
            );
            assert!(
                i32::from(reason.hubble) >= 130,
                "{} is no drop of Hubble's",
                reason.name
            );
            // flowd's name is the variant's, spelled like a metric label.
            let variant = format!(
                "{:?}",
                DropReason::from_number(reason.number).expect("its own")
            );
            assert_eq!(plain(reason.name), plain(&variant));
        }
    }

    #[test]
    fn names_are_found_in_any_spelling() {
        for name in [
            "default_denied",
            "DefaultDenied",
            "default-denied",
            "POLICY_DENIED",
            "133",
        ] {
            let found = find(name);
            assert_eq!(found.len(), 1, "{name}");
            assert_eq!(found[0].name, "default_denied");
        }
        assert!(find("tired").is_empty());
        assert!(find("1").is_empty(), "a bare number is Hubble's");
    }
}
