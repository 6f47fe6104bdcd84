//! Ten followers of a running daemon, one of which does not read: the others lose nothing, and it is
//! told exactly what it lost.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use flowd_proto::{
    flow::LostEventSource,
    observer::{
        GetFlowsRequest, get_flows_response::ResponseTypes, observer_client::ObserverClient,
    },
};
use flowd_testbed::traffic::UdpEcho;
use support::{Api, Pacer, Scene, eventually, flood, policy, when};

const FOLLOWERS: usize = 10;
/// Flows the daemon keeps; the smallest it takes.
const CAPACITY: u64 = 1_024;
/// Far more than it keeps and a stream's buffers hold.
const FLOWS: u64 = 4_000;
/// Flows between two looks at whether everybody has come along.
const STEP: u64 = 500;

/// Flows and losses a follower has been told.
#[derive(Debug, Default)]
struct Told {
    flows: AtomicU64,
    lost: AtomicU64,
}

impl Told {
    fn all(&self) -> u64 {
        self.flows.load(Ordering::Relaxed) + self.lost.load(Ordering::Relaxed)
    }
}

/// Follows in a thread of its own; reads only while `reads`.
fn follow(api: Api, told: Arc<Told>, reads: Arc<AtomicBool>, ready: &std::sync::Barrier) {
    let mut client = ObserverClient::new(api.channel.clone());
    api.runtime.block_on(async {
        let request = GetFlowsRequest {
            follow: true,
            ..GetFlowsRequest::default()
        };
        let stream = client.get_flows(request).await.expect("a stream");
        let mut stream = stream.into_inner();
        ready.wait();
        loop {
            while !reads.load(Ordering::Relaxed) {
                thread::sleep(std::time::Duration::from_millis(5));
            }
            let Ok(Some(answer)) = stream.message().await else {
                return;
            };
            match answer.response_types {
                Some(ResponseTypes::LostEvents(lost)) => {
                    assert_eq!(lost.source(), LostEventSource::HubbleRingBuffer);
                    told.lost.fetch_add(lost.num_events_lost, Ordering::Relaxed);
                }
                Some(ResponseTypes::Flow(_)) => {
                    told.flows.fetch_add(1, Ordering::Relaxed);
                }
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn one_of_ten_followers_stops_and_the_others_lose_nothing() {
    // The echoes that the flood does not read are the kernel's to drop, and would be flows as well.
    let quiet = "kernel_drops: {watch: false}";
    let mut scene = Scene::configured(&format!("flow_log_capacity: {CAPACITY}\n{quiet}\n"));
    let [frontend, backend] = ["frontend", "backend"].map(|name| scene.pod(name));
    // What is denied is dropped in silence: no refusal comes back to the flood.
    let rule = "ingress: [{toPorts: [{ports: [{port: \"7\", protocol: UDP}]}]}]";
    let yaml = policy("quiet", "backend", rule);
    scene.flowd.write_policy("quiet", &yaml).expect("written");
    scene.launch();
    let echo = UdpEcho::start(&backend.namespace, backend.ipv4, 7).expect("it echoes");
    let api = scene.api();
    let seen = || {
        let status = api.status().expect("a status");
        status.ledger.expect("a ledger").log_next_seq
    };
    let before = seen();
    let told: Vec<Arc<Told>> = (0..FOLLOWERS).map(|_| Arc::default()).collect();
    let reads = Arc::new(AtomicBool::new(true));
    let stopped = Arc::new(AtomicBool::new(false));
    let ready = Arc::new(std::sync::Barrier::new(FOLLOWERS + 1));
    let followers: Vec<_> = (0..FOLLOWERS)
        .map(|number| {
            let (api, told, ready) = (scene.api(), told[number].clone(), ready.clone());
            let reads = if number == 0 { &stopped } else { &reads }.clone();
            thread::spawn(move || follow(api, told, reads, &ready))
        })
        .collect();
    ready.wait();

    let mut pacer = Pacer::new(&frontend, backend.ipv4, echo.address().port());
    let mut sent = 0;
    while sent < FLOWS {
        sent += flood(
            &frontend,
            backend.ipv4,
            20_000..20_000 + 250,
            STEP / 2,
            &mut pacer,
        );
        eventually("the nine come along", || {
            let all = seen() - before;
            let behind = told[1..].iter().any(|told| told.all() < all);
            // Each datagram is a flow at either end.
            when(!behind && all >= 2 * sent, (all, &told)).map(drop)
        });
    }
    for told in &told[1..] {
        assert_eq!(told.lost.load(Ordering::Relaxed), 0, "{told:?}");
    }
    stopped.store(true, Ordering::Relaxed);
    let (flows, lost) = eventually("the stopped one is told the rest", || {
        let all = seen() - before;
        let flows = told[0].flows.load(Ordering::Relaxed);
        let lost = told[0].lost.load(Ordering::Relaxed);
        when(flows + lost == all, (all, flows, lost)).map(|_| (flows, lost))
    });
    assert!(lost > 0, "{flows} flows fitted into the buffers");
    let readers = api.status().expect("a status").ledger.expect("a ledger");
    let counted = readers.losses.iter().find(|one| one.source == "readers");
    assert_eq!(counted.expect("a counter").count, lost);
    scene.flowd.terminate().expect("it ends");
    for follower in followers {
        follower.join().expect("no follower failed");
    }
}
