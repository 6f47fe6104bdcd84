//! Puts what other objects say in the place of their names: addresses of CIDR groups, workloads and
//! addresses behind services.

use ipnet::IpNet;

use crate::{
    diagnostic::Diagnostic,
    object::{
        CidrGroup, CidrGroups, CidrSet, GroupSelector, PeerSelector, Peers, Policy, Service,
        ServiceAddresses, ServiceSelector, Services,
    },
    parse::Contents,
    reference::{Effect, RuleRef},
};

/// The objects policies may name.
pub(crate) struct Objects<'a> {
    pub(crate) groups: Vec<&'a CidrGroup>,
    pub(crate) services: Vec<&'a Service>,
    pub(crate) addresses: Vec<&'a ServiceAddresses>,
}

impl<'a> Objects<'a> {
    /// The objects of several files.
    pub(crate) fn of(contents: &'a [Contents]) -> Self {
        Self {
            groups: contents.iter().flat_map(|file| &file.groups).collect(),
            services: contents.iter().flat_map(|file| &file.services).collect(),
            addresses: contents.iter().flat_map(|file| &file.addresses).collect(),
        }
    }

    /// Replaces every name in a policy.
    pub(crate) fn resolve(&self, policy: &mut Policy) {
        let mut warnings = Vec::new();
        let mut complete = true;
        for rule in policy.specs.iter_mut().flat_map(|spec| &mut spec.rules) {
            let Peers::Of(selectors) = &mut rule.peers else {
                continue;
            };
            let mut everyone = false;
            let mut resolved = Vec::with_capacity(selectors.len());
            for selector in selectors.drain(..) {
                match selector {
                    PeerSelector::CidrGroup(named) => {
                        let found = self.members(&named);
                        if found.is_empty() {
                            warnings.push(no_group(&rule.reference, &named));
                        }
                        resolved.extend(found);
                    }
                    PeerSelector::Services(named) => match self.behind(&named) {
                        Some(found) => resolved.extend(found),
                        None => {
                            complete = false;
                            everyone |= rule.reference.action == Effect::Deny;
                            warnings.push(no_service(&rule.reference, &named));
                        }
                    },
                    other @ (PeerSelector::Labels(_)
                    | PeerSelector::Entity(_)
                    | PeerSelector::Cidr(_)
                    | PeerSelector::IpBlock(_)) => resolved.push(other),
                }
            }
            if everyone {
                rule.peers = Peers::Any;
            } else {
                *selectors = resolved;
            }
        }
        policy.warnings.extend(warnings);
        policy.complete &= complete;
    }

    fn members(&self, named: &CidrGroups) -> Vec<PeerSelector> {
        self.groups
            .iter()
            .filter(|group| match &named.groups {
                GroupSelector::Name(name) => group.name == *name,
                GroupSelector::Labels(selector) => selector.matches(&group.labels),
            })
            .flat_map(|group| &group.cidrs)
            .map(|&cidr| block(cidr, named.except.clone()))
            .collect()
    }

    /// The peers behind services; `None` when there is no such service.
    fn behind(&self, named: &Services) -> Option<Vec<PeerSelector>> {
        let meant = |service: &&&Service| {
            let here = named
                .namespace
                .as_ref()
                .is_none_or(|name| service.namespace == *name);
            here && match &named.services {
                ServiceSelector::Name(name) => service.name == *name,
                ServiceSelector::Labels(selector) => selector.matches(&service.labels),
            }
        };
        let services: Vec<&&Service> = self.services.iter().filter(meant).collect();
        if services.is_empty() {
            return None;
        }
        let peers = services
            .into_iter()
            .flat_map(|service| match &service.pods {
                Some(pods) => vec![PeerSelector::Labels(pods.clone())],
                None => self.addresses_of(service),
            });
        Some(peers.collect())
    }

    fn addresses_of(&self, service: &Service) -> Vec<PeerSelector> {
        self.addresses
            .iter()
            .filter(|list| list.service == service.name && list.namespace == service.namespace)
            .flat_map(|list| &list.addresses)
            .map(|&address| block(address, Vec::new()))
            .collect()
    }
}

const fn block(cidr: IpNet, except: Vec<IpNet>) -> PeerSelector {
    PeerSelector::Cidr(CidrSet { cidr, except })
}

fn no_group(rule: &RuleRef, named: &CidrGroups) -> Diagnostic {
    let which = match &named.groups {
        GroupSelector::Name(name) => format!("the CiliumCIDRGroup {name}"),
        GroupSelector::Labels(_) => "any CiliumCIDRGroup with these labels".to_owned(),
    };
    finding(
        rule,
        format!("no addresses: {which} is not there or empty"),
        "add the group, or list the prefixes",
    )
}

fn no_service(rule: &RuleRef, named: &Services) -> Diagnostic {
    let which = match &named.services {
        ServiceSelector::Name(name) => format!("the Service {name}"),
        ServiceSelector::Labels(_) => "any Service with these labels".to_owned(),
    };
    let so = match rule.action {
        Effect::Allow | Effect::Pass => "it allows nothing",
        Effect::Deny => "it denies every peer",
    };
    finding(
        rule,
        format!("{which} is not there, so {so}"),
        "add the Service, or name its endpoints with toEndpoints",
    )
}

fn finding(rule: &RuleRef, message: String, help: &str) -> Diagnostic {
    Diagnostic {
        file: rule.policy.file.clone(),
        line: rule.line,
        column: 1,
        path: rule.path(),
        message,
        help: help.to_owned(),
    }
}
