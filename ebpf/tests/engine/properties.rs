//! What must hold for any bytes and any sequence of packets. The ledger is checked after each.

use std::collections::HashSet;

use flowd_abi::{Direction, Verdict};
use proptest::{
    array::uniform8,
    collection::vec,
    prelude::{ProptestConfig, any, proptest},
    test_runner::RngSeed,
};

use crate::{
    Lab,
    common::{
        frame::{ACK, SYN},
        random::{Choice, Kind, Picked, pick},
        world::{DNS, Family, NTP, RANGE, TLS, WEB},
    },
};

/// The same cases on every machine and every run.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(0x0000_f10d),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn passes(verdict: Verdict) -> bool {
    !matches!(verdict, Verdict::Drop(_))
}

fn meet(lab: &mut Lab, picked: &Picked) -> bool {
    passes(lab.meets(picked.direction, &picked.frame()))
}

proptest! {
    #![proptest_config(config(4000))]

    #[test]
    fn any_bytes_are_judged(bytes in vec(any::<u8>(), 0..160), ethertype in 0..4usize) {
        let mut lab = Lab::new();
        let mut bytes = bytes;
        let known = [[0x08, 0x00], [0x86, 0xdd], [0x81, 0x00], [0x12, 0x34]][ethertype];
        if let Some(place) = bytes.get_mut(12..14) {
            place.copy_from_slice(&known);
        }
        for direction in Direction::ALL {
            lab.meets(direction, &bytes);
        }
    }

    #[test]
    fn changed_bytes_are_judged(
        choice in any::<Choice>(),
        changes in vec((0..90usize, any::<u8>()), 1..6),
    ) {
        let mut lab = Lab::new();
        let picked = pick(choice);
        let mut frame = picked.frame();
        for (place, value) in changes {
            if let Some(byte) = frame.get_mut(place) {
                *byte = value;
            }
        }
        lab.meets(picked.direction, &frame);
        lab.meets(picked.direction, &frame);
    }
}

proptest! {
    #![proptest_config(config(300))]

    /// What is cut short never passes where the whole would not.
    #[test]
    fn a_truncated_packet_gains_nothing(
        before in vec(uniform8(any::<u8>()), 0..6),
        choice in any::<Choice>(),
    ) {
        let sequence = |frame: &[u8]| {
            let mut lab = Lab::new();
            for choice in &before {
                meet(&mut lab, &pick(*choice));
            }
            passes(lab.meets(pick(choice).direction, frame))
        };
        let frame = pick(choice).frame();
        if !sequence(&frame) {
            for length in 0..frame.len() {
                assert!(!sequence(&frame[..length]), "{length} of {} bytes pass", frame.len());
            }
        }
    }

    /// Whatever is sent in whatever order, nothing passes between the workload and a peer that no
    /// rule names.
    #[test]
    fn a_peer_without_a_rule_never_passes(choices in vec(any::<Choice>(), 1..120)) {
        let mut lab = Lab::new();
        for choice in choices {
            let picked = pick(choice);
            let ntp = picked.kind == Kind::Udp
                && (picked.local_port == NTP || picked.remote_port == NTP);
            // The rule for any peer, and what it opened, is not of this property.
            let passed = if ntp { false } else { meet(&mut lab, &picked) };
            let named = picked.peer == picked.family.friend()
                || picked.peer == picked.family.classed();
            assert!(named || !passed, "passed: {picked:?}");
        }
    }

    /// Whole packets pass exactly when a rule allows them or the other side's were allowed.
    #[test]
    fn packets_pass_as_a_plain_model_says(choices in vec(any::<Choice>(), 1..200)) {
        let mut lab = Lab::new();
        let mut model = Model::default();
        for choice in choices {
            let picked = pick(choice);
            if !picked.is_whole() || matches!(picked.kind, Kind::Message | Kind::Foreign) {
                continue;
            }
            let expected = model.passes(&picked);
            assert_eq!(meet(&mut lab, &picked), expected, "{picked:?}");
        }
    }
}

/// Both policies of the world, and who has opened what, written down without a table's tricks.
#[derive(Default)]
struct Model {
    opened: HashSet<(Direction, Flow)>,
}

/// Family, peer's last byte, protocol, local port, remote port; the identifier of an echo stands
/// on the side that asked.
type Flow = (bool, std::net::IpAddr, u8, u16, u16);

impl Model {
    fn passes(&mut self, picked: &Picked) -> bool {
        let own = picked.direction;
        let other = match own {
            Direction::Ingress => Direction::Egress,
            Direction::Egress => Direction::Ingress,
        };
        match picked.kind {
            Kind::Tcp | Kind::Udp | Kind::Sctp => {
                let flow = flow(picked, picked.local_port, picked.remote_port);
                let opens = picked.kind == Kind::Tcp && picked.flags & (SYN | ACK) == SYN;
                if !opens && self.opened.contains(&(other, flow)) {
                    return true;
                }
                self.open(own, other, flow, allowed(picked))
            }
            Kind::Ping => {
                let flow = self.echo(picked, own);
                self.open(own, other, flow, is_friend(picked))
            }
            Kind::Pong => self.opened.contains(&(other, self.echo(picked, other))),
            Kind::Unreachable => {
                // The quoted packet ran the other way, but its ports are named from the workload.
                let flow = flow(picked, picked.local_port, picked.remote_port);
                Direction::ALL
                    .iter()
                    .any(|origin| self.opened.contains(&(*origin, flow)))
            }
            Kind::Message | Kind::Foreign => unreachable!("the caller skips them"),
        }
    }

    fn open(&mut self, own: Direction, other: Direction, flow: Flow, allowed: bool) -> bool {
        if self.opened.contains(&(own, flow)) {
            return true;
        }
        if allowed {
            // A connection opened from this side replaces one opened from the other.
            self.opened.remove(&(other, flow));
            self.opened.insert((own, flow));
        }
        allowed
    }

    fn echo(&self, picked: &Picked, asker: Direction) -> Flow {
        let id = u16::from_be_bytes([picked.packet.body[4], picked.packet.body[5]]);
        match asker {
            Direction::Egress => flow(picked, id, 0),
            Direction::Ingress => flow(picked, 0, id),
        }
    }
}

fn flow(picked: &Picked, local: u16, remote: u16) -> Flow {
    (
        picked.family == Family::V4,
        picked.peer,
        picked.protocol,
        local,
        remote,
    )
}

fn is_friend(picked: &Picked) -> bool {
    picked.peer == picked.family.friend()
}

/// The rules of the world, as a person would say them.
fn allowed(picked: &Picked) -> bool {
    let port = match picked.direction {
        Direction::Egress => picked.remote_port,
        Direction::Ingress => picked.local_port,
    };
    let classed = picked.peer == picked.family.classed();
    match picked.kind {
        Kind::Tcp if is_friend(picked) => port == WEB || (RANGE..RANGE + 16).contains(&port),
        Kind::Tcp => classed && port == TLS,
        Kind::Udp => port == NTP || (is_friend(picked) && port == DNS),
        Kind::Sctp => is_friend(picked),
        Kind::Ping | Kind::Pong | Kind::Unreachable | Kind::Message | Kind::Foreign => false,
    }
}
