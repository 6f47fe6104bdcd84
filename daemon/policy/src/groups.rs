//! Puts the addresses of CIDR groups in the place of the groups' names.

use crate::{
    diagnostic::Diagnostic,
    object::{CidrGroup, CidrGroups, CidrSet, GroupSelector, PeerSelector, Peers, Policy, RuleRef},
};

/// Replaces every group a policy names.
pub(crate) fn resolve(policy: &mut Policy, groups: &[CidrGroup]) {
    let mut warnings = Vec::new();
    for rule in policy.specs.iter_mut().flat_map(|spec| &mut spec.rules) {
        let Peers::Of(selectors) = &mut rule.peers else {
            continue;
        };
        let mut resolved = Vec::with_capacity(selectors.len());
        for selector in selectors.drain(..) {
            match selector {
                PeerSelector::CidrGroup(named) => {
                    let found = members(&named, groups);
                    if found.is_empty() {
                        warnings.push(nobody(&rule.reference, &named));
                    }
                    resolved.extend(found);
                }
                other @ (PeerSelector::Labels(_)
                | PeerSelector::Entity(_)
                | PeerSelector::Cidr(_)
                | PeerSelector::IpBlock(_)) => resolved.push(other),
            }
        }
        *selectors = resolved;
    }
    policy.warnings.extend(warnings);
}

fn members(named: &CidrGroups, groups: &[CidrGroup]) -> Vec<PeerSelector> {
    groups
        .iter()
        .filter(|group| match &named.groups {
            GroupSelector::Name(name) => group.name == *name,
            GroupSelector::Labels(selector) => selector.matches(&group.labels),
        })
        .flat_map(|group| &group.cidrs)
        .map(|&cidr| {
            PeerSelector::Cidr(CidrSet {
                cidr,
                except: named.except.clone(),
            })
        })
        .collect()
}

fn nobody(rule: &RuleRef, named: &CidrGroups) -> Diagnostic {
    let which = match &named.groups {
        GroupSelector::Name(name) => format!("the CiliumCIDRGroup {name}"),
        GroupSelector::Labels(_) => "any CiliumCIDRGroup with these labels".to_owned(),
    };
    Diagnostic {
        file: rule.policy.file.clone(),
        line: rule.line,
        column: 1,
        path: rule.path(),
        message: format!("no addresses: {which} is not there or empty"),
        help: "add the group, or list the prefixes".to_owned(),
    }
}
