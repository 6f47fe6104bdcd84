//! From the peers a rule names to the numbers the kernel knows them by.

use std::{collections::BTreeSet, sync::Arc};

use flowd_abi::Peer;
use ipnet::IpNet;

use super::CompileError;
use crate::{
    cidr::{self, ClassIndex},
    labels::{CLUSTER, CLUSTER_KEY, SOURCE_K8S, SOURCE_RESERVED},
    object::{CidrSet, Entity, PeerSelector, Peers, Rule},
    selector::{Key, Requirement, Selector},
    world::World,
};

/// The peers of a rule.
pub(super) enum PeerNumbers {
    /// Every peer.
    Any,
    /// Identities and CIDR classes.
    Of(BTreeSet<u32>),
}

/// Entities of this cluster's own nodes and helpers.
const CLUSTER_ENTITIES: [Entity; 7] = [
    Entity::Host,
    Entity::RemoteNode,
    Entity::Init,
    Entity::Ingress,
    Entity::Health,
    Entity::Unmanaged,
    Entity::KubeApiserver,
];

/// The numbers of the peers `rule` names.
pub(super) fn numbers(rule: &Rule, world: &mut World) -> Result<PeerNumbers, CompileError> {
    let selectors = match &rule.peers {
        Peers::Any => return Ok(PeerNumbers::Any),
        Peers::Of(selectors) => selectors,
    };
    let mut numbers = BTreeSet::new();
    for selector in selectors {
        match selector {
            PeerSelector::Labels(selector) if selector.is_empty() => return Ok(PeerNumbers::Any),
            PeerSelector::Labels(selector) => numbers.extend(world.select(selector).iter()),
            PeerSelector::Entity(Entity::All) => return Ok(PeerNumbers::Any),
            PeerSelector::Entity(entity) => add_entity(*entity, world, &mut numbers),
            PeerSelector::Cidr(set) => add_classes(rule, set, world, &mut numbers)?,
            PeerSelector::IpBlock(set) => {
                add_classes(rule, set, world, &mut numbers)?;
                numbers.extend(inside(set, world.pod_class_index()));
            }
            PeerSelector::CidrGroup(_) | PeerSelector::Services(_) => {}
        }
    }
    Ok(PeerNumbers::Of(numbers))
}

/// The identities of this node.
pub(super) fn host(world: &mut World) -> BTreeSet<u32> {
    let mut numbers = BTreeSet::new();
    add_entity(Entity::Host, world, &mut numbers);
    numbers
}

fn add_entity(entity: Entity, world: &mut World, numbers: &mut BTreeSet<u32>) {
    let mut reserved = |name| {
        let selector = Selector::default().and(Requirement::Exists(Key::of(SOURCE_RESERVED, name)));
        numbers.extend(world.select(&selector).iter());
    };
    match entity {
        Entity::World => {
            numbers.insert(Peer::WORLD_IDENTITY);
        }
        Entity::Host => reserved("host"),
        Entity::RemoteNode => reserved("remote-node"),
        Entity::KubeApiserver => reserved("kube-apiserver"),
        Entity::Health => reserved("health"),
        Entity::Init => reserved("init"),
        Entity::Ingress => reserved("ingress"),
        Entity::Unmanaged => reserved("unmanaged"),
        Entity::Cluster => {
            for entity in CLUSTER_ENTITIES {
                add_entity(entity, world, numbers);
            }
            let local = Requirement::equals(Key::of(SOURCE_K8S, CLUSTER_KEY), CLUSTER);
            numbers.extend(world.select(&Selector::default().and(local)).iter());
        }
        Entity::All | Entity::None => {}
    }
}

/// A class stands for the addresses that have no longer configured prefix, so the classes inside
/// the block and outside every exception are exactly the block's addresses.
fn add_classes(
    rule: &Rule,
    set: &CidrSet,
    world: &mut World,
    numbers: &mut BTreeSet<u32>,
) -> Result<(), CompileError> {
    world.uses().blocks.insert(set.cidr);
    let index = world.class_index();
    let mut named = [&set.cidr].into_iter().chain(&set.except);
    if let Some(prefix) = named.find(|prefix| !index.knows(prefix)) {
        return Err(CompileError::MissingClass {
            prefix: *prefix,
            policy: Arc::clone(&rule.reference.policy),
        });
    }
    numbers.extend(inside(set, index));
    Ok(())
}

fn inside(set: &CidrSet, classes: &ClassIndex) -> impl Iterator<Item = u32> {
    let excepted = |class: &IpNet| {
        let mut except = set.except.iter();
        except.any(|except| cidr::contains(except, class))
    };
    classes
        .inside(&set.cidr)
        .filter(move |(prefix, _)| !excepted(prefix))
        .map(|(_, class)| class)
}
