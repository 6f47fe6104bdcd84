//! What would be in force, as the pipeline looks it up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, OnceLock};

use flowd_abi::{Action, Address, Direction, DropReason, ForwardReason, Verdict, protocol};
use flowd_policy::{CompiledDirection, PolicyRef, RuleTable, Target};
use hashbrown::HashMap;

use super::blocks::Blocks;
use super::tallies::Tally;
use super::verdict::Shadowed;

/// Identity of every address nobody is known to have.
const WORLD: u32 = 2;

/// One direction of one identity that a shadow policy has a say about.
#[derive(Debug)]
pub(super) struct ShadowDirection {
    /// Tells it from others of the same tables.
    pub(super) number: u32,
    /// The entries of enforced and shadow policies together.
    pub(super) compiled: CompiledDirection,
    /// The shadow policies that select the identity in this direction.
    pub(super) policies: Vec<Arc<PolicyRef>>,
}

/// Of one workload: ingress, egress. `None` where no shadow policy selects it.
pub(super) type Sides = [Option<Arc<ShadowDirection>>; 2];

/// Blocks of workloads and nodes, by the identity that has the addresses; `None` for all of them.
pub(super) type Pods = HashMap<Option<u32>, Blocks>;

/// Would-be policies of every workload a shadow policy selects.
#[derive(Clone, Debug, Default)]
pub struct ShadowTables {
    /// By endpoint id.
    pub(super) subjects: HashMap<u32, Sides>,
    /// The rules behind the numbers of their entries.
    pub(super) rules: Arc<RuleTable>,
    /// Classes of addresses of the world, and of those of workloads and nodes.
    pub(super) world: Arc<Blocks>,
    pub(super) pods: Arc<Pods>,
    /// Of each shadow policy.
    pub(super) tallies: HashMap<String, Arc<Tally>>,
}

impl ShadowTables {
    /// What a shadow policy has to say about a workload in this direction, if one does.
    #[inline]
    pub(super) fn direction(
        &self,
        endpoint: u32,
        direction: Direction,
    ) -> Option<&Arc<ShadowDirection>> {
        let [ingress, egress] = self.subjects.get(&endpoint)?;
        match direction {
            Direction::Ingress => ingress.as_ref(),
            Direction::Egress => egress.as_ref(),
        }
    }

    fn blocks(&self, identity: u32) -> Option<&Blocks> {
        if identity == WORLD {
            return Some(&self.world);
        }
        let of_owner = self.pods.get(&Some(identity));
        of_owner.or_else(|| self.pods.get(&None))
    }

    /// Whether the class of an address of this identity has to be looked up at all.
    #[inline]
    pub(super) fn has_classes(&self, identity: u32) -> bool {
        self.blocks(identity)
            .is_some_and(|blocks| !blocks.is_empty())
    }

    /// The class of an address, 0 for none.
    pub(super) fn class_of(&self, identity: u32, address: Address) -> u32 {
        let address = if address.is_v4() {
            IpAddr::from(Ipv4Addr::from(address.v4_bytes()))
        } else {
            IpAddr::from(Ipv6Addr::from(address.0))
        };
        let blocks = self.blocks(identity);
        blocks.map_or(0, |blocks| blocks.class_of(address))
    }

    /// What would become of a connection to `target`.
    pub(super) fn judge(&self, direction: &ShadowDirection, target: Target) -> Shadowed {
        if !supported(target.protocol) {
            let verdict = Verdict::Drop(DropReason::UnsupportedProtocol);
            return self.shadowed(verdict, 0, direction.policies.clone());
        }
        match direction.compiled.lookup(target) {
            None => {
                let verdict = Verdict::Drop(DropReason::DefaultDenied);
                self.shadowed(verdict, 0, direction.compiled.default_deny.clone())
            }
            Some(hit) => {
                let verdict = match hit.action {
                    Action::Allow => Verdict::Forward(ForwardReason::Allowed),
                    Action::Deny => Verdict::Drop(DropReason::RuleDenied),
                };
                self.shadowed(verdict, hit.rule, Vec::new())
            }
        }
    }

    fn shadowed(&self, verdict: Verdict, rule: u32, deniers: Vec<Arc<PolicyRef>>) -> Shadowed {
        let rules = self.rules.get(rule).unwrap_or_default().to_vec();
        let deciders = rules.iter().map(|rule| &rule.policy).chain(&deniers);
        let mut names: Vec<String> = deciders.map(ToString::to_string).collect();
        names.sort_unstable();
        names.dedup();
        let tallies = names.iter().filter_map(|name| self.tallies.get(name));
        Shadowed {
            verdict,
            tallies: tallies.cloned().collect(),
            rules,
            default_denied_by: deniers,
            encoded: OnceLock::new(),
        }
    }
}

/// Whether the programs let a protocol through to and from an enforced workload.
const fn supported(number: u8) -> bool {
    matches!(
        number,
        protocol::TCP | protocol::UDP | protocol::SCTP | protocol::ICMP | protocol::ICMPV6
    )
}
