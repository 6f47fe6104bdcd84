//! The address blocks a plan tells apart.

use std::{collections::BTreeSet, net::IpAddr};

use flowd_policy::{PodClass, PolicySet, cidr};

use super::{identities::Classes, members::Members, numbers::Numbers, peers::HOST_IDENTITY};

/// The classes the policies ask for.
pub(super) fn of(
    policies: &PolicySet,
    host: &[IpAddr],
    members: &Members,
    numbers: &mut Numbers,
) -> Classes {
    Classes {
        world: policies
            .prefixes()
            .into_iter()
            .map(|prefix| (numbers.class(prefix), prefix))
            .collect(),
        pods: pods(policies, host, members)
            .into_iter()
            .map(|class| (numbers.pod_class(class), class))
            .collect(),
    }
}

/// A class for each prefix, or, where a rule passes, for each identity with addresses in it.
fn pods(policies: &PolicySet, host: &[IpAddr], members: &Members) -> BTreeSet<PodClass> {
    let prefixes = policies.pod_prefixes();
    if !policies.passes() {
        let shared = |prefix| PodClass {
            prefix,
            owner: None,
        };
        return prefixes.into_iter().map(shared).collect();
    }
    let host = host.iter().map(|address| (HOST_IDENTITY, *address));
    let own = members.iter().flat_map(|(_, member)| {
        let addresses = member.guarded.addresses.iter();
        addresses.map(|address| (member.identity, *address))
    });
    cidr::pod_classes_in_use(&prefixes, host.chain(own))
}
