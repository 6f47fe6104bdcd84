//! What there is to say about the kernel's own drop reasons, by their names: the numbers are each
//! kernel's, and are read from its type information. A name nobody here knows is a reason like any
//! other: it has its class from what it is made of.

use flowd_abi::DropReason;

/// What the kernel's names begin with (`enum skb_drop_reason`).
const PREFIX: &str = "SKB_DROP_REASON_";

/// What there is to say about one of the kernel's reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelText {
    /// The kernel's name, without what all begin with.
    pub name: &'static str,
    /// What happened.
    pub meaning: &'static str,
    /// What to do.
    pub advice: &'static str,
}

/// The kernel's name without what all begin with.
pub fn short(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// Reasons for which the kernel frees packets and nothing is lost: duplicates of what has arrived,
/// copies for sniffers, frames that a bridge flooded past their target, what is left in a socket's queue
/// when it is closed (a connection's last packet always is).
const NO_LOSS: [&str; 14] = [
    "SKB_NOT_DROPPED_YET",
    "SKB_CONSUMED",
    "TCP_OLD_DATA",
    "TCP_OLD_ACK",
    "TCP_OLD_SEQUENCE",
    "TCP_OFOMERGE",
    "TCP_RFC7323_PAWS_ACK",
    "DUP_FRAG",
    "QUEUE_PURGE",
    "PACKET_SOCK_ERROR",
    "OTHERHOST",
    "IPV6_NDISC_NS_OTHERHOST",
    "MAC_IEEE_MAC_CONTROL",
    "UNIX_SKIP_OOB",
];

/// Names, or beginnings of names that end in `*`, and their class; the first that fits.
const CLASSES: [(&str, DropReason); 63] = [
    ("NO_SOCKET", DropReason::KernelNoSocket),
    ("SOCKET_CLOSE", DropReason::KernelNoSocket),
    ("TCP_CLOSE", DropReason::KernelNoSocket),
    ("TCP_ABORT_ON_DATA", DropReason::KernelNoSocket),
    ("IP_NOPROTO", DropReason::KernelNoSocket),
    ("UNHANDLED_PROTO", DropReason::KernelNoSocket),
    ("SOCKET_RCVBUFF", DropReason::KernelQueueFull),
    ("SOCKET_BACKLOG", DropReason::KernelQueueFull),
    ("PROTO_MEM", DropReason::KernelQueueFull),
    ("TCP_LISTEN_OVERFLOW", DropReason::KernelQueueFull),
    ("TCP_ZEROWINDOW", DropReason::KernelQueueFull),
    ("TCP_OFO_QUEUE_PRUNE", DropReason::KernelQueueFull),
    ("TCP_OFO_DROP", DropReason::KernelQueueFull),
    ("NEIGH_QUEUEFULL", DropReason::KernelQueueFull),
    ("QDISC_*", DropReason::KernelQueueFull),
    ("FQ_*", DropReason::KernelQueueFull),
    ("CAKE_*", DropReason::KernelQueueFull),
    ("DUALPI2_*", DropReason::KernelQueueFull),
    ("CPU_BACKLOG", DropReason::KernelQueueFull),
    ("FULL_RING", DropReason::KernelQueueFull),
    ("NOMEM", DropReason::KernelQueueFull),
    ("PFMEMALLOC", DropReason::KernelQueueFull),
    ("IP_OUTNOROUTES", DropReason::KernelUnreachable),
    ("IP_INNOROUTES", DropReason::KernelUnreachable),
    ("IP_INADDRERRORS", DropReason::KernelUnreachable),
    ("IP_INVALID_DEST", DropReason::KernelUnreachable),
    ("IPV6DISABLED", DropReason::KernelUnreachable),
    ("NEIGH_*", DropReason::KernelUnreachable),
    ("DEV_READY", DropReason::KernelUnreachable),
    ("NO_TX_TARGET", DropReason::KernelUnreachable),
    ("PKT_TOO_BIG", DropReason::KernelUnreachable),
    ("NETFILTER_DROP", DropReason::KernelFiltered),
    ("SOCKET_FILTER", DropReason::KernelFiltered),
    ("SECURITY_HOOK", DropReason::KernelFiltered),
    ("BPF_CGROUP_EGRESS", DropReason::KernelFiltered),
    ("XFRM_POLICY", DropReason::KernelFiltered),
    ("IP_RPFILTER", DropReason::KernelFiltered),
    ("IP_LOCAL_SOURCE", DropReason::KernelFiltered),
    ("IP_INVALID_SOURCE", DropReason::KernelFiltered),
    ("IP_LOCALNET", DropReason::KernelFiltered),
    ("UNICAST_IN_L2_MULTICAST", DropReason::KernelFiltered),
    ("TC_*", DropReason::KernelFiltered),
    ("XDP", DropReason::KernelFiltered),
    ("TAP_*", DropReason::KernelFiltered),
    ("TCP_MD5*", DropReason::KernelFiltered),
    ("TCP_AO*", DropReason::KernelFiltered),
    ("TCP_AUTH_HDR", DropReason::KernelFiltered),
    ("BRIDGE_*", DropReason::KernelFiltered),
    ("TCP_*", DropReason::KernelInvalid),
    ("UDP_CSUM", DropReason::KernelInvalid),
    ("ICMP_CSUM", DropReason::KernelInvalid),
    ("IP_CSUM", DropReason::KernelInvalid),
    ("SKB_CSUM", DropReason::KernelInvalid),
    ("IP_INHDR", DropReason::KernelInvalid),
    ("IPV6_*", DropReason::KernelInvalid),
    ("PKT_TOO_SMALL", DropReason::KernelInvalid),
    ("HDR_TRUNC", DropReason::KernelInvalid),
    ("INVALID_PROTO", DropReason::KernelInvalid),
    ("DEV_HDR", DropReason::KernelInvalid),
    ("MAC_*", DropReason::KernelInvalid),
    ("VXLAN_*", DropReason::KernelInvalid),
    ("IP_TUNNEL_ECN", DropReason::KernelInvalid),
    ("FRAG_TOO_FAR", DropReason::KernelInvalid),
];

/// The class of a reason, `None` where nothing is lost.
pub fn class(name: &str) -> Option<DropReason> {
    let name = short(name);
    if NO_LOSS.contains(&name) {
        return None;
    }
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    };
    let found = CLASSES.iter().find(|(pattern, _)| fits(pattern));
    Some(found.map_or(DropReason::KernelOther, |(_, class)| *class))
}

/// The reasons people meet, each with what to do.
pub const COMMON: [KernelText; 17] = [
    KernelText {
        name: "NO_SOCKET",
        meaning: "No socket is bound to this port and address in the workload.",
        advice: "Start the server, or correct the port; see what listens with `ss -lntu` in the \
                 workload's namespace. A server that listens on 127.0.0.1 only is none.",
    },
    KernelText {
        name: "SOCKET_RCVBUFF",
        meaning: "The receive buffer of the socket is full: the process reads too slowly.",
        advice: "The flow names the process. Make it read faster, or raise SO_RCVBUF and \
                 net.core.rmem_max.",
    },
    KernelText {
        name: "SOCKET_BACKLOG",
        meaning: "The socket was busy, and its backlog is full.",
        advice: "As for SOCKET_RCVBUFF: a larger receive buffer is a longer backlog.",
    },
    KernelText {
        name: "PROTO_MEM",
        meaning: "All sockets of the protocol together use the memory they may.",
        advice: "Raise net.ipv4.udp_mem or net.ipv4.tcp_mem, or find who holds so much (`ss -m`).",
    },
    KernelText {
        name: "TCP_LISTEN_OVERFLOW",
        meaning: "The queue of connections that wait to be accepted is full.",
        advice: "Accept faster, listen with a larger backlog, and raise net.core.somaxconn.",
    },
    KernelText {
        name: "NETFILTER_DROP",
        meaning: "A rule of nftables or iptables drops it, in the workload's namespace or the host's.",
        advice: "Look for a rule whose counter moves: `nft list ruleset`, `iptables-save -c`.",
    },
    KernelText {
        name: "IP_RPFILTER",
        meaning: "Reverse path filtering: an answer would leave by another device.",
        advice: "Correct the routes, or set net.ipv4.conf.*.rp_filter to 2 (loose).",
    },
    KernelText {
        name: "IP_OUTNOROUTES",
        meaning: "There is no route to the destination.",
        advice: "Look at `ip route get ADDRESS` in the workload's namespace and on the host.",
    },
    KernelText {
        name: "IP_INNOROUTES",
        meaning: "There is no route onward for a packet that came in.",
        advice: "Look at `ip route get ADDRESS from SOURCE iif DEVICE`, and at ip_forward.",
    },
    KernelText {
        name: "NEIGH_FAILED",
        meaning: "Nobody answered who has the address (ARP, neighbour discovery).",
        advice: "The other host or workload is gone, or in another network: `ip neigh`.",
    },
    KernelText {
        name: "NEIGH_QUEUEFULL",
        meaning: "Too many packets wait for the answer to who has the address.",
        advice: "As for NEIGH_FAILED; bursts to a new neighbour are helped by neigh.*.unres_qlen_bytes.",
    },
    KernelText {
        name: "TCP_CSUM",
        meaning: "The checksum of TCP is wrong.",
        advice: "A broken device or driver, or offload that a tunnel does not get along with: \
                 `ethtool -K DEVICE tx off` to find out.",
    },
    KernelText {
        name: "UDP_CSUM",
        meaning: "The checksum of UDP is wrong.",
        advice: "As for TCP_CSUM.",
    },
    KernelText {
        name: "QDISC_DROP",
        meaning: "A queue in front of a device is full, or shapes.",
        advice: "See `tc -s qdisc`: the device is slower than what is sent, or a limit was set.",
    },
    KernelText {
        name: "CPU_BACKLOG",
        meaning: "A processor has too many packets waiting.",
        advice: "Raise net.core.netdev_max_backlog, or spread the load (RPS).",
    },
    KernelText {
        name: "PKT_TOO_BIG",
        meaning: "It is larger than the way onward takes, and may not be cut up.",
        advice: "Make the MTU the same all along, or let the ICMP messages about it pass.",
    },
    KernelText {
        name: "NOT_SPECIFIED",
        meaning: "The kernel gives no reason in that place.",
        advice: "A newer kernel may. What the flow and its neighbours in time say is all there is.",
    },
];

/// What there is to say about a reason of this name, in any spelling.
pub fn find(wanted: &str) -> Option<KernelText> {
    let wanted = wanted.trim().to_uppercase().replace('-', "_");
    let wanted = short(&wanted);
    COMMON.into_iter().find(|text| text.name == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_classes_and_duplicates_lose_nothing() {
        let class = |name| class(name);
        let no_socket = Some(DropReason::KernelNoSocket);
        assert_eq!(class("SKB_DROP_REASON_NO_SOCKET"), no_socket);
        assert_eq!(class("NO_SOCKET"), no_socket);
        assert_eq!(class("TCP_OLD_DATA"), None);
        assert_eq!(class("TCP_FLAGS"), Some(DropReason::KernelInvalid));
        assert_eq!(class("TC_EGRESS"), Some(DropReason::KernelFiltered));
        assert_eq!(class("NEIGH_QUEUEFULL"), Some(DropReason::KernelQueueFull));
        assert_eq!(class("NEIGH_DEAD"), Some(DropReason::KernelUnreachable));
        assert_eq!(class("A_REASON_OF_2031"), Some(DropReason::KernelOther));
    }

    #[test]
    fn every_text_is_about_a_loss_and_is_found() {
        for text in COMMON {
            assert!(class(text.name).is_some(), "{}", text.name);
            assert_eq!(find(&text.name.to_lowercase()), Some(text));
            assert_eq!(find(&format!("{PREFIX}{}", text.name)), Some(text));
            assert!(text.meaning.ends_with('.') && text.advice.ends_with('.'));
        }
        assert_eq!(find("tired"), None);
    }

    #[test]
    fn no_pattern_is_hidden_by_one_before_it() {
        for (index, (pattern, class)) in CLASSES.iter().enumerate() {
            let name = pattern.trim_end_matches('*');
            let first = CLASSES.iter().position(|(earlier, _)| {
                earlier
                    .strip_suffix('*')
                    .map_or(*earlier == name, |beginning| name.starts_with(beginning))
            });
            assert_eq!(first, Some(index), "{pattern} {class:?}");
        }
    }
}
