//! What the kernel drops: whose it is, told once for each reason, counted, told how it went on.

use flowd_abi::{
    CounterIndex, Direction, DropReason, Event, EventKind, Guarded, GuardedKey, KernelDropKey,
    KernelDropped, KernelReason, Verdict, event::EventFlags,
};
use flowd_ebpf::{
    kernel_drop::{self, Freed, KernelScratch, Taken},
    parse::Version,
};

use crate::{
    ENDPOINT, Lab,
    common::{
        frame::{Ip, SYN, address, ip},
        memory::{Bytes, SECOND},
        world::{FRIEND, Family, WEB},
    },
};

/// The guarded namespace and the workload's own.
const HOST: u32 = 100;
const POD: u32 = 200;
/// The other workload of this node, in a namespace of its own.
const OTHER: (u32, u32) = (9, 300);
/// The kernel's number, whatever it is.
const NO_SOCKET: KernelReason = KernelReason(3);
const FULL: KernelReason = KernelReason(6);

impl Lab {
    /// A lab whose workload and its friend count where the kernel drops.
    fn guarded() -> Self {
        let mut lab = Self::new();
        let guarded = &mut lab.engine.memory.guarded;
        for family in Family::BOTH {
            let ends = [
                (family.workload(), ENDPOINT, POD),
                (family.friend(), OTHER.0, OTHER.1),
            ];
            for (ip, endpoint, own) in ends {
                for namespace in [HOST, own] {
                    let address = address(ip);
                    guarded.insert(GuardedKey { namespace, address }, Guarded { endpoint });
                }
            }
        }
        lab
    }

    /// The kernel drops a packet in a namespace it had come into.
    fn drops(&mut self, packet: &Ip, namespace: u32, reason: KernelReason) -> Taken {
        self.frees(packet, namespace, reason, true)
    }

    fn frees(
        &mut self,
        packet: &Ip,
        namespace: u32,
        reason: KernelReason,
        received: bool,
    ) -> Taken {
        let bytes = packet.datagram();
        let freed = Freed {
            now: self.engine.now,
            namespace,
            host: namespace == HOST,
            received,
            version: match packet.source.is_ipv4() {
                true => Version::V4,
                false => Version::V6,
            },
            ifindex: 5,
            length: bytes.len() as u32,
            reason,
            class: match reason {
                NO_SOCKET => DropReason::KernelNoSocket,
                _ => DropReason::KernelQueueFull,
            },
            receiver: 41,
            owner: 42,
        };
        let (memory, mut scratch) = (&mut self.engine.memory, KernelScratch::default());
        kernel_drop::dropped(&Bytes(&bytes), memory, &mut scratch, &freed)
    }

    /// What was told of the kernel's drops since the last call.
    fn heard(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.engine.memory.kernel)
    }

    fn sweep_drops(&mut self, interval_seconds: u64) {
        let (now, memory) = (self.engine.now, &mut self.engine.memory);
        let keys: Vec<KernelDropKey> = memory.kernel_drops.keys().copied().collect();
        for key in keys {
            let mut value = KernelDropped::default();
            kernel_drop::sweep(memory, &key, &mut value, now, interval_seconds * SECOND);
        }
    }
}

fn came(family: Family) -> Ip {
    ip(family.friend(), family.workload()).udp(40_000, WEB)
}

#[test]
fn a_flood_is_one_event_a_reason_and_a_count() {
    let mut lab = Lab::guarded();
    for _ in 0..100 {
        assert_eq!(lab.drops(&came(Family::V4), POD, NO_SOCKET), Taken::In);
    }
    lab.drops(&came(Family::V4), POD, FULL);
    let told = lab.heard();
    let [no_socket, full] = told[..] else {
        panic!("two events: {told:?}");
    };
    let said = |event: &Event| (event.kernel_reason, event.verdict(), event.sent_packets);
    let verdict = |reason| Some(Verdict::Drop(reason));
    assert_eq!(
        said(&no_socket),
        (3, verdict(DropReason::KernelNoSocket), 1)
    );
    assert_eq!(said(&full), (6, verdict(DropReason::KernelQueueFull), 1));
    assert_eq!(no_socket.endpoint, ENDPOINT);
    assert_eq!((no_socket.local_port, no_socket.socket), (WEB, 41));
    assert_eq!((no_socket.peer_identity, no_socket.rule), (FRIEND, 0));
    assert_eq!(no_socket.ifindex, 0, "the device is another namespace's");

    lab.wait(10);
    lab.sweep_drops(10);
    let told = lab.heard();
    let [drops] = told[..] else {
        panic!("one event: {told:?}");
    };
    assert_eq!(drops.kind, EventKind::Drops as u8);
    assert_eq!((drops.sent_packets, drops.received_packets), (99, 100));
    lab.sweep_drops(10);
    assert_eq!(lab.heard(), [], "told already");
    assert!(lab.engine.memory.unbalanced().is_empty());
    lab.wait(61);
    lab.sweep_drops(10);
    assert!(lab.engine.memory.kernel_drops.is_empty());
}

#[test]
fn between_two_workloads_a_packet_is_the_senders_until_it_has_arrived() {
    for family in Family::BOTH {
        let cases = [
            // Not sent yet, on its way through the host, arrived.
            (OTHER.1, false, OTHER.0, Direction::Egress),
            (HOST, true, OTHER.0, Direction::Egress),
            (POD, true, ENDPOINT, Direction::Ingress),
        ];
        for (namespace, received, endpoint, direction) in cases {
            let mut lab = Lab::guarded();
            lab.frees(&came(family), namespace, FULL, received);
            let told = lab.heard();
            assert_eq!(told.len(), 1, "{namespace}");
            assert_eq!(told[0].endpoint, endpoint);
            assert_eq!(told[0].direction(), Some(direction));
        }
    }
}

#[test]
fn only_namespaces_that_are_known_count_unless_the_workloads_own_is_not() {
    let mut lab = Lab::guarded();
    let elsewhere = 999;
    let packet = came(Family::V4);
    assert_eq!(lab.drops(&packet, elsewhere, FULL), Taken::Elsewhere);
    let key = GuardedKey {
        namespace: GuardedKey::ANYWHERE,
        address: address(Family::V4.workload()),
    };
    let guarded = Guarded { endpoint: ENDPOINT };
    lab.engine.memory.guarded.insert(key, guarded);
    assert_eq!(lab.drops(&packet, elsewhere, FULL), Taken::In);
    assert_eq!(lab.heard().len(), 1);
}

#[test]
fn a_drop_belongs_to_the_connection_that_is_tracked() {
    let mut lab = Lab::guarded();
    let asked = ip(Family::V4.workload(), Family::V4.friend()).tcp(40_000, WEB, SYN);
    let answer = ip(Family::V4.friend(), Family::V4.workload()).tcp(WEB, 40_000, SYN);
    lab.sends(&asked);
    let (_, connection) = lab.connection();
    lab.wait(1);
    lab.drops(&answer, POD, FULL);
    let told = lab.heard();
    assert_eq!(told[0].received_bytes, connection.created);
    assert_eq!(told[0].flags, EventFlags::REPLY);
    assert_eq!((told[0].peer_identity, told[0].rule), (FRIEND, 0));
    assert_eq!(told[0].tcp_flags, SYN);
}

#[test]
fn what_finds_no_room_is_deferred_and_recovered() {
    let mut lab = Lab::guarded();
    lab.engine.memory.ring_room = 0;
    lab.drops(&came(Family::V6), POD, NO_SOCKET);
    assert_eq!(lab.heard(), []);
    lab.engine.memory.ring_room = 10;
    lab.sweep_drops(1_000);
    let told = lab.heard();
    assert_eq!(told.len(), 1, "deferred is due at once");
    assert_eq!(
        (told[0].kind, told[0].flags),
        (EventKind::Drop as u8, EventFlags::SWEPT)
    );
    let verdict = Verdict::Drop(DropReason::KernelNoSocket);
    let slot = CounterIndex::of(verdict, Direction::Ingress) as usize;
    let counter = lab.engine.memory.counters[slot];
    assert_eq!(
        (counter.packets, counter.deferred, counter.recovered),
        (1, 1, 1)
    );
}

#[test]
fn a_ping_that_no_socket_waits_for_is_no_loss_and_lies_about_lengths_are_read() {
    let mut lab = Lab::guarded();
    for family in Family::BOTH {
        let pong = ip(family.friend(), family.workload()).pong(7);
        assert_eq!(lab.drops(&pong, POD, NO_SOCKET), Taken::NoLoss);
        assert_eq!(lab.drops(&pong, POD, FULL), Taken::In);
    }
    let to_many = ip(Family::V4.workload(), [224, 0, 0, 251].into()).udp(5353, 5353);
    assert_eq!(lab.drops(&to_many, HOST, NO_SOCKET), Taken::NoLoss);
    assert_eq!(lab.drops(&to_many, HOST, FULL), Taken::In);
    lab.heard();
    let later = came(Family::V4).part(1, 10, false);
    lab.drops(&later, POD, FULL);
    let told = lab.heard();
    assert_eq!((told[0].local_port, told[0].remote_port), (0, 0));
    let cut = ip(Family::V4.friend(), Family::V4.workload()).raw(17, vec![0]);
    assert_eq!(lab.drops(&cut, POD, FULL), Taken::In);
}

#[test]
fn reasons_of_subsystems_fit_and_what_does_not_is_other() {
    for number in [0, 3, 4_095, 3 << 16 | 7] {
        assert_eq!(KernelReason::of(number).number(), Some(number));
    }
    assert_eq!(KernelReason::of(4_096), KernelReason::OTHER);
    assert_eq!(KernelReason::of(u32::MAX).number(), None);
    assert_eq!(KernelReason::of(254).slot(), 254);
    assert_eq!(KernelReason::of(255).slot(), KernelReason::OTHER.slot());
}
