//! One table of the reasons: our name, Hubble's number and name, one help text.

use flowd_abi::{DropReason, ForwardReason};

/// What there is to say about a drop reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropText {
    /// Our name: metrics labels, `flowctl explain`.
    pub name: &'static str,
    /// Number in Hubble's `DropReason`.
    pub hubble: i32,
    /// Name in Hubble's `DropReason`.
    pub hubble_name: &'static str,
    /// What it means and what to do.
    pub help: &'static str,
}

/// What there is to say about a drop reason.
#[inline]
pub const fn of(reason: DropReason) -> DropText {
    let (name, hubble, hubble_name, help) = match reason {
        DropReason::DefaultDenied => (
            "default_denied",
            133,
            "POLICY_DENIED",
            "No rule allows this traffic, and at least one policy switched the workload to default \
             deny in this direction. Add an allow rule, or remove the policies named in the flow.",
        ),
        DropReason::RuleDenied => (
            "rule_denied",
            181,
            "POLICY_DENY",
            "A deny rule matches, and a deny always wins over an allow. The flow names the policy; \
             narrow its ingressDeny or egressDeny rule.",
        ),
        DropReason::Malformed => (
            "malformed",
            134,
            "INVALID_PACKET_DROPPED",
            "A header of the packet is truncated or contradicts itself, so it cannot be judged. \
             Look at the sender, or at what rewrites packets on the way.",
        ),
        DropReason::UnsupportedProtocol => (
            "unsupported_protocol",
            137,
            "CT_UNKNOWN_L4_PROTOCOL",
            "An IP protocol that policies cannot name, to or from a workload under policy. \
             Tunnel it over UDP, or take the workload out of the policy.",
        ),
        DropReason::UnsupportedEthertype => (
            "unsupported_ethertype",
            166,
            "UNSUPPORTED_L2_PROTOCOL",
            "An Ethernet protocol other than IPv4, IPv6 and ARP, to or from a workload under \
             policy. Policies cannot name it.",
        ),
        DropReason::FragmentWithoutHead => (
            "fragment_without_head",
            175,
            "FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND",
            "A later fragment whose first fragment, which carries the ports, was not seen. \
             Lower the sender's MTU, or look for loss or reordering before this node.",
        ),
        DropReason::TableFull => (
            "table_full",
            155,
            "CT_MAP_INSERTION_FAILED",
            "The connection table refused the entry. Raise the connection limit in the \
             configuration, or find who opens so many connections.",
        ),
        DropReason::SourceAddress => (
            "source_address",
            132,
            "INVALID_SOURCE_IP",
            "The packet's source address is not one of the workload's own. List the address in \
             the endpoint's file, or switch the check off for it.",
        ),
        DropReason::ExtensionHeader => (
            "extension_header",
            156,
            "INVALID_IPV6_EXTENSION_HEADER",
            "An IPv6 extension header that is unknown, or more of them than are followed, hides \
             what the packet carries.",
        ),
    };
    DropText {
        name,
        hubble,
        hubble_name,
        help,
    }
}

/// Our name of the reason a packet passed.
pub const fn forward_name(reason: ForwardReason) -> &'static str {
    match reason {
        ForwardReason::Unenforced => "unenforced",
        ForwardReason::Allowed => "allowed",
        ForwardReason::Reply => "reply",
        ForwardReason::Related => "related",
        ForwardReason::Neighbour => "neighbour",
    }
}

/// What the reason a packet passed means.
pub const fn forward_help(reason: ForwardReason) -> &'static str {
    match reason {
        ForwardReason::Unenforced => "No policy selects the workload in this direction.",
        ForwardReason::Allowed => "A rule allows it.",
        ForwardReason::Reply => "It answers a connection that was allowed.",
        ForwardReason::Related => "It is an ICMP error about a connection that was allowed.",
        ForwardReason::Neighbour => "ARP and IPv6 neighbour discovery are never cut.",
    }
}

/// The drop reason of one of our names, or of Hubble's names.
pub fn find(name: &str) -> Option<DropReason> {
    DropReason::ALL.into_iter().find(|reason| {
        let text = of(*reason);
        text.name.eq_ignore_ascii_case(name) || text.hubble_name.eq_ignore_ascii_case(name)
    })
}

/// The forward reason of one of our names.
pub fn find_forward(name: &str) -> Option<ForwardReason> {
    ForwardReason::ALL
        .into_iter()
        .find(|reason| forward_name(*reason).eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_distinct() {
        for one in DropReason::ALL {
            for other in DropReason::ALL {
                if one != other {
                    assert_ne!(of(one).name, of(other).name);
                    assert_ne!(of(one).hubble, of(other).hubble);
                }
            }
            assert_eq!(find(of(one).name), Some(one));
            assert_eq!(find(of(one).hubble_name), Some(one));
            assert!(of(one).help.ends_with('.'));
        }
    }
}
