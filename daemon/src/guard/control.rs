//! The loop that keeps the tables what the files say.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::Receiver,
    },
    time::{Duration, Instant},
};

use flowd_policy::{CompileError, Contents, PolicySet};

use super::{
    Addresses, Board, Pulse,
    applier::Applier,
    changes::Changes,
    discover::{self, Failure},
    hold::Unapplied,
    host::HostSide,
    namespaces,
};
use crate::{
    applied::Applied,
    clock,
    endpoints::EndpointSpec,
    enrich::DirectoryHandle,
    flow::{
        Timeline,
        happening::{AppliedFacts, GenerationFacts, Happening, Step},
    },
    kernel::{
        links::{self, Link},
        namespace::Namespace,
    },
    modes::{self, ModeStore, Overrides},
    resolve::{Guarded, Inputs, Plan, Resolver},
    shadow::{Shadows, Tallies},
    sources::Source,
    why::PolicyViewHandle,
};

/// The next look after one that found a workload in the way of being guarded; the ones after it come
/// later and later.
const SOON: Duration = Duration::from_millis(100);
/// The tables are read back this often.
const READ_BACK: Duration = Duration::from_secs(30);
/// A burst of file events is one change.
const SETTLE: Duration = Duration::from_millis(50);

/// What the loop is made of.
pub struct Parts {
    /// What holds besides the policies.
    pub options: flowd_policy::Options,
    /// Endpoint files.
    pub endpoints: Source<Arc<EndpointSpec>>,
    /// Policy files.
    pub policies: Source<Contents>,
    /// Policies that came through the API.
    pub applied: Applied,
    /// Their files.
    pub applied_files: Source<Contents>,
    /// The host itself.
    pub host: HostSide,
    /// Modes that came through the API.
    pub modes: ModeStore,
    /// The namespace whose devices are guarded.
    pub namespace: Namespace,
    /// The resolver.
    pub resolver: Resolver,
    /// The hand that writes.
    pub applier: Applier,
    /// Where names are published.
    pub directory: DirectoryHandle,
    /// Where the policies in force are published.
    pub view: PolicyViewHandle,
    /// Where the state is published.
    pub board: Board,
    /// Where changes are told.
    pub timeline: Timeline,
    /// Where the numbers are saved.
    pub numbers: PathBuf,
    /// Name of this node.
    pub node_name: String,
    /// Where verdicts of shadow policies are counted.
    pub tallies: Tallies,
    /// The addresses whose packets count where the kernel drops them, if that is watched.
    pub dropped: Option<Addresses>,
    /// How often everything is looked at although nothing told of a change.
    pub look: Duration,
}

/// The loop.
pub struct Control {
    pub(super) parts: Parts,
    pub(super) set: PolicySet,
    pub(super) shadows: Shadows,
    /// Why shadow policies are not judged.
    pub(super) unshadowed: Option<String>,
    pub(super) host: Vec<Link>,
    /// The endpoints of all files, with the labels of their namespaces.
    specs: Vec<Arc<EndpointSpec>>,
    /// What the API said of modes when the endpoints were made.
    modes: Arc<Overrides>,
    /// Those that have too many labels.
    overladen: Vec<Failure>,
    pub(super) failures: Vec<Failure>,
    pub(super) kept: Vec<String>,
    pub(super) attach_failures: BTreeMap<u32, String>,
    pub(super) problem: Option<String>,
    pub(super) unsaved: bool,
    pub(super) unapplied: bool,
    /// The last generation that the log has as enforced.
    told: u32,
    changes: Changes,
    /// The workloads and host addresses that, with the policies of now, made the plan once more.
    settled: Option<(Vec<Guarded>, Vec<IpAddr>)>,
    /// When the tables are read back next.
    read_back: Instant,
    /// When the hooks of the devices are looked at next.
    pub(super) restore: Instant,
    pub(super) repaired: u64,
}

impl Control {
    /// A loop over these parts.
    pub fn new(parts: Parts) -> Self {
        Self {
            changes: Changes::new(parts.timeline.clone()),
            shadows: Shadows::new(parts.tallies.clone()),
            unshadowed: None,
            parts,
            set: PolicySet::default(),
            host: Vec::new(),
            specs: Vec::new(),
            modes: Arc::default(),
            overladen: Vec::new(),
            failures: Vec::new(),
            kept: Vec::new(),
            attach_failures: BTreeMap::new(),
            problem: None,
            unsaved: false,
            unapplied: false,
            told: 0,
            settled: None,
            read_back: Instant::now() + READ_BACK,
            restore: Instant::now(),
            repaired: 0,
        }
    }

    /// Runs until `stop` is set. `wake` tells that a file may have changed.
    pub fn run(mut self, wake: &Receiver<()>, stop: &Arc<AtomicBool>, pulse: &Pulse) {
        let look = self.parts.look;
        let mut pause = look;
        while !stop.load(Ordering::Relaxed) {
            pulse.beat();
            self.turn();
            // An address or a namespace that is late tells nobody.
            let settled = self.failures.is_empty() && !self.unapplied;
            pause = if settled { look } else { pause.min(look) };
            if wake.recv_timeout(pause).is_ok() {
                std::thread::sleep(SETTLE);
                while wake.try_recv().is_ok() {}
                pause = SOON;
            } else {
                pause = pause.saturating_mul(2);
            }
        }
    }

    /// One look at everything, and what follows from it.
    pub fn turn(&mut self) {
        let endpoints_changed = self.parts.endpoints.refresh();
        self.problem = None;
        self.undo_overdue();
        if let Err(error) = self.parts.host.operator.uphold() {
            self.problem = Some(format!("the operator's connection: {error}"));
        }
        let held = self.parts.applied.hold();
        let policies_changed = self.parts.policies.refresh() | self.parts.applied_files.refresh();
        drop(held);
        if policies_changed {
            let contents = contents(&[&self.parts.policies, &self.parts.applied_files]);
            // A CIDR group or a service counts for the policies of every file.
            self.set = PolicySet::assemble(&contents).with_options(self.parts.options);
            let now = clock::now();
            self.shadows.follow(&contents, self.parts.options, now);
            self.settled = None;
        }
        let modes = self.parts.modes.snapshot();
        let modes_changed = !Arc::ptr_eq(&modes, &self.modes);
        self.modes = modes;
        let changed = endpoints_changed || policies_changed || modes_changed;
        if changed {
            let specs = self.parts.endpoints.objects().cloned().collect();
            let files = [&self.parts.policies, &self.parts.applied_files];
            let contents = || files.into_iter().flat_map(Source::objects);
            (self.specs, self.overladen) = namespaces::label(specs, contents());
            modes::settle(&mut self.specs, &self.modes, contents());
        }
        match links::list(&self.parts.namespace) {
            Ok(host) => {
                let moved = host != self.host;
                self.host = host;
                // What an earlier daemon enforced stays until both directories could be read.
                if self.parts.endpoints.is_known() && self.parts.policies.is_known() {
                    self.reconcile(changed || moved);
                    self.restore();
                    self.know_addresses();
                }
            }
            Err(error) => self.problem = Some(format!("devices cannot be listed: {error}")),
        }
        if self.unsaved {
            self.save();
        }
        self.read_back();
        if let Err(error) = self.parts.applier.collect_garbage(Instant::now()) {
            self.problem = Some(error.to_string());
        }
        if let Some(facts) = self.parts.host.say() {
            self.changes.tell(Happening::BreakGlass(facts));
        }
        self.publish();
        self.parts.board.turned();
    }

    /// Compares the tables with the plan now and then.
    fn read_back(&mut self) {
        if self.problem.is_some() || Instant::now() < self.read_back {
            return;
        }
        let begun = Instant::now();
        let drift = self.parts.applier.read_back(self.parts.resolver.plan());
        // Large tables are read back less often: a hundredth of one core, at most.
        self.read_back = Instant::now() + READ_BACK.max(begun.elapsed() * 100);
        match drift {
            Ok(drift) if drift.total() == 0 => {}
            Ok(drift) => {
                self.repaired += drift.total();
                tracing::warn!(
                    endpoints = drift.endpoints,
                    peers = drift.peers,
                    policy = drift.policy,
                    "somebody changed the tables; they are as they were again"
                );
            }
            Err(error) => self.problem = Some(format!("tables cannot be read back: {error}")),
        }
    }

    /// Undoes a change through the API that nobody confirmed in time.
    fn undo_overdue(&mut self) {
        match self
            .parts
            .applied
            .undo_overdue(clock::realtime() / 1_000_000_000)
        {
            Ok(Some(pending)) => {
                tracing::warn!(
                    change = pending.confirmation,
                    policies = pending.objects.join(", "),
                    "nobody confirmed the change in time; it is undone"
                );
                self.changes.tell(Happening::Applied(AppliedFacts {
                    step: Step::Reverted,
                    objects: pending.objects,
                    confirmation: pending.confirmation,
                    undone_at: pending.undone_at,
                }));
            }
            Ok(None) => {}
            Err(error) => self.problem = Some(error.to_string()),
        }
    }

    fn reconcile(&mut self, changed: bool) {
        let plan = self.parts.resolver.plan();
        let mut found = discover::find(&self.specs, &self.host, |spec| plan.guarded(spec));
        let Parts {
            host,
            node_name,
            namespace,
            ..
        } = &self.parts;
        host.find(node_name, &self.set, &self.host, namespace, &mut found);
        self.failures = found.failures;
        self.failures.extend(self.overladen.iter().cloned());
        self.kept = found.kept;
        let plan = match self.resolve(found.guarded) {
            Ok(Some(plan)) => plan,
            // What could not be written, or not be attached, is tried again at every look.
            Ok(None) if self.unapplied => Arc::clone(self.parts.resolver.plan()),
            Ok(None) => {
                if changed {
                    self.name();
                    self.tell_changes();
                }
                return;
            }
            Err(error) => {
                self.changes.generation(GenerationFacts {
                    error: error.to_string(),
                    ..GenerationFacts::default()
                });
                self.problem = Some(format!("the last good policies stay in force: {error}"));
                return;
            }
        };
        self.save();
        self.name();
        self.tell_changes();
        self.apply(&plan);
    }

    /// Told before the tables are written: a flow that a change judged comes after the change.
    fn tell_changes(&mut self) {
        let plan = self.parts.resolver.plan();
        let files = [&self.parts.policies, &self.parts.applied_files];
        self.changes
            .services(files.into_iter().flat_map(Source::objects));
        self.changes.policies(&self.set, plan.generation);
        self.changes.endpoints(plan);
    }

    /// The next plan; `None` when it would be the last one again. Compiling every policy for every
    /// identity is not repeated for inputs that are known to lead nowhere else.
    fn resolve(&mut self, endpoints: Vec<Guarded>) -> Result<Option<Arc<Plan>>, CompileError> {
        let host = discover::host_addresses(&self.host);
        let inputs = (endpoints, host);
        if self.settled.as_ref() == Some(&inputs) {
            return Ok(None);
        }
        self.settled = None;
        let (endpoints, host) = inputs;
        let inputs = Inputs {
            endpoints,
            policies: self.set.clone(),
            host,
        };
        let plan = self.parts.resolver.resolve(&inputs)?.cloned();
        if plan.is_none() {
            self.settled = Some((inputs.endpoints, inputs.host));
        }
        Ok(plan)
    }

    fn apply(&mut self, plan: &Plan) {
        match self.parts.applier.apply(plan) {
            Ok(failed) => {
                // Tried again at every look: said once.
                let again = self.told == plan.generation
                    && !failed.is_empty()
                    && failed == self.attach_failures;
                if !again {
                    self.told = plan.generation;
                    tracing::info!(
                        generation = plan.generation,
                        endpoints = plan.endpoints.len(),
                        policies = plan.policies.len(),
                        "generation enforced"
                    );
                    for (ifindex, why) in &failed {
                        tracing::error!(ifindex, why, "a workload is not guarded");
                    }
                }
                self.changes.enforced(plan, &failed);
                self.unapplied = !failed.is_empty();
                self.attach_failures = failed;
            }
            Err(Unapplied { error, failed }) => {
                if !self.unapplied {
                    tracing::error!(%error, generation = plan.generation, "generation not enforced");
                }
                self.changes.generation(GenerationFacts {
                    generation: plan.generation,
                    endpoints: plan.endpoints.len(),
                    failed: failed.len(),
                    error: error.to_string(),
                });
                self.problem = Some(error.to_string());
                self.unapplied = true;
                self.attach_failures = failed;
            }
        }
    }
}

/// What all files hold.
fn contents(sources: &[&Source<Contents>]) -> Vec<Contents> {
    let objects = sources.iter().flat_map(|source| source.objects());
    objects.cloned().collect()
}
