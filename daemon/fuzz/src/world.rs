//! A small world the flows of the targets come from: two workloads, a policy, the world outside.

use std::sync::{Arc, LazyLock};

use flowd::enrich::{Directory, DirectoryHandle, Workload, WorkloadOwner};
use flowd::flow::{Clock, Pipeline, Record, log, pipeline::Ring};
use flowd::metrics::FlowMetrics;
use flowd::observe::flow::View;
use flowd::observe::{filter::Context, uuid::Boot};
use flowd_abi::{
    Address, Direction, DropReason, Event, EventKind, ForwardReason, Verdict, event::EventFlags,
    protocol,
};

/// Bytes of an event as the ring holds it.
pub(crate) const EVENT: usize = flowd::flow::decode::EVENT_LEN;

/// Unix time of the kernel's clock at 0, nanoseconds.
const CLOCK: Clock = Clock {
    offset: 1_700_000_000_000_000_000,
};

fn directory() -> Directory {
    let mut directory = Directory {
        node_name: "node-a".into(),
        ..Directory::default()
    };
    directory.interfaces.insert(12, "veth-front".into());
    directory.classes.insert(0x0100_0001, "192.0.2.0/24".into());
    for (id, name, addresses) in [
        (7, "frontend", ["10.0.0.1", "fd00::1"]),
        (8, "backend", ["10.0.0.2", "fd00::2"]),
    ] {
        let labels: Arc<[String]> = [
            format!("k8s:app={name}"),
            "k8s:io.kubernetes.pod.namespace=shop".to_owned(),
        ]
        .into();
        directory.identities.insert(4_993 + id, labels.clone());
        directory.add(Workload {
            endpoint_id: id,
            identity: 4_993 + id,
            namespace: "shop".into(),
            name: format!("{name}-1"),
            labels,
            addresses: addresses
                .into_iter()
                .filter_map(|address| address.parse().ok())
                .collect(),
            workloads: vec![WorkloadOwner {
                name: name.into(),
                kind: "Deployment".into(),
            }],
        });
    }
    directory
}

static DIRECTORY: LazyLock<Arc<Directory>> = LazyLock::new(|| Arc::new(directory()));

/// The flows that filters and expressions are put to.
pub(crate) static RECORDS: LazyLock<Vec<Record>> = LazyLock::new(|| {
    let raw: Vec<u8> = events().iter().flat_map(Event::to_bytes).collect();
    ingest(&raw)
});

/// What filters and flows ask beyond the record.
pub(crate) static CONTEXT: LazyLock<Context> = LazyLock::new(|| Context {
    directory: DirectoryHandle::new(directory()),
    boot: Boot::fixed(0x0123_4567_89ab_cdef),
    scope: flowd::access::Scope::All,
});

/// What is told of a flow.
pub(crate) fn view() -> View {
    View {
        directory: CONTEXT.directory.clone(),
        boot: CONTEXT.boot,
    }
}

/// The records that these bytes of a ring become, each [`EVENT`] of them one.
pub(crate) fn ingest(raw: &[u8]) -> Vec<Record> {
    let (writer, log) = log::new(1_024);
    let mut pipeline = Pipeline::new(writer, Arc::new(FlowMetrics::default()));
    pipeline.ingest(Ring::Events, raw.chunks(EVENT), CLOCK, &DIRECTORY);
    log.before(log.seen())
        .map_or_else(Vec::new, |segment| segment.records().to_vec())
}

fn told(kind: EventKind, verdict: Verdict) -> Event {
    let (verdict, reason) = verdict.to_numbers();
    Event {
        time: 2_000,
        created: 1_000,
        local: Address::v4([10, 0, 0, 1]),
        remote: Address::v4([10, 0, 0, 2]),
        sent_packets: 1,
        sent_bytes: 74,
        endpoint: 7,
        peer_identity: 5_001,
        policy: 5,
        generation: 4,
        ifindex: 12,
        length: 74,
        local_port: 40_000,
        remote_port: 8_080,
        ethertype: 0x0800,
        protocol: protocol::TCP,
        kind: kind as u8,
        verdict,
        reason,
        direction: Direction::Egress as u8,
        origin: Direction::Egress as u8,
        state: 1,
        tcp_flags: 0x02,
        match_type: 2,
        source_mac: [2, 0, 0, 0, 0, 1],
        destination_mac: [2, 0, 0, 0, 0, 2],
        ..Event::default()
    }
}

/// An opening, its answer, its end, a drop from the world, an audited opening, a ping.
fn events() -> [Event; 6] {
    let mut inside = [0; 16];
    (inside[0], inside[15]) = (0xfd, 1);
    let allowed = Verdict::Forward(ForwardReason::Allowed);
    [
        told(EventKind::Open, allowed),
        Event {
            direction: Direction::Ingress as u8,
            flags: EventFlags::REPLY,
            tcp_flags: 0x12,
            state: 2,
            ..told(EventKind::Reply, Verdict::Forward(ForwardReason::Reply))
        },
        Event {
            flags: EventFlags::SWEPT,
            state: 4,
            received_packets: 9,
            received_bytes: 90_000,
            ..told(EventKind::Close, allowed)
        },
        Event {
            remote: Address::v4([192, 0, 2, 9]),
            peer_identity: 2,
            peer_class: 0x0100_0001,
            protocol: protocol::UDP,
            direction: Direction::Ingress as u8,
            local_port: 53,
            tcp_flags: 0,
            ..told(EventKind::Drop, Verdict::Drop(DropReason::DefaultDenied))
        },
        told(EventKind::Open, Verdict::Audit(DropReason::RuleDenied)),
        Event {
            local: Address(inside),
            remote: Address([0xfd; 16]),
            peer_identity: 777_777,
            protocol: protocol::ICMPV6,
            ethertype: 0x86dd,
            icmp_type: 128,
            tcp_flags: 0,
            ..told(EventKind::Open, Verdict::Forward(ForwardReason::Unenforced))
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_of_this_world_is_a_flow() {
        let kinds: Vec<u8> = RECORDS
            .iter()
            .map(|record| record.judged.event.kind)
            .collect();
        assert_eq!(kinds, events().map(|event| event.kind));
        assert_eq!(RECORDS[0].peer.name, "backend-1");
    }
}
