//! The cases of every example policy with real packets: what the wire does and what the flows of both
//! ends tell is what `flowctl policy test` answers without a daemon.

mod live;
mod support;

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv6Addr},
    path::PathBuf,
    thread,
    time::{Duration, Instant, SystemTime},
};

use flowd_abi::protocol::{TCP, UDP};
use flowd_policy::{
    PolicySet,
    cases::{Case, CaseAnswer, Verdict, WrittenWorld},
    read,
};
use flowd_proto::{
    flow::{Flow, FlowFilter, TrafficDirection},
    observer::GetFlowsRequest,
};
use flowd_testbed::traffic::{TcpEcho, UdpEcho};
use live::{
    told, wire,
    world::{End, LiveWorld, Raw},
};
use support::{Api, SILENCE, Scene};

/// How long an answer that must come may take, and a flow that must be told.
const ANSWER: Duration = Duration::from_secs(5);
/// Between two looks at the flows.
const LOOK: Duration = Duration::from_millis(10);
/// The first source port; each attempt has its own.
const FIRST_SOURCE: u16 = 40_000;

/// One example with its cases.
struct Example {
    name: String,
    text: String,
    cases: Vec<Case>,
}

/// A case that is tried.
struct Attempt<'a> {
    case: &'a Case,
    offline: CaseAnswer,
    ends: [End; 2],
    source: u16,
}

/// What came of all of them.
#[derive(Default)]
struct Outcome {
    tried: usize,
    ends: usize,
    /// Receivers the packet did not get to, since the sender's policies kept it.
    behind: usize,
    differences: Vec<String>,
    skipped: Vec<String>,
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples/policies")
}

fn text(name: &str) -> String {
    fs::read_to_string(directory().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn examples() -> Vec<Example> {
    let entries = fs::read_dir(directory()).expect("the examples are there");
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    names.sort();
    let example = |name: String| Example {
        text: text(&name),
        cases: Case::read(&name, &text(&format!("cases/{name}"))).expect("cases"),
        name,
    };
    names.into_iter().map(example).collect()
}

#[test]
fn every_example_does_on_the_wire_what_its_cases_say_offline() {
    let world_text = text("cases/world.yaml");
    let written = WrittenWorld::read("world.yaml", &world_text).expect("a world");
    let raw = Raw::read(&world_text);
    let examples = examples();
    let cases: Vec<Case> = examples.iter().flat_map(|one| one.cases.clone()).collect();

    let mut scene = Scene::new();
    let world = LiveWorld::build(&scene, (&written, &raw), &cases);
    let objects = scene.flowd.write_policy("world", &raw.objects());
    objects.expect("written");
    scene.launch();
    let api = scene.api();
    let mut servers = Servers::default();
    let mut outcome = Outcome::default();
    let mut source = FIRST_SOURCE;
    for example in &examples {
        let contents = read(&example.name, &example.text).expect("a valid example");
        let set = PolicySet::assemble(&[contents, written.services.clone()]);
        scene.change(&api, |flowd| flowd.write_policy("example", &example.text));
        let mut attempts = Vec::new();
        for case in &example.cases {
            match world.ends(case) {
                Ok(ends) => {
                    servers.listen(case, &ends[1]);
                    source += 1;
                    let offline = written.ask(&set, case).expect("an answer");
                    attempts.push(Attempt {
                        case,
                        offline,
                        ends,
                        source,
                    });
                }
                Err(why) => outcome
                    .skipped
                    .push(format!("{}/{}: {why}", example.name, case.id)),
            }
        }
        try_all(&api, example, &attempts, &mut outcome);
    }
    let Outcome {
        tried,
        ends,
        behind,
        differences,
        skipped,
    } = outcome;
    println!(
        "{} examples, {} cases: {tried} tried on the wire, {ends} ends compared with their flows \
         ({behind} receivers behind a sender's denial have none), {} differ; {} not expressible \
         here:\n  {}",
        examples.len(),
        cases.len(),
        differences.len(),
        skipped.len(),
        skipped.join("\n  ")
    );
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(tried + skipped.len(), cases.len());
    assert!(skipped.len() * 20 < cases.len(), "too much is left out");
}

/// Tries the cases of one example side by side, and compares what came of them.
fn try_all(api: &Api, example: &Example, attempts: &[Attempt<'_>], outcome: &mut Outcome) {
    let since = SystemTime::now();
    let passed: Vec<bool> = thread::scope(|scope| {
        let attempt = |attempt: &Attempt<'_>| {
            let patience = if attempt.offline.allowed {
                ANSWER
            } else {
                SILENCE
            };
            wire::attempt(attempt.case, &attempt.ends, attempt.source, patience)
        };
        let running: Vec<_> = attempts
            .iter()
            .map(|one| scope.spawn(move || attempt(one)))
            .collect();
        running
            .into_iter()
            .map(|one| one.join().expect("the attempt is made"))
            .collect()
    });
    for (attempt, passed) in attempts.iter().zip(passed) {
        let mut differ = |what: String| {
            let (file, id) = (&example.name, &attempt.case.id);
            outcome.differences.push(format!("{file}/{id}: {what}"));
        };
        outcome.tried += 1;
        if passed != attempt.offline.allowed {
            let offline = &attempt.offline;
            differ(format!(
                "on the wire it passes: {passed}; offline {offline:?}"
            ));
        }
        let seen = seen_by(attempt);
        let workloads = attempt.ends.iter().filter(|end| end.is_workload).count();
        outcome.behind += workloads - seen.len();
        for (direction, answer) in seen {
            outcome.ends += 1;
            match flow_of(api, attempt, since, direction) {
                None => differ(format!("{direction:?}: no flow; offline {answer:?}")),
                Some(flow) => {
                    if let Some(what) = told::difference(&flow, answer) {
                        differ(format!(
                            "{direction:?}: the flow {what}; offline {answer:?}"
                        ));
                    }
                }
            }
        }
    }
}

/// The ends that see the packet: workloads, the receiver only when the sender's policies let it out.
fn seen_by<'a>(
    attempt: &'a Attempt<'_>,
) -> Vec<(TrafficDirection, &'a flowd_policy::cases::EndAnswer)> {
    let CaseAnswer {
        egress, ingress, ..
    } = &attempt.offline;
    let [from, to] = &attempt.ends;
    let mut seen = Vec::new();
    if from.is_workload {
        seen.push((TrafficDirection::Egress, egress));
    }
    if to.is_workload && egress.verdict != Verdict::Denied {
        seen.push((TrafficDirection::Ingress, ingress));
    }
    seen
}

/// The first flow of the attempt; `None` when there is none for long.
fn flow_of(
    api: &Api,
    attempt: &Attempt<'_>,
    since: SystemTime,
    direction: TrafficDirection,
) -> Option<Flow> {
    let [from, to] = &attempt.ends;
    let wanted = FlowFilter {
        source_ip: vec![from.address.to_string()],
        destination_ip: vec![to.address.to_string()],
        ..FlowFilter::default()
    };
    let since = jiff::Timestamp::try_from(since).expect("a time");
    let request = GetFlowsRequest {
        first: true,
        number: u64::MAX,
        since: Some(since.into()),
        whitelist: vec![wanted],
        ..GetFlowsRequest::default()
    };
    let until = Instant::now() + ANSWER;
    loop {
        let flows = api.get_flows(request.clone()).expect("flows are served");
        let found = flows.into_iter().find(|flow| {
            told::is_about(flow, attempt.case, &attempt.ends, attempt.source, direction)
        });
        if found.is_some() || Instant::now() >= until {
            return found;
        }
        thread::sleep(LOOK);
    }
}

/// Echo servers at the receivers, kept for all examples.
#[derive(Debug, Default)]
struct Servers {
    tcp: BTreeMap<(String, u16), TcpEcho>,
    udp: BTreeMap<(String, u16), UdpEcho>,
}

impl Servers {
    fn listen(&mut self, case: &Case, to: &End) {
        let any: IpAddr = Ipv6Addr::UNSPECIFIED.into();
        let key = (to.namespace.name().to_owned(), case.port);
        match case.protocol {
            TCP => {
                self.tcp.entry(key).or_insert_with(|| {
                    TcpEcho::start(&to.namespace, any, case.port).expect("listens")
                });
            }
            UDP => {
                self.udp.entry(key).or_insert_with(|| {
                    UdpEcho::start(&to.namespace, any, case.port).expect("listens")
                });
            }
            _ => {}
        }
    }
}
