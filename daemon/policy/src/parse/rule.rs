//! One rule: its peers and its destinations.

use std::sync::Arc;

use flowd_abi::{Action, Direction};

use super::{
    field::{Field, Object, Refused},
    icmp, layer7,
    peers::{self, Names},
    ports,
    spec::Context,
};
use crate::{
    object::{Destinations, Peers, Rule},
    reference::RuleRef,
    subject::Subjects,
    syntax,
};

const REQUIRES: &str = "it was removed from the language; add its labels to each peer selector";
const GROUPS: &str = "cloud provider groups are not supported; use CIDRs";

const REFUSED_INGRESS: [Refused; 2] = [("fromRequires", REQUIRES), ("fromGroups", GROUPS)];

const REFUSED_EGRESS: [Refused; 2] = [("toRequires", REQUIRES), ("toGroups", GROUPS)];

const INGRESS: Names = Names {
    endpoints: "fromEndpoints",
    entities: "fromEntities",
    cidr: "fromCIDR",
    cidr_set: "fromCIDRSet",
    nodes: "fromNodes",
    more: &[],
};

const EGRESS: Names = Names {
    endpoints: "toEndpoints",
    entities: "toEntities",
    cidr: "toCIDR",
    cidr_set: "toCIDRSet",
    nodes: "toNodes",
    more: &[peers::FQDNS, peers::SERVICES],
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
    let own = [
        names.endpoints,
        names.entities,
        names.cidr,
        names.cidr_set,
        names.nodes,
        "toPorts",
        "icmps",
        "authentication",
    ];
    let rule = field.object(&[&own, names.more].concat(), refused)?;
    let peers = peers::read(&rule, &names, context, action);
    let ports = match context.subject {
        Subjects::Endpoints(_) => ports::read(&rule, direction, action),
        Subjects::Nodes(_) => {
            layer7::refuse(&rule).and_then(|()| ports::read(&rule, direction, action))
        }
    };
    let types = icmp::read(&rule);
    let authenticated = authentication(&rule, action);
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
        (Some(_), _) if !authenticated? => Peers::Of(Vec::new()),
        (Some(peers), _) => peers,
        // Neither peers nor ports: the rule only switches its direction to default deny.
        (None, Destinations::Any) => Peers::Of(Vec::new()),
        (None, Destinations::Of(_)) if !authenticated? => Peers::Of(Vec::new()),
        (None, Destinations::Of(_)) => Peers::Any,
    };
    Some(Rule {
        reference: RuleRef {
            policy: Arc::clone(context.policy),
            spec: context.spec,
            direction,
            action: action.into(),
            index,
            line: field.line(),
            log: context.log.clone(),
        },
        peers,
        destinations,
    })
}

/// Whether the rule may have an effect: one that asks for authenticated peers allows nobody, since
/// nobody is authenticated. A deny is not softened by it.
fn authentication(rule: &Object<'_>, action: Action) -> Option<bool> {
    let Some(field) = rule.get("authentication") else {
        return Some(true);
    };
    let object = field.object(&["mode"], &[])?;
    let mode = object.require("mode", "write disabled, or remove authentication")?;
    match mode.text()? {
        "disabled" => Some(true),
        "required" | "test-always-fail" => {
            field.unenforced(
                match action {
                    Action::Allow => "peers are not authenticated, so this rule allows nothing",
                    Action::Deny => "peers are not authenticated, so this rule denies them all",
                },
                "remove it to judge peers by their labels and addresses",
            );
            Some(action == Action::Deny)
        }
        other => {
            mode.error(
                format!("{:?} is not a mode", syntax::shorten(other)),
                "use disabled, required or test-always-fail",
            );
            None
        }
    }
}
