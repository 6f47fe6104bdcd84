//! From policies and a plan to what would be in force were the shadow policies enforced.

use std::collections::{BTreeMap, HashMap as StdHashMap};
use std::sync::Arc;

use flowd_abi::{Direction, Peer};
use flowd_policy::{
    CompileError, Contents, Labels, NamedPorts, Options, PodClass, Policy, PolicySet, RuleTable,
    Subject, World, compile,
};
use hashbrown::HashMap;
use ipnet::IpNet;

use super::blocks::Blocks;
use super::tables::{Pods, ShadowDirection, ShadowTables, Sides};
use super::tallies::{Tallies, Tally};
use crate::resolve::Plan;

/// First number that is no identity.
const RESERVED: u32 = 256;
/// Identity of the host.
const HOST: u32 = 1;

/// Labels and named ports by identity.
type Wanted = BTreeMap<u32, (Labels, NamedPorts)>;

/// Keeps the would-be policies up to date.
#[derive(Debug, Default)]
pub struct Shadows {
    /// The shadow policies alone.
    alone: Arc<PolicySet>,
    /// What would be in force.
    as_if: Arc<PolicySet>,
    tallies: Tallies,
    /// Each shadow policy as it is counted.
    counted: BTreeMap<String, (Arc<Policy>, Arc<Tally>)>,
    world: World,
    wanted: Wanted,
    compiled: Option<Compiled>,
}

/// What follows from the policies and the identities of now.
#[derive(Clone, Debug)]
struct Compiled {
    subjects: StdHashMap<u32, Sides>,
    rules: Arc<RuleTable>,
    world: Arc<Blocks>,
    pods: Arc<Pods>,
}

impl Shadows {
    /// Of no policies yet; counts go to `tallies`.
    pub fn new(tallies: Tallies) -> Self {
        Self {
            tallies,
            world: World::new(),
            ..Self::default()
        }
    }

    /// Where is counted.
    pub const fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    /// Whether there is no shadow policy.
    pub fn is_empty(&self) -> bool {
        self.alone.policies().len() == 0
    }

    /// The shadow policies.
    pub fn policies(&self) -> &Arc<PolicySet> {
        &self.alone
    }

    /// What would be in force.
    pub fn as_if(&self) -> &Arc<PolicySet> {
        &self.as_if
    }

    /// Moves to the policies of now, `now` being Unix time in nanoseconds. One that is as it was goes
    /// on counting; one that changed starts over.
    pub fn follow(&mut self, contents: &[Contents], options: Options, now: i64) {
        self.compiled = None;
        self.alone = Arc::new(PolicySet::assemble_shadow(contents));
        self.as_if = if self.is_empty() {
            Arc::default()
        } else {
            Arc::new(PolicySet::assemble_as_if(contents).with_options(options))
        };
        let mut before = std::mem::take(&mut self.counted);
        for policy in self.alone.shared() {
            let name = policy.reference.to_string();
            let tally = match before.remove(&name) {
                Some((same, tally)) if same == *policy => tally,
                Some(_) | None => Arc::new(Tally::since(now)),
            };
            self.counted.insert(name, (Arc::clone(policy), tally));
        }
        let tallies = self.counted.iter();
        let tallies = tallies.map(|(name, (_, tally))| (name.clone(), Arc::clone(tally)));
        self.tallies.replace(tallies.collect());
    }

    /// The tables for the workloads of a plan; `None` where there is no shadow policy.
    ///
    /// # Errors
    ///
    /// When enforced and shadow policies cannot be compiled together.
    pub fn tables(&mut self, plan: &Plan) -> Result<Option<Arc<ShadowTables>>, CompileError> {
        if self.is_empty() {
            self.wanted.clear();
            return Ok(None);
        }
        let wanted = wanted(plan);
        if self.compiled.is_none() || wanted != self.wanted {
            self.compiled = None;
            self.compiled = Some(self.compile(wanted)?);
        }
        let Some(compiled) = &self.compiled else {
            return Ok(None);
        };
        let values = plan.endpoints.values().map(|endpoint| endpoint.value);
        let subjects = values.filter_map(|value| {
            let subject = compiled.subjects.get(&value.identity)?;
            Some((value.id, subject.clone()))
        });
        let tallies = self.counted.iter();
        Ok(Some(Arc::new(ShadowTables {
            subjects: subjects.collect(),
            rules: Arc::clone(&compiled.rules),
            world: Arc::clone(&compiled.world),
            pods: Arc::clone(&compiled.pods),
            tallies: tallies
                .map(|(name, (_, tally))| (name.clone(), Arc::clone(tally)))
                .collect(),
        })))
    }

    /// How many workloads of a plan each shadow policy selects, by `kind/namespace/name`.
    pub fn selected(&self, plan: &Plan) -> BTreeMap<String, u32> {
        let mut selected = BTreeMap::new();
        for endpoint in plan.endpoints.values() {
            let mut names: Vec<String> = self
                .alone
                .selecting(Subject::of(&endpoint.spec.labels))
                .into_iter()
                .map(|(policy, _)| policy.to_string())
                .collect();
            names.dedup();
            for name in names {
                *selected.entry(name).or_default() += 1;
            }
        }
        selected
    }

    fn compile(&mut self, wanted: Wanted) -> Result<Compiled, CompileError> {
        let (world, pods) = classes(&self.as_if, &wanted);
        self.see(&wanted, &world, &pods);
        let mut rules = RuleTable::new();
        let mut subjects = StdHashMap::new();
        let mut number = 0;
        for (identity, (labels, _)) in &wanted {
            let subject = Subject::of(labels);
            let selecting = self.alone.selecting(subject);
            if selecting.is_empty() {
                continue;
            }
            let compiled = compile(&self.as_if, subject, &mut self.world, &mut rules)?;
            let mut one = |direction: Direction, compiled: Option<_>| {
                let judging = selecting.iter().filter(|(_, spec)| spec.judges(direction));
                let policies: Vec<_> = judging.map(|(policy, _)| Arc::clone(policy)).collect();
                if policies.is_empty() {
                    return None;
                }
                number += 1;
                compiled.map(|compiled| {
                    Arc::new(ShadowDirection {
                        number,
                        compiled,
                        policies,
                    })
                })
            };
            let ingress = one(Direction::Ingress, compiled.ingress);
            let egress = one(Direction::Egress, compiled.egress);
            subjects.insert(*identity, [ingress, egress]);
        }
        self.wanted = wanted;
        Ok(Compiled {
            subjects,
            rules: Arc::new(rules),
            world: Arc::new(Blocks::new(world)),
            pods: Arc::new(by_owner(&pods)),
        })
    }

    /// Brings what the compiler sees up to date.
    fn see(
        &mut self,
        wanted: &Wanted,
        world: &BTreeMap<u32, IpNet>,
        pods: &BTreeMap<u32, PodClass>,
    ) {
        let known: Vec<u32> = self.world.identities().keys().copied().collect();
        for identity in known {
            if identity >= RESERVED && !wanted.contains_key(&identity) {
                self.world.remove(identity);
            }
        }
        for (identity, (labels, ports)) in wanted {
            self.world.insert(*identity, labels.clone());
            self.world.set_named_ports(*identity, ports.clone());
        }
        self.world.set_classes(world.clone());
        self.world.set_pod_classes(pods.clone());
    }
}

/// The identities of a plan, with all named ports that any of their workloads has.
fn wanted(plan: &Plan) -> Wanted {
    let mut wanted = Wanted::new();
    for endpoint in plan.endpoints.values() {
        let labels = &endpoint.spec.labels;
        let entry = wanted.entry(endpoint.value.identity);
        let (_, ports) = entry.or_insert_with(|| (labels.clone(), NamedPorts::default()));
        ports.merge(&endpoint.spec.ports);
    }
    wanted
}

/// Numbers for the prefixes of policies: of the world's addresses, and of workloads' and nodes'; the
/// latter by identity where a policy passes. They mean something here only, not in the kernel's tables.
fn classes(
    policies: &PolicySet,
    wanted: &Wanted,
) -> (BTreeMap<u32, IpNet>, BTreeMap<u32, PodClass>) {
    let mut numbers = Peer::CLASS_SCOPE + 1..;
    let world = numbers.by_ref().zip(policies.prefixes()).collect();
    let owners: Vec<Option<u32>> = match policies.passes() {
        true => wanted.keys().copied().chain([HOST]).map(Some).collect(),
        false => vec![None],
    };
    let prefixes = policies.pod_prefixes();
    let pods = prefixes.into_iter().flat_map(|prefix| {
        let owners = owners.iter();
        owners.map(move |&owner| PodClass { prefix, owner })
    });
    let pods = numbers.zip(pods).collect();
    (world, pods)
}

/// The blocks of each owner.
fn by_owner(classes: &BTreeMap<u32, PodClass>) -> Pods {
    let mut blocks: HashMap<Option<u32>, Vec<(u32, IpNet)>> = HashMap::new();
    for (&number, class) in classes {
        blocks
            .entry(class.owner)
            .or_default()
            .push((number, class.prefix));
    }
    let blocks = blocks.into_iter();
    blocks
        .map(|(owner, classes)| (owner, Blocks::new(classes)))
        .collect()
}
