//! A small world for tests: two workloads, a policy, a pipeline into a log.

use std::sync::Arc;

use flowd_abi::event::EventFlags;
use flowd_abi::{
    Address, Direction, DropReason, Event, EventKind, ForwardReason, Verdict, protocol,
};
use flowd_policy::{Effect, Kind, Labels, PolicyRef, RuleRef, RuleTable, Turn};

use super::log::{self, Log};
use super::pipeline::{Clock, Ingested, Pipeline, Ring};
use super::record::testing::opened;
use crate::enrich::{Directory, DirectoryHandle, Workload, WorkloadOwner};
use crate::metrics::FlowMetrics;
use crate::observe::uuid::Boot;
use crate::serve::Sources;
use crate::serve::status::StatusHandle;
use crate::serve::stop::{Stopper, stop};
use crate::why::PolicyViewHandle;

/// Unix time of monotonic 0 in tests.
pub(crate) const OFFSET: i64 = 1_700_000_000_000_000_000;

/// Everything between a ring and a client.
pub(crate) struct World {
    pub(crate) pipeline: Pipeline,
    pub(crate) sources: Sources,
    pub(crate) stopper: Stopper,
}

pub(crate) fn policy(name: &str) -> Arc<PolicyRef> {
    Arc::new(PolicyRef {
        kind: Kind::CiliumNetworkPolicy,
        namespace: Some("shop".into()),
        name: name.into(),
        labels: Labels::reserved(&[]),
        file: "shop.yaml".into(),
        line: 3,
        turn: Turn::default(),
    })
}

/// Endpoint 7 is shop/frontend at 10.0.0.1 and fd00::1, endpoint 8 is shop/backend at 10.0.0.2;
/// rule set 2 is an allow of shop/front, set 3 a deny of shop/stop; policy id 5 is default deny
/// by shop/front.
pub(crate) fn directory() -> Directory {
    let rule = |name: &str, action| RuleRef {
        policy: policy(name),
        spec: None,
        direction: Direction::Egress,
        action,
        index: 1,
        line: 9,
        log: Some(format!("log of {name}")),
    };
    let mut rules = RuleTable::new();
    rules.intern(vec![rule("front", Effect::Allow)]);
    rules.intern(vec![rule("stop", Effect::Deny)]);
    let mut directory = Directory {
        node_name: "node-a".into(),
        rules: Arc::new(rules),
        ..Directory::default()
    };
    let front: Arc<[Arc<PolicyRef>]> = vec![policy("front")].into();
    directory.default_deny.insert(5, front);
    directory.interfaces.insert(12, "veth-front".into());
    directory.classes.insert(0x0100_0001, "192.0.2.0/24".into());
    for (id, identity, name, addresses) in [
        (7, 5000, "frontend", vec!["10.0.0.1", "fd00::1"]),
        (8, 5001, "backend", vec!["10.0.0.2"]),
    ] {
        let labels: Arc<[String]> = vec![
            format!("k8s:app={name}"),
            "k8s:io.kubernetes.pod.namespace=shop".to_owned(),
        ]
        .into();
        directory.identities.insert(identity, labels.clone());
        directory.add(Workload {
            endpoint_id: id,
            identity,
            namespace: "shop".into(),
            name: format!("{name}-1"),
            labels,
            addresses: addresses
                .into_iter()
                .map(|ip| ip.parse().unwrap())
                .collect(),
            workloads: vec![WorkloadOwner {
                name: name.into(),
                kind: "Deployment".into(),
            }],
        });
    }
    directory
}

impl World {
    pub(crate) fn new(capacity: usize) -> Self {
        let (writer, log) = log::new(capacity);
        let flows = Arc::new(FlowMetrics::default());
        let (stopper, stop) = stop();
        Self {
            pipeline: Pipeline::new(writer, flows.clone()),
            sources: Sources {
                log,
                directory: DirectoryHandle::new(directory()),
                policies: PolicyViewHandle::default(),
                status: StatusHandle::default(),
                flows,
                boot: Boot::fixed(0x0123_4567_89ab_cdef),
                stop,
                gate: Default::default(),
                exports: Default::default(),
            },
            stopper,
        }
    }

    pub(crate) fn log(&self) -> &Log {
        &self.sources.log
    }

    pub(crate) fn tell(&mut self, events: &[Event]) -> Ingested {
        let raw: Vec<Vec<u8>> = events.iter().map(|event| event.to_bytes().into()).collect();
        let directory = self.sources.directory.snapshot();
        self.pipeline.ingest(
            Ring::Events,
            raw.iter().map(Vec::as_slice),
            Clock { offset: OFFSET },
            &directory,
        )
    }

    /// The records of these events, as stored.
    pub(crate) fn records(events: &[Event]) -> Vec<super::Record> {
        let mut world = Self::new(1_000);
        world.tell(events);
        let segment = world.log().before(events.len() as u64).unwrap();
        segment.records().to_vec()
    }
}

/// An event with this verdict.
pub(crate) fn judged(kind: EventKind, verdict: Verdict) -> Event {
    let (number, reason) = verdict.to_numbers();
    let rule = match verdict {
        Verdict::Forward(_) => 2,
        Verdict::Drop(DropReason::RuleDenied) | Verdict::Audit(DropReason::RuleDenied) => 3,
        Verdict::Drop(_) | Verdict::Audit(_) => 0,
    };
    Event {
        kind: kind as u8,
        verdict: number,
        reason,
        rule,
        ..opened()
    }
}

/// The first packet of an allowed connection.
pub(crate) fn open() -> Event {
    judged(EventKind::Open, Verdict::Forward(ForwardReason::Allowed))
}

/// Its answer.
pub(crate) fn reply() -> Event {
    Event {
        direction: Direction::Ingress as u8,
        flags: EventFlags::REPLY,
        tcp_flags: 0x12,
        state: 2,
        source_mac: [2, 0, 0, 0, 0, 2],
        destination_mac: [2, 0, 0, 0, 0, 1],
        ..judged(EventKind::Reply, Verdict::Forward(ForwardReason::Reply))
    }
}

/// A UDP packet from the world that no rule allows.
pub(crate) fn dropped() -> Event {
    Event {
        remote: Address::v4([192, 0, 2, 9]),
        peer_identity: 2,
        peer_class: 0x0100_0001,
        protocol: protocol::UDP,
        direction: Direction::Ingress as u8,
        local_port: 53,
        remote_port: 4444,
        tcp_flags: 0,
        state: 0,
        sent_packets: 1,
        sent_bytes: 60,
        received_packets: 0,
        received_bytes: 0,
        ..judged(EventKind::Drop, Verdict::Drop(DropReason::DefaultDenied))
    }
}

/// An IPv6 ping from the workload, told by nobody's policy.
pub(crate) fn ping() -> Event {
    let address = |last| {
        let mut bytes = [0; 16];
        (bytes[0], bytes[15]) = (0xfd, last);
        Address(bytes)
    };
    Event {
        local: address(1),
        remote: address(2),
        peer_identity: 777_777,
        protocol: protocol::ICMPV6,
        ethertype: 0x86dd,
        icmp_type: 128,
        tcp_flags: 0,
        local_port: 99,
        remote_port: 0,
        rule: 0,
        policy: 0,
        match_type: 0,
        ..judged(EventKind::Open, Verdict::Forward(ForwardReason::Unenforced))
    }
}
