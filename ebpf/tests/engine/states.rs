//! The states of a TCP connection, and how the end of one is told.

use flowd_abi::{
    EventKind,
    connection::{Marks, State},
};

use crate::{
    Lab,
    common::{
        frame::{ACK, FIN, Ip, RST, SYN, ip},
        world::{Family, WEB},
    },
};

fn sent(flags: u8) -> Ip {
    ip(Family::V4.workload(), Family::V4.friend()).tcp(40_000, WEB, flags)
}

fn received(flags: u8) -> Ip {
    ip(Family::V4.friend(), Family::V4.workload()).tcp(WEB, 40_000, flags)
}

fn established() -> Lab {
    let mut lab = Lab::new();
    lab.sends(&sent(SYN));
    lab.receives(&received(SYN | ACK));
    lab.sends(&sent(ACK));
    lab.told();
    lab
}

fn state(lab: &Lab) -> Option<State> {
    State::from_number(lab.connection().1.state)
}

fn kinds(lab: &mut Lab) -> Vec<Option<EventKind>> {
    let told = lab.told();
    told.iter()
        .map(|event| EventKind::from_number(event.kind))
        .collect()
}

#[test]
fn an_answer_establishes() {
    let mut lab = Lab::new();
    lab.sends(&sent(SYN));
    assert_eq!(state(&lab), Some(State::New));
    lab.receives(&received(SYN | ACK));
    assert_eq!(state(&lab), Some(State::Established));
    let (_, connection) = lab.connection();
    assert_eq!(connection.marks, Marks::REPLIED);
    assert_eq!(connection.sent_flags, SYN);
    assert_eq!(connection.received_flags, SYN | ACK);
}

#[test]
fn both_fins_close() {
    let mut lab = established();
    lab.receives(&received(FIN | ACK));
    assert_eq!(state(&lab), Some(State::Closing));
    lab.receives(&received(FIN | ACK));
    assert_eq!(
        state(&lab),
        Some(State::Closing),
        "one side's FIN twice is one FIN"
    );
    assert_eq!(kinds(&mut lab), []);
    lab.sends(&sent(FIN | ACK));
    assert_eq!(state(&lab), Some(State::Closed));
    assert_eq!(kinds(&mut lab), [Some(EventKind::Close)]);
    lab.receives(&received(ACK));
    lab.sends(&sent(RST));
    assert_eq!(
        state(&lab),
        Some(State::Closed),
        "what is closed is not reset"
    );
    assert_eq!(kinds(&mut lab), []);
}

#[test]
fn a_reset_ends_from_either_side_and_any_state() {
    for from_workload in [true, false] {
        for before in [SYN | ACK, FIN | ACK] {
            let mut lab = established();
            lab.receives(&received(before));
            if from_workload {
                lab.sends(&sent(RST));
            } else {
                lab.receives(&received(RST | ACK));
            }
            assert_eq!(state(&lab), Some(State::Reset));
            assert_eq!(kinds(&mut lab), [Some(EventKind::Close)]);
        }
    }
}

#[test]
fn a_syn_during_a_live_connection_opens_nothing() {
    let mut lab = established();
    let created = lab.connection().1.created;
    lab.sends(&sent(SYN));
    assert_eq!(kinds(&mut lab), []);
    assert_eq!(lab.connection().1.created, created);
}

#[test]
fn a_syn_after_the_end_opens_anew() {
    for end in [FIN | ACK, RST] {
        let mut lab = established();
        lab.receives(&received(end));
        lab.told();
        let created = lab.connection().1.created;
        lab.sends(&sent(SYN));
        assert_eq!(kinds(&mut lab), [Some(EventKind::Open)]);
        let (_, connection) = lab.connection();
        assert!(connection.created > created);
        assert_eq!(connection.state, State::New as u8);
        assert_eq!(
            (connection.sent_packets, connection.received_packets),
            (1, 0)
        );
    }
}

#[test]
fn the_end_tells_all_packets_of_both_sides() {
    let mut lab = established();
    lab.sends(&sent(FIN | ACK));
    lab.receives(&received(FIN | ACK));
    let told = lab.told();
    let [close] = told[..] else {
        panic!("one event tells the end: {told:?}");
    };
    let length = sent(ACK).frame(true).len() as u64;
    assert_eq!((close.sent_packets, close.sent_bytes), (3, 3 * length));
    assert_eq!(
        (close.received_packets, close.received_bytes),
        (2, 2 * length)
    );
    assert_eq!(close.state, State::Closed as u8);
}
