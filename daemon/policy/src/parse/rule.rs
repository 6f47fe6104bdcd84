//! One rule: its peers and its destinations.

use std::sync::Arc;

use flowd_abi::{Action, Direction};

use super::{
    field::{Field, Refused},
    icmp,
    peers::{self, Names},
    ports,
    spec::Context,
};
use crate::object::{Destinations, Peers, Rule, RuleRef};

const AUTHENTICATION: Refused = (
    "authentication",
    "mutual authentication is not supported; remove it",
);
const REQUIRES: &str = "it was removed from the language; add its labels to each peer selector";
const GROUPS: &str = "cloud provider groups are not supported; use CIDRs";
const NODES: &str = "node selectors are not supported; use the entities host and remote-node";

const REFUSED_INGRESS: [Refused; 4] = [
    AUTHENTICATION,
    ("fromRequires", REQUIRES),
    ("fromGroups", GROUPS),
    ("fromNodes", NODES),
];

const REFUSED_EGRESS: [Refused; 6] = [
    AUTHENTICATION,
    ("toRequires", REQUIRES),
    ("toGroups", GROUPS),
    ("toNodes", NODES),
    (
        "toServices",
        "services are not known yet; name their endpoints with toEndpoints",
    ),
    ("toFQDNs", "names are not resolved yet; use toCIDR"),
];

const INGRESS: Names = Names {
    endpoints: "fromEndpoints",
    entities: "fromEntities",
    cidr: "fromCIDR",
    cidr_set: "fromCIDRSet",
};

const EGRESS: Names = Names {
    endpoints: "toEndpoints",
    entities: "toEntities",
    cidr: "toCIDR",
    cidr_set: "toCIDRSet",
};

/// Reads a rule; `None` when something was reported about it.
pub(super) fn read(
    field: &Field<'_>,
    context: &Context<'_>,
    direction: Direction,
    action: Action,
    index: u32,
) -> Option<Rule> {
    let (names, refused): (Names, &[Refused]) = match direction {
        Direction::Ingress => (INGRESS, &REFUSED_INGRESS),
        Direction::Egress => (EGRESS, &REFUSED_EGRESS),
    };
    let known = [
        names.endpoints,
        names.entities,
        names.cidr,
        names.cidr_set,
        "toPorts",
        "icmps",
    ];
    let rule = field.object(&known, refused)?;
    let peers = peers::read(&rule, &names, context);
    let ports = ports::read(&rule);
    let types = icmp::read(&rule);
    let destinations = match (ports?, types?) {
        (None, None) => Destinations::Any,
        (Some(list), None) | (None, Some(list)) => Destinations::Of(list),
        (Some(_), Some(_)) => {
            field.error(
                "combines toPorts and icmps",
                "write two rules, one with toPorts and one with icmps",
            );
            return None;
        }
    };
    let peers = match (peers?, &destinations) {
        (Some(selectors), _) => Peers::Of(selectors),
        (None, Destinations::Of(_)) => Peers::Any,
        // Neither peers nor ports: the rule only switches its direction to default deny.
        (None, Destinations::Any) => Peers::Of(Vec::new()),
    };
    Some(Rule {
        reference: RuleRef {
            policy: Arc::clone(context.policy),
            spec: context.spec,
            direction,
            action,
            index,
            line: field.line(),
            log: context.log.clone(),
        },
        peers,
        destinations,
    })
}
