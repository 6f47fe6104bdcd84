//! The life of a known connection: states, flags, time-outs, counts.

use flowd_abi::{
    Connection, ConnectionKey, Direction,
    connection::{KeyKind, Marks, State},
    protocol,
};

use crate::{
    packet::{Facts, Look, Scene, tcp_flag},
    parse::icmp,
    tables::{Tables, Timeouts},
};

/// The last of a workload's packets that may be the first after its handshake: its second, or the
/// third where it had to repeat the first.
const HANDSHAKE: u64 = 3;

/// Nanoseconds without a packet after which this connection is over.
#[inline(always)]
pub fn timeout(timeouts: &Timeouts, protocol: u8, state: u8) -> u64 {
    match protocol {
        protocol::TCP => {
            if state == State::Established as u8 {
                timeouts.tcp_established
            } else if state == State::New as u8 {
                timeouts.tcp_new
            } else {
                timeouts.tcp_closing
            }
        }
        protocol::ICMP | protocol::ICMPV6 => timeouts.icmp,
        _ => timeouts.other,
    }
}

/// Whether a connection's time is over.
#[inline(always)]
pub fn expired(
    timeouts: &Timeouts,
    key: &ConnectionKey,
    connection: &Connection,
    now: u64,
) -> bool {
    let idle = now.saturating_sub(connection.last);
    idle >= timeout(timeouts, key.protocol, connection.state)
}

/// Whether this packet opens a new connection under the key of an old one: a bare SYN against the
/// old opening direction, or one after the old connection's end; an echo against it, or its answer
/// along it, which meet under one key where the identifier is 0.
///
/// What opens from the side that answered must never ride on the old verdict: it is judged.
#[inline(always)]
pub fn reopens(scene: &Scene, facts: &Facts, connection: &Connection) -> bool {
    let against = connection.origin != scene.direction as u8;
    match facts.key.protocol {
        protocol::TCP => {
            let bare = facts.tcp_flags & (tcp_flag::SYN | tcp_flag::ACK) == tcp_flag::SYN;
            bare && (against || connection.state >= State::Closing as u8)
        }
        protocol::ICMP | protocol::ICMPV6 => {
            facts.key.kind == KeyKind::Query as u8 && icmp::asks(facts.icmp_type) == against
        }
        _ => false,
    }
}

/// What a packet did to its connection that is worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Goes,
    /// The first answer.
    Replied,
    /// The end.
    Ended,
}

/// Counts a passing packet in its connection and moves its state.
#[inline(always)]
pub fn pass<T: Tables>(scene: &Scene, facts: &Facts, connection: &mut Connection) -> Step {
    connection.last = scene.now;
    let length = u64::from(scene.length);
    let flags = match scene.direction {
        Direction::Egress => {
            T::add(&mut connection.sent_packets, 1);
            T::add(&mut connection.sent_bytes, length);
            &mut connection.sent_flags
        }
        Direction::Ingress => {
            T::add(&mut connection.received_packets, 1);
            T::add(&mut connection.received_bytes, length);
            &mut connection.received_flags
        }
    };
    // Written only when it changes: both directions run on different CPUs.
    if facts.tcp_flags & !*flags != 0 {
        *flags |= facts.tcp_flags;
    }
    let mut step = Step::Goes;
    if connection.marks & Marks::REPLIED == 0 && connection.origin != scene.direction as u8 {
        connection.marks |= Marks::REPLIED;
        if connection.state == State::New as u8 {
            connection.state = State::Established as u8;
        }
        step = Step::Replied;
    }
    if facts.tcp_flags & (tcp_flag::FIN | tcp_flag::RST) != 0 && closes(facts, connection) {
        step = Step::Ended;
    }
    step
}

/// What the socket is worth looking at for after a packet that passed: seldom, so that a long
/// transfer pays nothing, and at the end, where the numbers are whole.
#[inline(always)]
pub fn look(scene: &Scene, facts: &Facts, connection: &Connection) -> Look {
    let sent = connection.sent_packets;
    let ends = facts.tcp_flags & (tcp_flag::FIN | tcp_flag::RST) != 0;
    if scene.direction as u8 != Direction::Egress as u8
        || facts.key.protocol != protocol::TCP
        || !(ends || sent & sent.wrapping_sub(1) == 0 || sent == HANDSHAKE)
    {
        return Look::No;
    }
    if sent == 1 {
        return Look::Listener;
    }
    if sent <= HANDSHAKE && !ends {
        return Look::Handshake;
    }
    Look::Numbers
}

/// Moves the state on FIN or RST; whether that was the end.
#[inline(always)]
fn closes(facts: &Facts, connection: &mut Connection) -> bool {
    if connection.state >= State::Closed as u8 {
        return false;
    }
    if facts.tcp_flags & tcp_flag::RST != 0 {
        connection.state = State::Reset as u8;
        return true;
    }
    if connection.sent_flags & connection.received_flags & tcp_flag::FIN != 0 {
        connection.state = State::Closed as u8;
        return true;
    }
    connection.state = State::Closing as u8;
    false
}
