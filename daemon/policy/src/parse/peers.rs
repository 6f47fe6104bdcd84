//! The peers of a rule: endpoints, entities, address blocks.

use flowd_abi::Action;
use ipnet::IpNet;

use super::{
    field::{Field, Object},
    metadata, names, selector,
    spec::Context,
};
use crate::{
    cidr,
    labels::{NAMESPACE_KEY, SOURCE_K8S, SOURCE_RESERVED},
    object::{CidrGroups, CidrSet, Entity, GroupSelector, PeerSelector, Peers},
    selector::{Key, Requirement, Selector},
    syntax,
};

/// What the peer fields are called in one direction.
#[derive(Clone, Copy)]
pub(super) struct Names {
    pub(super) endpoints: &'static str,
    pub(super) entities: &'static str,
    pub(super) cidr: &'static str,
    pub(super) cidr_set: &'static str,
    pub(super) nodes: &'static str,
    /// Kinds only one direction has.
    pub(super) more: &'static [&'static str],
}

/// Peers by the names they are looked up with.
pub(super) const FQDNS: &str = "toFQDNs";
/// Peers behind a service.
pub(super) const SERVICES: &str = "toServices";

const ENTITIES: [Entity; 11] = [
    Entity::All,
    Entity::World,
    Entity::Cluster,
    Entity::Host,
    Entity::RemoteNode,
    Entity::KubeApiserver,
    Entity::Health,
    Entity::Init,
    Entity::Ingress,
    Entity::Unmanaged,
    Entity::None,
];

/// The peers a rule names; `Some(None)` when it names none at all, `None` when something was
/// reported about them.
pub(super) fn read(
    rule: &Object<'_>,
    names: &Names,
    context: &Context<'_>,
    action: Action,
) -> Option<Option<Peers>> {
    let enforced = [
        names.endpoints,
        names.entities,
        names.cidr,
        names.cidr_set,
        names.nodes,
    ];
    let mut used: Option<&str> = None;
    let mut peers: Option<Vec<Option<PeerSelector>>> = None;
    for kind in enforced.iter().chain(names.more).copied() {
        let Some(field) = rule.get(kind) else {
            continue;
        };
        let items = field.items()?;
        if !items.is_empty()
            && let Some(other) = used.replace(kind)
        {
            field.refuse(
                format!("cannot be combined with {other} in one rule"),
                "write two rules; a rule's peers are all of one kind",
            );
            return None;
        }
        let peers = peers.get_or_insert_default();
        if kind == FQDNS {
            fqdns(field, &items, action)?;
            continue;
        }
        if kind == names.nodes {
            for item in &items {
                peers.extend(nodes(item));
            }
            continue;
        }
        let read = |item: &Field<'_>| match kind {
            kind if kind == names.endpoints => endpoints(item, context),
            kind if kind == names.entities => entity(item),
            kind if kind == names.cidr => block(item),
            SERVICES => names::service(item),
            _ => block_with_exceptions(item),
        };
        peers.extend(items.iter().map(read));
    }
    match peers {
        None => Some(None),
        Some(peers) => {
            let peers: Option<Vec<_>> = peers.into_iter().collect();
            Some(Some(Peers::Of(peers?)))
        }
    }
}

/// Checks names, which allow nobody as long as they are not resolved.
fn fqdns(field: &Field<'_>, items: &[Field<'_>], action: Action) -> Option<()> {
    if items.is_empty() {
        return Some(());
    }
    if action == Action::Deny {
        field.refuse("names cannot be denied", "use toCIDR");
        return None;
    }
    let checked: Vec<Option<()>> = items.iter().map(names::selector).collect();
    checked.into_iter().collect::<Option<()>>()?;
    field.unenforced(
        "is not enforced yet, so this rule allows nothing",
        "names are not resolved yet; use toCIDR to allow addresses",
    );
    Some(())
}

fn endpoints(item: &Field<'_>, context: &Context<'_>) -> Option<PeerSelector> {
    let selector = selector::read(item)?;
    Some(PeerSelector::Labels(complete(selector, context)))
}

/// Nodes by their labels: this one, or another.
fn nodes(item: &Field<'_>) -> [Option<PeerSelector>; 2] {
    let selector = selector::read(item);
    ["host", "remote-node"].map(|kind| {
        let here = Requirement::Exists(Key::of(SOURCE_RESERVED, kind));
        Some(PeerSelector::Labels(selector.clone()?.and(here)))
    })
}

/// A peer selector that says nothing about namespaces means the policy's own; in a policy of all
/// namespaces it means endpoints that have one.
fn complete(selector: Selector, context: &Context<'_>) -> Selector {
    if selector.names_reserved() || selector.names_namespace() {
        return selector;
    }
    let key = Key::of(SOURCE_K8S, NAMESPACE_KEY);
    match &context.policy.namespace {
        Some(namespace) => selector.and(Requirement::equals(key, namespace)),
        None if context.subject.selector().names_reserved_key("init") => selector,
        None => selector.and(Requirement::Exists(key)),
    }
}

fn entity(item: &Field<'_>) -> Option<PeerSelector> {
    let name = item.text()?;
    if let Some(entity) = ENTITIES.iter().find(|known| known.name() == name) {
        return Some(PeerSelector::Entity(*entity));
    }
    let help = match name {
        "world-ipv4" => "use the CIDR 0.0.0.0/0".to_owned(),
        "world-ipv6" => "use the CIDR ::/0".to_owned(),
        "cluster-mesh" => "flowd knows one cluster; use cluster".to_owned(),
        _ => format!("there are {}", ENTITIES.map(Entity::name).join(", ")),
    };
    item.error(
        format!("there is no entity {:?}", syntax::shorten(name)),
        help,
    );
    None
}

fn block(item: &Field<'_>) -> Option<PeerSelector> {
    Some(PeerSelector::Cidr(CidrSet {
        cidr: prefix(item)?,
        except: Vec::new(),
    }))
}

fn block_with_exceptions(item: &Field<'_>) -> Option<PeerSelector> {
    let object = item.object(
        &["cidr", "cidrGroupRef", "cidrGroupSelector", "except"],
        &[],
    )?;
    let [block, name, labels] =
        ["cidr", "cidrGroupRef", "cidrGroupSelector"].map(|name| object.get(name));
    match (block, name, labels) {
        (Some(_), None, None) => Some(PeerSelector::Cidr(cidr_set(&object)?)),
        (None, Some(name), None) => {
            let name = metadata::checked(name, syntax::dns_subdomain)?;
            group(&object, GroupSelector::Name(name))
        }
        (None, None, Some(labels)) => {
            let selector = selector::read(labels)?;
            group(&object, GroupSelector::Labels(selector))
        }
        (None, None, None) => {
            item.error("cidr is missing", "name a prefix such as 10.0.0.0/8");
            None
        }
        (_, _, _) => {
            item.error(
                "names its addresses in two ways",
                "write one of cidr, cidrGroupRef and cidrGroupSelector",
            );
            None
        }
    }
}

fn group(object: &Object<'_>, groups: GroupSelector) -> Option<PeerSelector> {
    let except: Vec<Option<IpNet>> = exceptions(object).iter().map(prefix).collect();
    Some(PeerSelector::CidrGroup(CidrGroups {
        groups,
        except: except.into_iter().collect::<Option<_>>()?,
    }))
}

fn exceptions<'a>(object: &Object<'a>) -> Vec<Field<'a>> {
    object.items("except").unwrap_or_default()
}

/// A block with exceptions that lie inside it.
pub(super) fn cidr_set(object: &Object<'_>) -> Option<CidrSet> {
    let cidr = prefix(object.require("cidr", "name a prefix such as 10.0.0.0/8")?)?;
    let mut except = Vec::new();
    for exception in exceptions(object) {
        let inner = prefix(&exception)?;
        if !cidr::contains(&cidr, &inner) {
            exception.error(
                format!("{inner} is not inside {cidr}"),
                "an exception must be part of its cidr",
            );
            return None;
        }
        except.push(inner);
    }
    Some(CidrSet { cidr, except })
}

/// A prefix, or one address.
pub(super) fn prefix(field: &Field<'_>) -> Option<IpNet> {
    match cidr::parse(field.text()?) {
        Ok(prefix) => Some(prefix),
        Err(reason) => {
            field.error(
                reason,
                "write a prefix such as 192.0.2.0/24 or 2001:db8::/32",
            );
            None
        }
    }
}
