//! What there is to say about a verdict's reason: our name, Hubble's name, number and words, and
//! the help. The one home of these texts; a reason added to the kernel boundary does not compile
//! here until it is explained.

mod words;

use flowd_abi::{DropReason, ForwardReason};

use crate::{flow::DropReason as HubbleReason, kernel_reason};
pub use words::hubble_words;

/// What there is to say about a drop reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropText {
    /// Our name: metrics labels, `flowctl explain`.
    pub name: &'static str,
    /// The reason as Hubble clients see it.
    pub hubble: HubbleReason,
    /// What happened.
    pub meaning: &'static str,
    /// What to do.
    pub advice: &'static str,
}

/// What there is to say about the reason a packet passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardText {
    /// Our name: metrics labels, `flowctl explain`.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

impl DropText {
    /// The number in Hubble's `DropReason`.
    #[inline]
    pub const fn number(self) -> i32 {
        self.hubble as i32
    }

    /// The name in Hubble's `DropReason`.
    #[inline]
    pub fn hubble_name(self) -> &'static str {
        self.hubble.as_str_name()
    }

    /// What happened, and what to do.
    pub fn help(self) -> String {
        format!("{} {}", self.meaning, self.advice)
    }
}

/// What there is to say about a drop reason.
#[inline]
pub const fn of(reason: DropReason) -> DropText {
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
            "If the workload needs it (GRE, ESP, …), carry it over UDP; it cannot be guarded in \
             this direction.",
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
            "An IPv6 extension header that is unknown, or more of them than are followed, hides what \
             the packet carries.",
            "Look at the sender: ordinary traffic has none or few of them.",
        ),
        DropReason::KernelNoSocket => (
            "kernel_no_socket",
            HubbleReason::SocketLookupFailed,
            "The kernel dropped it: nobody takes it at its destination.",
            "Start the server, or correct the port or address; see what listens in the workload's \
             namespace.",
        ),
        DropReason::KernelQueueFull => (
            "kernel_queue_full",
            HubbleReason::DropRateLimited,
            "The kernel dropped it: a buffer, a queue or the memory of one is full.",
            "The flow names the process where it is a socket's buffer. Read faster, send slower, or \
             raise the bound that the kernel's reason names.",
        ),
        DropReason::KernelUnreachable => (
            "kernel_unreachable",
            HubbleReason::StaleOrUnroutableIp,
            "The kernel dropped it: there is no route, no neighbour or no device to send it by.",
            "Look at `ip route get ADDRESS`, `ip neigh` and the MTU, in the workload's namespace and \
             on the host.",
        ),
        DropReason::KernelFiltered => (
            "kernel_filtered",
            HubbleReason::LocalHostIsUnreachable,
            "The kernel dropped it, told by another filter than flowd: netfilter, somebody else's eBPF \
             program, a security module, reverse path filtering.",
            "Look for the rule: `nft list ruleset`, `iptables-save -c`, `tc filter show`, `bpftool net`.",
        ),
        DropReason::KernelInvalid => (
            "kernel_invalid",
            HubbleReason::CtTruncatedOrInvalidHeader,
            "The kernel dropped it: a header, a checksum or a sequence number is wrong.",
            "Look at the sender, at offload settings (`ethtool -k`), and for tunnels that cut packets.",
        ),
        DropReason::KernelOther => (
            "kernel_other",
            HubbleReason::DropHostNotReady,
            "The kernel dropped it, for a reason of its own that the flow names.",
            "The names are those of enum skb_drop_reason; the kernel's documentation of it says more.",
        ),
    };
    DropText {
        name,
        hubble,
        meaning,
        advice,
    }
}

/// What there is to say about the reason a packet passed.
#[inline]
pub const fn of_forward(reason: ForwardReason) -> ForwardText {
    let (name, meaning) = match reason {
        ForwardReason::Unenforced => (
            "unenforced",
            "No policy selects the workload in this direction.",
        ),
        ForwardReason::Allowed => ("allowed", "A rule allows it."),
        ForwardReason::Reply => ("reply", "It answers a connection that was allowed."),
        ForwardReason::Related => (
            "related",
            "It is an ICMP error about a connection that was allowed.",
        ),
        ForwardReason::Neighbour => (
            "neighbour",
            "ARP and IPv6 neighbour discovery are never cut; on the host's own devices IGMP and its \
             DHCP neither.",
        ),
        ForwardReason::OperatorGuard => (
            "operator_guard",
            "It is the connection through which a host policy was applied: it is kept until it ends, \
             whatever the policies say.",
        ),
        ForwardReason::Masqueraded => (
            "masqueraded",
            "Somebody behind this host talks under the host's own address (source NAT); host policies \
             do not judge what is not the host's own.",
        ),
    };
    ForwardText { name, meaning }
}

/// The drop reason of one of our names, or of Hubble's name or number, in any spelling.
pub fn find(wanted: &str) -> Option<DropReason> {
    let plain = plain(wanted);
    DropReason::ALL.into_iter().find(|reason| {
        let text = of(*reason);
        plain == self::plain(text.name)
            || plain == self::plain(text.hubble_name())
            || wanted.trim().parse() == Ok(text.number())
    })
}

/// The forward reason of one of our names, in any spelling.
pub fn find_forward(wanted: &str) -> Option<ForwardReason> {
    ForwardReason::ALL
        .into_iter()
        .find(|reason| plain(of_forward(*reason).name) == plain(wanted))
}

/// The drop reason of one of our names, of Hubble's, or of the kernel's own.
pub fn find_any(wanted: &str) -> Option<DropReason> {
    let of_kernel = || kernel_reason::find(wanted).and_then(|text| kernel_reason::class(text.name));
    find(wanted).or_else(of_kernel)
}

/// Spelling without what people vary.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_drop_reason_has_a_text_of_its_own() {
        for (index, one) in DropReason::ALL.into_iter().enumerate() {
            let text = of(one);
            // The name is the variant's, spelled like a metric label.
            assert_eq!(plain(text.name), plain(&format!("{one:?}")));
            assert_eq!(text.name, text.name.to_lowercase());
            assert_eq!(find(text.name), Some(one));
            assert_eq!(find(text.hubble_name()), Some(one));
            assert_eq!(find(&text.number().to_string()), Some(one));
            assert!(text.number() >= 130, "{one:?} is no drop of Hubble's");
            assert!(
                hubble_words(text.number()).starts_with(|first: char| first.is_alphabetic()),
                "Hubble has no words for {one:?}"
            );
            assert!(text.meaning.ends_with('.') && text.advice.ends_with('.'));
            for other in &DropReason::ALL[..index] {
                assert_ne!(text.hubble, of(*other).hubble);
                assert_ne!(text.meaning, of(*other).meaning);
            }
        }
        assert_eq!(
            DropReason::from_number(DropReason::ALL.len() as u8 + 1),
            None
        );
    }

    #[test]
    fn every_forward_reason_has_a_text_of_its_own() {
        for one in ForwardReason::ALL {
            let text = of_forward(one);
            assert_eq!(plain(text.name), plain(&format!("{one:?}")));
            assert_eq!(find_forward(text.name), Some(one));
            assert_eq!(find(text.name), None, "a name of both kinds");
            assert!(text.meaning.ends_with('.'));
        }
        let next = ForwardReason::ALL.len() as u8 + 1;
        assert_eq!(ForwardReason::from_number(next), None);
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
            assert_eq!(find(name), Some(DropReason::DefaultDenied), "{name}");
        }
        assert_eq!(find("tired"), None);
        assert_eq!(find_any("NO_SOCKET"), Some(DropReason::KernelNoSocket));
        assert_eq!(find("1"), None, "a bare number is Hubble's");
    }
}
