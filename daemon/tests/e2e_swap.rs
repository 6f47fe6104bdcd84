//! Policies change under traffic: a packet meets the old one or the new one, whole; live
//! connections are cut or let go on at their next packet; attaching breaks none that are allowed.

mod support;

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use flowd_proto::flow::Flow;
use flowd_proto::flowd::v1::EventKind;
use flowd_testbed::{
    Pod,
    traffic::{Conversation, TcpEcho},
};
use support::{
    ALWAYS, Load, NEVER, PATIENCE, SILENCE, Scene, eventually, flow_of, policy, told_packets, when,
};

const SWAPS: u32 = 200;

fn any() -> IpAddr {
    "::".parse().expect("an address")
}

/// The `n`th of the policies that follow one another: no two compile to the same entries.
fn variant(n: u32) -> String {
    let ports = format!(
        "[{{port: \"{ALWAYS}\", protocol: UDP}}, {{port: \"{}\", protocol: UDP}}]",
        8000 + n
    );
    let peers = [
        "fromEndpoints: [{matchLabels: {app: frontend}}]",
        "fromEntities: [all]",
    ];
    let peer = peers[n as usize % peers.len()];
    policy(
        "moving",
        "backend",
        &format!("ingress: [{{{peer}, toPorts: [{{ports: {ports}}}]}}]"),
    )
}

#[test]
fn two_hundred_swaps_under_load_let_nothing_through_and_drop_nothing() {
    let mut scene = Scene::new();
    let [frontend, backend] = ["frontend", "backend"].map(|name| scene.pod(name));
    scene
        .flowd
        .write_policy("moving", &variant(0))
        .expect("written");
    scene.launch();
    let load = Load::start(&frontend, &backend);
    for n in 1..=SWAPS {
        scene.enforce("moving", &variant(n));
    }
    let denied = load.finish();

    let never = flow_of("udp").to(&backend).port(NEVER).ingress();
    assert_eq!(scene.flows(&never.clone().forwarded()).len(), 0);
    eventually("every drop is told", || {
        let told = told_packets(&scene.flows(&never.clone().dropped()));
        when(told == denied, (told, denied))
    });
    let always = flow_of("udp").to(&backend).port(ALWAYS).ingress();
    assert_eq!(scene.flows(&always.dropped()).len(), 0);
}

fn ports(list: &[u16]) -> String {
    let list: Vec<String> = list
        .iter()
        .map(|port| format!("{{port: \"{port}\", protocol: TCP}}"))
        .collect();
    let rules = format!("ingress: [{{toPorts: [{{ports: [{}]}}]}}]", list.join(", "));
    policy("web", "backend", &rules)
}

fn generation(flow: &Flow) -> u32 {
    flow.extension()
        .map_or(0, |extension| extension.policy_generation)
}

#[test]
fn a_change_reaches_a_live_connection_at_its_next_packet_and_no_other() {
    let mut scene = Scene::new();
    let [frontend, backend] = ["frontend", "backend"].map(|name| scene.pod(name));
    scene
        .flowd
        .write_policy("web", &ports(&[8080, 8081]))
        .expect("written");
    scene.launch();
    let _servers =
        [8080, 8081].map(|port| TcpEcho::start(&backend.namespace, any(), port).expect("listens"));
    for address in backend.addresses() {
        let open = |port| {
            Conversation::open(&frontend.namespace, address, port, PATIENCE).expect("connects")
        };
        let (mut subject, mut bystander) = (open(8080), open(8081));
        let mut say = |words: &[u8]| bystander.say(words, PATIENCE).expect("it goes on");
        assert!(subject.say(b"allowed", PATIENCE).expect("it goes on") && say(b"allowed"));
        let port = subject.local_address().expect("an address").port();
        let it = flow_of("tcp")
            .to(&backend)
            .source_port(port)
            .port(8080)
            .ingress();
        let opened = scene.flow(&it.clone().forwarded().event_type(5));

        scene.enforce("web", &ports(&[8081]));
        assert!(
            !subject.say(b"cut", SILENCE).expect("no reset"),
            "{address}"
        );
        assert!(say(b"still allowed"));
        let cut = scene.flow(&it.clone().dropped());
        assert!(generation(&cut) > generation(&opened));
        assert_eq!(cut.ingress_denied_by[0].name, "web");

        scene.enforce("web", &ports(&[8080, 8081]));
        // TCP sends again what met the drop, so all that was said comes back.
        assert!(
            subject.say(b"allowed again", PATIENCE).expect("it goes on"),
            "{address}"
        );
        assert!(say(b"allowed as ever"));
        let again = eventually("the verdict's change is told", || {
            let flows = scene.flows(&it.clone().forwarded());
            let of_kind = |flow: &Flow| {
                flow.extension()
                    .is_some_and(|one| one.event() == EventKind::Verdict)
            };
            let found = flows.iter().rfind(|flow| of_kind(flow)).cloned();
            found.ok_or_else(|| format!("{} other flows", flows.len()))
        });
        assert!(generation(&again) > generation(&cut));
        assert_eq!(again.ingress_allowed_by[0].name, "web");
        let other = flow_of("tcp").to(&backend).port(8081).ingress().dropped();
        assert_eq!(scene.flows(&other).len(), 0);
    }
}

#[test]
fn attaching_breaks_no_open_connection_that_is_allowed_and_cuts_those_that_are_not() {
    let mut scene = Scene::new();
    let [client, workload, server] =
        ["client", "workload", "server"].map(|name| scene.unguarded(name));
    scene
        .flowd
        .write_endpoint(&client)
        .expect("an endpoint file");
    scene
        .flowd
        .write_endpoint(&server)
        .expect("an endpoint file");
    let rules = "ingress: [{toPorts: [{ports: [{port: \"8080\", protocol: TCP}]}]}]\n  \
                 egress: [{toPorts: [{ports: [{port: \"5432\", protocol: TCP}]}]}]";
    let yaml = policy("both-ways", "workload", rules);
    scene
        .flowd
        .write_policy("both-ways", &yaml)
        .expect("written");
    scene.launch();
    let _servers = [
        (&workload, 8080),
        (&workload, 9090),
        (&server, 5432),
        (&server, 6379),
    ]
    .map(|(pod, port)| TcpEcho::start(&pod.namespace, any(), port).expect("listens"));
    let open = |from: &Pod, to: &Pod, port| -> Vec<Conversation> {
        let one = |address| Conversation::open(&from.namespace, address, port, PATIENCE);
        let many = to.addresses().into_iter().flat_map(|address| [address; 5]);
        many.map(|address| one(address).expect("connects"))
            .collect()
    };
    let mut allowed = open(&client, &workload, 8080);
    allowed.extend(open(&workload, &server, 5432));
    let mut denied = open(&client, &workload, 9090);
    denied.extend(open(&workload, &server, 6379));
    for conversation in allowed.iter_mut().chain(&mut denied) {
        assert!(conversation.say(b"before", PATIENCE).expect("it goes on"));
    }

    let stop = Arc::new(AtomicBool::new(false));
    let talking = {
        let stop = Arc::clone(&stop);
        // They talk while the programs come, not only before and after.
        thread::spawn(move || {
            let mut rounds = 0_u32;
            while !stop.load(Ordering::Relaxed) || rounds < 20 {
                for conversation in &mut allowed {
                    assert!(conversation.say(b"during", PATIENCE).expect("it goes on"));
                }
                rounds += 1;
            }
        })
    };
    let api = scene.api();
    scene.change(&api, |_| {
        let at = format!("{{netns: {}}}", workload.namespace.path().display());
        let interface = format!("{{interface: {}}}", workload.interface);
        scene.edit_endpoint(&workload, |text| text.replace(&interface, &at));
        Ok(())
    });
    for conversation in &mut denied {
        assert!(!conversation.say(b"after", SILENCE).expect("no reset"));
    }
    stop.store(true, Ordering::Relaxed);
    talking.join().expect("no conversation was broken");

    for wanted in [
        flow_of("tcp").to(&workload).port(8080).ingress(),
        flow_of("tcp").from(&workload).port(5432).egress(),
    ] {
        assert_eq!(scene.flows(&wanted.dropped()).len(), 0);
    }
    for (wanted, count) in [
        (flow_of("tcp").to(&workload).port(9090).ingress(), 10),
        (flow_of("tcp").from(&workload).port(6379).egress(), 10),
    ] {
        eventually("every denied connection is told", || {
            let flows = scene.flows(&wanted.clone().dropped());
            let told = support::distinct_ports(&flows).len();
            when(told == count, told)
        });
    }
}

/// An open connection: the end that was asked, and the end that asked.
fn connected(server: &Pod, client: &Pod, address: IpAddr, port: u16) -> [TcpStream; 2] {
    let listener = server.namespace.run(|| TcpListener::bind((address, port)));
    let listener = listener.expect("entered").expect("listens");
    let asked = client.namespace.run(|| TcpStream::connect((address, port)));
    let asked = asked.expect("entered").expect("connects");
    let (taken, _) = listener.accept().expect("accepted");
    // Who listened is what tells the directions apart, so it must still be known.
    std::mem::forget(listener);
    for stream in [&taken, &asked] {
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
    }
    [taken, asked]
}

#[test]
fn who_opened_a_connection_is_known_also_when_the_other_side_speaks_first() {
    let mut scene = Scene::new();
    let [client, workload, server] =
        ["client", "workload", "server"].map(|name| scene.unguarded(name));
    let rules = "ingress: [{toPorts: [{ports: [{port: \"8080\", protocol: TCP}]}]}]\n  \
                 egress: [{toPorts: [{ports: [{port: \"5432\", protocol: TCP}]}]}]";
    let yaml = policy("both-ways", "workload", rules);
    scene
        .flowd
        .write_policy("both-ways", &yaml)
        .expect("written");
    let bystander = scene.pod("bystander");
    scene.launch();
    let mut speakers = Vec::new();
    for family in [0, 1] {
        let served = workload.addresses()[family];
        speakers.push(connected(&workload, &client, served, 8080));
        let asked = server.addresses()[family];
        speakers.push(connected(&server, &workload, asked, 5432));
    }
    let api = scene.api();
    scene.change(&api, |_| {
        let at = format!("{{netns: {}}}", workload.namespace.path().display());
        let interface = format!("{{interface: {}}}", workload.interface);
        scene.edit_endpoint(&workload, |text| text.replace(&interface, &at));
        Ok(())
    });
    for [taken, asked] in &mut speakers {
        let mut heard = [0; 5];
        taken.write_all(b"first").expect("said");
        asked.read_exact(&mut heard).expect("heard");
        asked.write_all(b"reply").expect("said");
        taken.read_exact(&mut heard).expect("heard");
        assert_eq!(&heard, b"reply");
    }
    let dropped = flow_of("tcp").dropped();
    assert_eq!(scene.flows(&dropped), []);
    drop(bystander);
}
