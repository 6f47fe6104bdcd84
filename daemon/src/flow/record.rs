//! What is stored of a verdict: fixed layout, no allocation of its own, shared names.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use flowd_abi::event::EventFlags;
use flowd_abi::{Address, Direction, Event, EventKind, KernelReason, Verdict, protocol};

use crate::enrich::{Attribution, Decision, Measured, Owner, Party};
use crate::kernel::reasons;
use crate::shadow::Shadowed;

/// An event whose numbers are known to mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// As the kernel wrote it.
    pub event: Event,
    /// What it tells.
    pub kind: EventKind,
    /// The verdict.
    pub verdict: Verdict,
    /// Direction of the packet.
    pub direction: Direction,
}

/// One stored flow: what the kernel said and who it was about, as known when it was told.
#[derive(Clone, Debug)]
pub struct Record {
    /// Position in the log; the first flow is 0.
    pub seq: u64,
    /// When the packet was judged, nanoseconds of Unix time.
    pub time: i64,
    /// The event.
    pub judged: Judged,
    /// The guarded workload.
    pub local: Arc<Party>,
    /// The other side.
    pub peer: Arc<Party>,
    /// What decided.
    pub decision: Arc<Decision>,
    /// The process that owns the workload's end, `None` where none is known.
    pub owner: Option<Arc<Owner>>,
    /// What TCP measured on the workload's end.
    pub measured: Measured,
    /// What would have become of it, where a shadow policy has a say.
    pub shadow: Option<Arc<Shadowed>>,
}

/// IP version of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Which of the two sides of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Where the packet comes from.
    Source,
    /// Where it goes.
    Destination,
}

impl Judged {
    /// Whether the packet runs against the opening direction of its connection.
    #[inline]
    pub const fn is_reply(&self) -> bool {
        self.event.flags & EventFlags::REPLY != 0
    }

    /// The direction of the connection, which is the one that policy judges: a reply belongs to
    /// the direction it answers.
    #[inline]
    pub const fn judged_direction(&self) -> Direction {
        match (self.direction, self.is_reply()) {
            (Direction::Ingress, false) | (Direction::Egress, true) => Direction::Ingress,
            (Direction::Egress, false) | (Direction::Ingress, true) => Direction::Egress,
        }
    }

    /// The IP version, `None` when the packet has no readable IP header.
    #[inline]
    pub fn family(&self) -> Option<Family> {
        if self.event.flags & EventFlags::NO_ADDRESSES != 0 {
            None
        } else if self.event.local.is_v4() || self.event.remote.is_v4() {
            Some(Family::V4)
        } else {
            Some(Family::V6)
        }
    }

    /// Whether the workload stands on `side` of the packet.
    #[inline]
    pub const fn is_local(&self, side: Side) -> bool {
        matches!(
            (self.direction, side),
            (Direction::Egress, Side::Source) | (Direction::Ingress, Side::Destination)
        )
    }

    /// Address on one side of the packet.
    #[inline]
    pub const fn address(&self, side: Side) -> Address {
        if self.is_local(side) {
            self.event.local
        } else {
            self.event.remote
        }
    }

    /// Address on one side of the packet, in the standard library's form.
    pub fn ip(&self, side: Side) -> Option<IpAddr> {
        let address = self.address(side);
        Some(match self.family()? {
            Family::V4 => Ipv4Addr::from(address.v4_bytes()).into(),
            Family::V6 => Ipv6Addr::from(address.0).into(),
        })
    }

    /// Port on one side of the packet.
    #[inline]
    pub const fn port(&self, side: Side) -> u16 {
        if self.is_local(side) {
            self.event.local_port
        } else {
            self.event.remote_port
        }
    }
}

impl Judged {
    /// Whether the kernel dropped it, and no verdict of ours.
    #[inline]
    pub const fn is_kernel_drop(&self) -> bool {
        self.event.kernel_reason != KernelReason::NONE.0
    }

    /// The kernel's own word for why it dropped it, if it did.
    pub fn kernel_reason(&self) -> Option<String> {
        let reason = KernelReason(self.event.kernel_reason);
        self.is_kernel_drop().then(|| reasons::name(reason))
    }

    /// The type of the question an ICMP message is, or answers.
    #[inline]
    pub const fn asked_type(&self) -> u8 {
        match (self.is_reply(), self.event.protocol, self.event.icmp_type) {
            (true, protocol::ICMP, 0) => 8,
            (true, protocol::ICMPV6, 129) => 128,
            (_, _, number) => number,
        }
    }

    /// What a policy names of the connection: the port it is opened to, or the ICMP type.
    #[inline]
    pub const fn policy_port(&self) -> u16 {
        match (self.event.protocol, self.judged_direction()) {
            (protocol::ICMP | protocol::ICMPV6, _) => self.asked_type() as u16,
            (_, Direction::Egress) => self.event.remote_port,
            (_, Direction::Ingress) => self.event.local_port,
        }
    }
}

impl Record {
    /// The same as a packet of the side that opened the connection would tell it: its source is who
    /// opened it.
    #[inline]
    pub fn of_the_opener(&self) -> Cow<'_, Self> {
        if !self.judged.is_reply() {
            return Cow::Borrowed(self);
        }
        let mut turned = self.clone();
        let judged = &mut turned.judged;
        judged.event.icmp_type = self.judged.asked_type();
        judged.event.flags &= !EventFlags::REPLY;
        judged.direction = self.judged.judged_direction();
        judged.event.direction = judged.direction as u8;
        Cow::Owned(turned)
    }

    /// When its connection or denied flow began, Unix nanoseconds.
    #[inline]
    pub fn created(&self) -> i64 {
        self.at(self.judged.event.created)
    }

    /// Unix nanoseconds of a moment of the kernel's clock: as long before the event as that says.
    #[inline]
    pub fn at(&self, moment: u64) -> i64 {
        let age = self.judged.event.time.saturating_sub(moment);
        let age = i64::try_from(age).unwrap_or(i64::MAX);
        self.time.saturating_sub(age)
    }

    /// How its process is known, or why there is none.
    pub fn attribution(&self) -> Attribution {
        match &self.owner {
            Some(owner) => owner.how,
            None => Attribution::without_process(&self.judged),
        }
    }

    /// Whether its shadow verdict differs from what was enforced.
    #[inline]
    pub fn shadow_changed(&self) -> bool {
        let shadow = self.shadow.as_ref();
        shadow.is_some_and(|shadow| shadow.changes(self.judged.verdict))
    }

    /// Who stands on one side of the packet.
    #[inline]
    pub fn party(&self, side: Side) -> &Arc<Party> {
        if self.judged.is_local(side) {
            &self.local
        } else {
            &self.peer
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Events for tests.

    use flowd_abi::{ForwardReason, protocol};

    use super::*;

    /// A SYN from 10.0.0.1:40000 (endpoint 7) to 10.0.0.2:8080, allowed by rule 3 of policy 5.
    pub(crate) fn opened() -> Event {
        let (verdict, reason) = Verdict::Forward(ForwardReason::Allowed).to_numbers();
        Event {
            time: 1_000,
            created: 1_000,
            local: Address::v4([10, 0, 0, 1]),
            remote: Address::v4([10, 0, 0, 2]),
            sent_packets: 1,
            sent_bytes: 74,
            received_packets: 2,
            received_bytes: 3,
            socket: 0,
            endpoint: 7,
            peer_identity: 5001,
            peer_class: 0,
            rule: 3,
            policy: 5,
            generation: 4,
            ifindex: 12,
            length: 74,
            local_port: 40_000,
            remote_port: 8080,
            ethertype: 0x0800,
            protocol: protocol::TCP,
            kind: EventKind::Open as u8,
            verdict,
            reason,
            direction: Direction::Egress as u8,
            origin: Direction::Egress as u8,
            state: 1,
            tcp_flags: 0x02,
            icmp_type: 0,
            icmp_code: 0,
            flags: 0,
            match_type: 2,
            source_mac: [2, 0, 0, 0, 0, 1],
            destination_mac: [2, 0, 0, 0, 0, 2],
            kernel_reason: 0,
        }
    }
}
