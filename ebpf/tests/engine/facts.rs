//! What an event says of its packet, field by field.

use flowd_abi::{
    Direction, Event, EventKind, Peer, connection::State, event::EventFlags, protocol,
};

use crate::{
    ENDPOINT, Lab,
    common::{
        frame::{ACK, HOST_MAC, SYN, WORKLOAD_MAC, address, ip},
        memory::{SECOND, SOCKET},
        world::{CLASS, FRIEND, Family, IFINDEX, TLS, UNNAMED, WEB, rule},
    },
};

fn only(told: Vec<Event>) -> Event {
    let [event] = told[..] else {
        panic!("one event: {told:?}");
    };
    event
}

#[test]
fn an_opening() {
    let mut lab = Lab::new();
    let family = Family::V6;
    let packet = ip(family.friend(), family.workload()).tcp(40_000, WEB, SYN);
    lab.receives(&packet);
    let length = packet.frame(false).len() as u32;
    let endpoint = *lab.world.endpoint();
    let expected = Event {
        time: lab.engine.now,
        created: lab.engine.now,
        local: address(family.workload()),
        remote: address(family.friend()),
        received_packets: 1,
        received_bytes: u64::from(length),
        endpoint: ENDPOINT,
        peer_identity: FRIEND,
        rule: rule::FRIEND_WEB,
        policy: endpoint.ingress_policy,
        generation: endpoint.generation,
        ifindex: IFINDEX,
        length,
        local_port: WEB,
        remote_port: 40_000,
        ethertype: 0x86dd,
        protocol: protocol::TCP,
        kind: EventKind::Open as u8,
        verdict: 1,
        reason: 2,
        direction: Direction::Ingress as u8,
        origin: Direction::Ingress as u8,
        state: State::New as u8,
        tcp_flags: SYN,
        match_type: 2,
        source_mac: HOST_MAC,
        destination_mac: WORKLOAD_MAC,
        ..Event::default()
    };
    assert_eq!(only(lab.told()), expected);
}

#[test]
fn an_answer() {
    let mut lab = Lab::new();
    let family = Family::V4;
    lab.receives(&ip(family.friend(), family.workload()).tcp(40_000, WEB, SYN));
    lab.told();
    let opened = lab.engine.now;
    lab.wait(1);
    lab.sends(&ip(family.workload(), family.friend()).tcp(WEB, 40_000, SYN | ACK));
    let event = only(lab.told());
    assert_eq!(event.kind, EventKind::Reply as u8);
    assert_eq!((event.created, event.time), (opened, lab.engine.now));
    assert!(event.time - event.created > SECOND);
    assert_eq!((event.sent_packets, event.received_packets), (1, 1));
    assert_eq!(event.socket, SOCKET);
    assert_eq!(event.direction, Direction::Egress as u8);
    assert_eq!(event.origin, Direction::Ingress as u8);
    assert_eq!(event.state, State::Established as u8);
    assert_eq!(event.tcp_flags, SYN | ACK);
    assert_eq!(
        (event.source_mac, event.destination_mac),
        (WORKLOAD_MAC, HOST_MAC)
    );
}

#[test]
fn a_drop() {
    let mut lab = Lab::new();
    let family = Family::V4;
    let packet = ip(family.workload(), family.classed()).tcp(40_000, UNNAMED, SYN);
    lab.sends(&packet);
    let length = packet.frame(true).len() as u32;
    let endpoint = *lab.world.endpoint();
    let expected = Event {
        time: lab.engine.now,
        created: lab.engine.now,
        local: address(family.workload()),
        remote: address(family.classed()),
        sent_packets: 1,
        sent_bytes: u64::from(length),
        received_packets: 1,
        socket: SOCKET,
        endpoint: ENDPOINT,
        peer_identity: Peer::WORLD_IDENTITY,
        peer_class: CLASS,
        policy: endpoint.egress_policy,
        generation: endpoint.generation,
        ifindex: IFINDEX,
        length,
        local_port: 40_000,
        remote_port: UNNAMED,
        ethertype: 0x0800,
        protocol: protocol::TCP,
        kind: EventKind::Drop as u8,
        verdict: 2,
        reason: 1,
        direction: Direction::Egress as u8,
        origin: Direction::Egress as u8,
        tcp_flags: SYN,
        source_mac: WORKLOAD_MAC,
        destination_mac: HOST_MAC,
        ..Event::default()
    };
    assert_eq!(only(lab.told()), expected);
}

#[test]
fn the_socket_is_the_workloads_own() {
    let mut lab = Lab::new();
    let family = Family::V4;
    lab.receives(&ip(family.friend(), family.workload()).tcp(40_000, WEB, SYN));
    assert_eq!(only(lab.told()).socket, 0);
    lab.sends(&ip(family.workload(), family.friend()).tcp(WEB, 40_000, SYN | ACK));
    assert_eq!(only(lab.told()).socket, SOCKET);
    lab.wait(8_001);
    lab.sweep(1);
    assert_eq!(only(lab.told()).socket, SOCKET);
    lab.receives(&ip(family.classed(), family.workload()).tcp(40_000, UNNAMED, SYN));
    assert_eq!(only(lab.told()).socket, 0);
}

#[test]
fn an_address_without_an_entry_is_the_world() {
    let mut lab = Lab::new();
    let family = Family::V6;
    lab.sends(&ip(family.workload(), family.outside()).tcp(40_000, TLS, SYN));
    let event = only(lab.told());
    assert_eq!(
        (event.peer_identity, event.peer_class),
        (Peer::WORLD_IDENTITY, 0)
    );
}

#[test]
fn an_icmp_message() {
    let mut lab = Lab::new();
    let family = Family::V4;
    lab.receives(&ip(family.friend(), family.workload()).icmp(3, 13, 0));
    let event = only(lab.told());
    assert_eq!((event.icmp_type, event.icmp_code), (3, 13));
    assert_eq!((event.local_port, event.remote_port), (0, 3 << 8 | 13));
    assert_eq!(event.protocol, protocol::ICMP);
}

#[test]
fn what_the_sweep_tells_has_no_packet() {
    let mut lab = Lab::new();
    let family = Family::V4;
    lab.receives(&ip(family.friend(), family.workload()).tcp(40_000, WEB, SYN));
    lab.told();
    lab.wait(61);
    lab.sweep(1);
    let event = only(lab.told());
    assert_eq!(event.kind, EventKind::Close as u8);
    assert_eq!(event.flags, EventFlags::SWEPT);
    assert_eq!((event.length, event.ifindex), (0, 0));
    assert_eq!((event.source_mac, event.destination_mac), ([0; 6], [0; 6]));
    assert_eq!((event.ethertype, event.tcp_flags), (0x0800, SYN));
    assert_eq!(event.direction, Direction::Ingress as u8);
    assert_eq!(event.created, lab.engine.now - 61 * SECOND);
}
