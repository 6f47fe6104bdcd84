//! Cases of policies with real packets: a written world becomes network namespaces, each case one
//! attempt, and what the wire did and what the flows of both ends tell is held against the answer that
//! `flowctl policy test` gives without a daemon.

mod told;
mod wire;
mod world;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use flowd_abi::protocol::{TCP, UDP};
use flowd_policy::cases::{Case, CaseAnswer, EndAnswer, Verdict, WrittenWorld};
use flowd_policy::{PolicySet, read};
use flowd_proto::flow::{Flow, TrafficDirection};
use flowd_proto::flowd::v1::StatusResponse;
use flowd_proto::observer::{GetFlowsResponse, get_flows_response::ResponseTypes};
use serde::Serialize;

use crate::traffic::{TcpEcho, UdpEcho};
use crate::{Flowd, Testbed};
use world::{End, LiveWorld, Raw};

/// How long an answer that must come may take, and a flow that must be told.
const ANSWER: Duration = Duration::from_secs(5);
/// How long nothing is to come where nothing is expected.
const SILENCE: Duration = Duration::from_millis(400);
/// How long policies may take to be in force.
const ENFORCED: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// The first source port; each attempt has its own.
const FIRST_SOURCE: u16 = 20_000;
/// Attempts of one world, at most: one source port each.
const MAX_ATTEMPTS: usize = 40_000;
/// Attempts that are made at the same time.
const SIDE_BY_SIDE: usize = 32;

/// A case with both answers.
#[derive(Clone, Debug, Serialize)]
pub struct LiveAnswer {
    /// What the policies say, without a daemon.
    #[serde(flatten)]
    pub offline: CaseAnswer,
    /// What happened; absent where a testbed cannot make the attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<Live>,
    /// Why it was not tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// What happened on the wire and in the flows.
#[derive(Clone, Debug, Serialize)]
pub struct Live {
    /// Whether the packet arrived and, where one is to be expected, was answered.
    pub allowed: bool,
    /// Ends whose flow was compared: a receiver behind a sender's denial has none.
    pub ends: usize,
    /// Whether wire and flows say what the policies say.
    pub agree: bool,
    /// Where they do not.
    pub differences: Vec<String>,
}

/// A written world on a testbed, with a flowd that guards it.
#[derive(Debug)]
pub struct LiveCases {
    // In the order in which they are to go.
    servers: Servers,
    world: LiveWorld,
    flowd: Flowd,
    written: WrittenWorld,
    running: bool,
    attempts: usize,
    _bed: Testbed,
}

impl LiveCases {
    /// Builds the world. `cases` are all that will be tried in it; `flowd` is the program that guards it,
    /// `directory` an empty one for its files.
    ///
    /// # Errors
    ///
    /// When the world cannot be read or built: namespaces need root.
    pub fn open(flowd: &Path, directory: &Path, world: &str, cases: &[Case]) -> Result<Self> {
        if cases.len() > MAX_ATTEMPTS {
            bail!(
                "{} cases; at most {MAX_ATTEMPTS} are tried in one world",
                cases.len()
            );
        }
        let written = WrittenWorld::read("world", world).map_err(|errors| {
            anyhow!(
                "{}",
                errors
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("\n")
            )
        })?;
        let raw = Raw::read(world)?;
        let bed = Testbed::new()?;
        let flowd = Flowd::builder(&bed, directory).binary(flowd).prepare()?;
        let world = LiveWorld::build((&bed, &flowd), (&written, &raw), cases)?;
        flowd.write_policy("world", &raw.objects())?;
        Ok(Self {
            servers: Servers::default(),
            world,
            flowd,
            written,
            running: false,
            attempts: 0,
            _bed: bed,
        })
    }

    /// Puts these policies in the place of the last ones and tries the cases under them.
    ///
    /// # Errors
    ///
    /// When the policies are wrong, do not come into force, or an attempt cannot be made.
    pub fn try_all(
        &mut self,
        name: &str,
        policies: &str,
        cases: &[Case],
    ) -> Result<Vec<LiveAnswer>> {
        let contents = read(name, policies)
            .map_err(|errors| anyhow!("{name} has {} mistakes", errors.len()))?;
        let set = PolicySet::assemble(&[contents, self.written.services.clone()]);
        self.enforce(policies)?;
        let mut answers = Vec::new();
        for batch in cases.chunks(SIDE_BY_SIDE) {
            answers.extend(self.try_some(&set, batch)?);
        }
        Ok(answers)
    }

    fn enforce(&mut self, policies: &str) -> Result<()> {
        if !self.running {
            self.flowd.write_policy("cases", policies)?;
            self.flowd.launch()?;
            self.running = true;
            return Ok(());
        }
        let before = self.generation()?;
        self.flowd.write_policy("cases", policies)?;
        let until = Instant::now() + ENFORCED;
        while self.generation()? <= before {
            if Instant::now() >= until {
                bail!("the policies are not in force after {ENFORCED:?}");
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// The newest generation any endpoint enforces; 0 while one lags behind.
    fn generation(&self) -> Result<u32> {
        let mut command = self.flowd.flowctl()?;
        let output = command.args(["status", "-o", "json"]).output()?;
        let status: StatusResponse = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        let mut newest = 0;
        for endpoint in &status.endpoints {
            if endpoint.desired_generation != endpoint.enforced_generation {
                return Ok(0);
            }
            newest = newest.max(endpoint.enforced_generation);
        }
        Ok(newest)
    }

    /// Tries some cases side by side.
    fn try_some(&mut self, set: &PolicySet, cases: &[Case]) -> Result<Vec<LiveAnswer>> {
        let since = jiff::Timestamp::now();
        let mut attempts = Vec::new();
        let mut answers = Vec::new();
        for case in cases {
            let offline = self
                .written
                .ask(set, case)
                .map_err(|unknown| anyhow!("{unknown}"))?;
            let (live, skipped) = match self.world.ends(case) {
                Ok(ends) => {
                    self.servers.listen(case, &ends[1])?;
                    let source = FIRST_SOURCE + u16::try_from(self.attempts)?;
                    self.attempts += 1;
                    attempts.push(Attempt {
                        answer: answers.len(),
                        case,
                        ends,
                        source,
                    });
                    (None, None)
                }
                Err(why) => (None, Some(why)),
            };
            answers.push(LiveAnswer {
                offline,
                live,
                skipped,
            });
        }
        let passed = all_at_once(&attempts, &answers)?;
        for (attempt, passed) in attempts.iter().zip(passed) {
            let answer = &mut answers[attempt.answer];
            answer.live = Some(self.compare(attempt, &answer.offline, passed, since)?);
        }
        Ok(answers)
    }

    fn compare(
        &self,
        attempt: &Attempt<'_>,
        offline: &CaseAnswer,
        passed: bool,
        since: jiff::Timestamp,
    ) -> Result<Live> {
        let mut differences = Vec::new();
        if passed != offline.allowed {
            differences.push(format!("on the wire it passes: {passed}"));
        }
        let seen = attempt.seen_by(offline);
        for (direction, end) in &seen {
            let side = direction.as_str_name().to_ascii_lowercase();
            match self.flow_of(attempt, since, *direction)? {
                None => differences.push(format!("{side}: no flow")),
                Some(flow) => {
                    if let Some(what) = told::difference(&flow, end) {
                        differences.push(format!("{side}: the flow {what}"));
                    }
                }
            }
        }
        Ok(Live {
            allowed: passed,
            ends: seen.len(),
            agree: differences.is_empty(),
            differences,
        })
    }

    /// The first flow of the attempt; `None` when there is none for long.
    fn flow_of(
        &self,
        attempt: &Attempt<'_>,
        since: jiff::Timestamp,
        direction: TrafficDirection,
    ) -> Result<Option<Flow>> {
        let [from, to] = &attempt.ends;
        let until = Instant::now() + ANSWER;
        loop {
            let mut command = self.flowd.flowctl()?;
            command.args(["observe", "-o", "jsonpb", "--since", &since.to_string()]);
            command.args(["--from-ip", &from.address.to_string()]);
            command.args(["--to-ip", &to.address.to_string()]);
            let output = command.output()?;
            if !output.status.success() {
                bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
            }
            for line in String::from_utf8_lossy(&output.stdout).lines() {
                let answer: GetFlowsResponse = serde_json::from_str(line)?;
                if let Some(ResponseTypes::Flow(flow)) = answer.response_types
                    && told::is_about(
                        &flow,
                        attempt.case,
                        &attempt.ends,
                        attempt.source,
                        direction,
                    )
                {
                    return Ok(Some(flow));
                }
            }
            if Instant::now() >= until {
                return Ok(None);
            }
            thread::sleep(LOOK);
        }
    }
}

/// A case that is tried.
struct Attempt<'a> {
    answer: usize,
    case: &'a Case,
    ends: [End; 2],
    source: u16,
}

impl Attempt<'_> {
    /// The ends that see the packet: workloads, the receiver only when the sender's policies let it out.
    fn seen_by<'a>(&self, offline: &'a CaseAnswer) -> Vec<(TrafficDirection, &'a EndAnswer)> {
        let CaseAnswer {
            egress, ingress, ..
        } = offline;
        let [from, to] = &self.ends;
        let mut seen = Vec::new();
        if from.is_workload {
            seen.push((TrafficDirection::Egress, egress));
        }
        if to.is_workload && egress.verdict != Verdict::Denied {
            seen.push((TrafficDirection::Ingress, ingress));
        }
        seen
    }
}

/// Makes the attempts; which of them passed.
fn all_at_once(attempts: &[Attempt<'_>], answers: &[LiveAnswer]) -> Result<Vec<bool>> {
    thread::scope(|scope| {
        let running: Vec<_> = attempts
            .iter()
            .map(|one| {
                let allowed = answers[one.answer].offline.allowed;
                let patience = if allowed { ANSWER } else { SILENCE };
                scope.spawn(move || wire::attempt(one.case, &one.ends, one.source, patience))
            })
            .collect();
        running
            .into_iter()
            .map(|one| {
                one.join()
                    .map_err(|_| anyhow!("an attempt panicked"))?
                    .map_err(Into::into)
            })
            .collect()
    })
}

/// Echo servers at the receivers, kept for all cases.
#[derive(Debug, Default)]
struct Servers {
    tcp: BTreeMap<(String, u16), TcpEcho>,
    udp: BTreeMap<(String, u16), UdpEcho>,
}

impl Servers {
    fn listen(&mut self, case: &Case, to: &End) -> Result<()> {
        let any: IpAddr = Ipv6Addr::UNSPECIFIED.into();
        let key = (to.namespace.name().to_owned(), case.port);
        if case.protocol == TCP && !self.tcp.contains_key(&key) {
            let server = TcpEcho::start(&to.namespace, any, case.port)?;
            self.tcp.insert(key, server);
        } else if case.protocol == UDP && !self.udp.contains_key(&key) {
            let server = UdpEcho::start(&to.namespace, any, case.port)?;
            self.udp.insert(key, server);
        }
        Ok(())
    }
}
