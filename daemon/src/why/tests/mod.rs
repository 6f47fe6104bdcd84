//! Questions to a small shop, answered from its policies and from flows.

mod flows;
mod misses;

use std::collections::HashMap;

use flowd_policy::{Labels, PolicySet, labels, parse};
use flowd_proto::flow::TrafficDirection;
use flowd_proto::flowd::v1::{WhyEnd, WhyTuple};

use super::*;
use crate::flow::testing;
use crate::serve::status::Mode;

/// The backend of `flow::testing`, of which only this may be reached.
pub(super) const POLICY: &str = r#"apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: backend, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: backend}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: frontend}}]
    toPorts: [{ports: [{port: "9000", endPort: 9010, protocol: TCP}]}]
  - fromCIDRSet: [{cidr: 192.0.2.0/25, except: [192.0.2.8/29]}]
  egress:
  - toEndpoints: [{matchLabels: {app: frontend}}]
    toPorts: [{ports: [{port: "8443", protocol: TCP}]}]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: backends, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: backends}}
  ingress:
  - toPorts: [{ports: [{port: "7000", protocol: TCP}]}]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: never, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: backend}}
  enableDefaultDeny: {ingress: false, egress: false}
  ingressDeny:
  - toPorts: [{ports: [{port: "9005", protocol: TCP}]}]
"#;

pub(super) struct Shop {
    pub(super) world: testing::World,
    pub(super) view: PolicyView,
}

fn workload(name: &str, labels: Labels, addresses: &[&str]) -> Workload {
    Workload {
        namespace: "shop".into(),
        name: name.into(),
        labels,
        addresses: addresses.iter().map(|ip| ip.parse().unwrap()).collect(),
        ports: Default::default(),
        generation: 4,
        mode: Mode::Enforce,
    }
}

impl Shop {
    pub(super) fn new() -> Self {
        let app = |app| labels::for_endpoint("shop", [("app", app)]).unwrap();
        let policies = PolicySet::new(parse("shop.yaml", POLICY).unwrap());
        Self {
            world: testing::World::new(1_000),
            view: PolicyView {
                shadows: None,
                policies,
                workloads: vec![
                    workload("frontend-1", app("frontend"), &["10.0.0.1", "fd00::1"]),
                    workload("backend-1", app("backend"), &["10.0.0.2"]),
                    workload("slip-1", app("fronted"), &["10.0.0.3"]),
                ],
                host: vec!["10.0.0.254".parse().unwrap()],
                files: HashMap::from([("shop.yaml".to_owned(), POLICY.into())]),
            },
        }
    }

    pub(super) fn ask(&self, question: Question) -> Result<WhyResponse, WhyError> {
        let context = Context {
            log: self.world.log(),
            policies: &self.view,
            hits: self.world.sources.flows.hits(),
            flows: &self.world.sources.view(),
        };
        let question = Some(question);
        answer(&context, &WhyRequest { question })
    }

    pub(super) fn tuple(&self, from: &str, to: &str, what: &str) -> Result<WhyResponse, WhyError> {
        let (protocol, port) = what.split_once('/').unwrap();
        self.ask(Question::Tuple(WhyTuple {
            source: from.to_owned(),
            destination: to.to_owned(),
            protocol: protocol.to_owned(),
            port: port.parse().unwrap(),
            direction: 0,
        }))
    }

    /// The end at the backend.
    pub(super) fn at_backend(&self, from: &str, what: &str) -> WhyEnd {
        let answer = self.tuple(from, "shop/backend-1", what).unwrap();
        end(answer, TrafficDirection::Ingress)
    }
}

pub(super) fn end(answer: WhyResponse, direction: TrafficDirection) -> WhyEnd {
    let mut ends = answer.ends.into_iter();
    ends.find(|end| end.direction() == direction)
        .expect("this end answers")
}
