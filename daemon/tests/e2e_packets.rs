//! The packets that are no plain request: forged sources, fragments, ICMP errors, neighbour
//! discovery; and the modes in which a denial is only told, or nothing is judged at all.

mod support;

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr, UdpSocket},
};

use etherparse::PacketBuilder;
use flowd_proto::flow::{DropReason, TrafficDirection};
use flowd_testbed::{
    Pod,
    traffic::{TcpEcho, UdpEcho, ping, send_frames, tcp_connect, udp_exchange},
};
use support::{PATIENCE, SILENCE, Scene, eventually, flow_of, policy, run_inside, when};

const INGRESS: i32 = TrafficDirection::Ingress as i32;
const NOBODY: &str = "ingress: [{}]\n  egress: [{}]";

fn any() -> IpAddr {
    "::".parse().expect("an address")
}

fn socket(pod: &Pod, address: &str) -> UdpSocket {
    let bound = pod.namespace.run(|| UdpSocket::bind((address, 0)));
    bound.expect("the namespace is there").expect("bound")
}

#[test]
fn a_source_address_of_somebody_else_is_dropped_unless_the_endpoint_says_otherwise() {
    let mut scene = Scene::new();
    let [frontend, backend] = ["frontend", "backend"].map(|name| scene.pod(name));
    for second in ["10.77.9.9/32", "fd77:9::9/128"] {
        run_inside(
            &frontend.namespace,
            &format!("ip addr add {second} dev eth0 nodad"),
        );
    }
    scene.launch();
    let server = UdpEcho::start(&backend.namespace, any(), 5353).expect("listens");
    let forged = ["10.77.9.9", "fd77:9::9"].map(|address| socket(&frontend, address));
    let send = || {
        for (socket, to) in forged.iter().zip(backend.addresses()) {
            socket.send_to(b"forged", (to, 5353)).expect("sent");
        }
    };
    send();
    for (socket, to) in forged.iter().zip(backend.addresses()) {
        let from = socket.local_addr().expect("an address").ip();
        let flow = scene.flow(&flow_of("udp").source_ip(from).destination_ip(to).dropped());
        assert_eq!(flow.drop_reason_desc(), DropReason::InvalidSourceIp);
        assert_eq!(flow.drop_reason, 132);
        assert_eq!(flow.traffic_direction(), TrafficDirection::Egress);
        let extension = flow.extension().expect("flowd's own words");
        assert_eq!(extension.reason, "source_address");
        assert_eq!(extension.packets_told, 1);
    }
    assert_eq!(server.received(), 0);

    let api = scene.api();
    scene.change(&api, |_| {
        scene.edit_endpoint(&frontend, |text| text + "  checkSource: false\n");
        Ok(())
    });
    send();
    eventually("both datagrams arrive", || {
        when(server.received() == 2, server.received())
    });
}

#[test]
fn audit_tells_what_it_would_have_dropped_and_off_tells_nothing() {
    let mut scene = Scene::new();
    let [stranger, backend] = ["stranger", "backend"].map(|name| scene.pod(name));
    scene.edit_endpoint(&backend, |text| text.replace("enforce", "audit"));
    let yaml = policy("nobody", "backend", "ingress: [{}]");
    scene.flowd.write_policy("nobody", &yaml).expect("written");
    scene.launch();
    let server = TcpEcho::start(&backend.namespace, any(), 8080).expect("listens");
    let connect = |address| {
        let outcome = tcp_connect(&stranger.namespace, address, 8080, PATIENCE);
        assert!(outcome.expect("the attempt is made").is_connected());
    };
    let judged = flow_of("tcp").to(&backend).port(8080).ingress();
    for address in backend.addresses() {
        connect(address);
        let flow = scene.flow(&judged.clone().family(address).audited());
        assert_eq!(flow.ingress_denied_by[0].name, "nobody");
        assert_eq!(flow.event_type.map(|kind| kind.r#type), Some(5));
        assert_eq!(flow.summary, "TCP Flags: SYN");
        let extension = flow.extension().expect("flowd's own words");
        assert_eq!(extension.reason, "default_denied");
        assert_eq!(extension.default_denied_by[0].name, "nobody");
    }
    assert_eq!(scene.flows(&judged.clone().dropped()).len(), 0);

    let api = scene.api();
    scene.change(&api, |_| {
        scene.edit_endpoint(&backend, |text| text.replace("enforce", "off"));
        Ok(())
    });
    let mode = api.endpoint("backend").map(|endpoint| endpoint.mode);
    assert_eq!(mode.as_deref(), Some("off"));
    let own_view = flow_of("tcp")
        .from(&stranger)
        .port(8080)
        .egress()
        .reply(false)
        .event_type(4);
    let opened = |wanted: &support::Wanted| support::distinct_ports(&scene.flows(wanted));
    let (before, seen) = (opened(&judged.clone().audited()), opened(&own_view).len());
    backend.addresses().into_iter().for_each(connect);
    eventually("the stranger's own view of both", || {
        let now = opened(&own_view).len();
        when(now == seen + 2, now)
    });
    assert_eq!(opened(&judged.audited()), before, "nothing was judged");
    assert_eq!(server.accepted(), 4);

    // Back in force: the same connection attempt is not answered any more.
    scene.change(&api, |_| {
        scene.edit_endpoint(&backend, |text| text);
        Ok(())
    });
    for address in backend.addresses() {
        let outcome = tcp_connect(&stranger.namespace, address, 8080, SILENCE);
        assert!(!outcome.expect("the attempt is made").is_connected());
    }
}

#[test]
fn fragments_follow_their_head_and_one_without_a_head_is_dropped() {
    let mut scene = Scene::new();
    let [frontend, backend] = ["frontend", "backend"].map(|name| scene.pod(name));
    let rules = "ingress: [{toPorts: [{ports: [{port: \"8080\", protocol: UDP}]}]}]";
    let yaml = policy("big", "backend", rules);
    scene.flowd.write_policy("big", &yaml).expect("written");
    scene.launch();
    let open = UdpEcho::start(&backend.namespace, any(), 8080).expect("listens");
    let shut = UdpEcho::start(&backend.namespace, any(), 8081).expect("listens");
    let payload: Vec<u8> = (0..9000_u32).map(|n| n as u8).collect();
    for address in backend.addresses() {
        let exchange = |port, patience| {
            udp_exchange(&frontend.namespace, address, port, &payload, patience)
                .expect("the attempt is made")
        };
        assert!(exchange(8080, PATIENCE), "{address}");
        assert!(!exchange(8081, SILENCE), "{address}");
        let denied = flow_of("udp").to(&backend).port(8081).family(address);
        let flow = scene.flow(&denied.dropped());
        assert_eq!(flow.drop_reason_desc(), DropReason::PolicyDenied);
    }
    assert_eq!((open.received(), shut.received()), (2, 0));
    assert_eq!(
        scene.api().ledger("fragment_without_head", INGRESS).packets,
        0
    );

    send_frames(&frontend.namespace, "eth0", [headless(&frontend, &backend)]).expect("sent");
    eventually("the fragment without a head is counted", || {
        let row = scene.api().ledger("fragment_without_head", INGRESS);
        when(row.packets == 1, row)
    });
    let lost = scene.flow(
        &support::Wanted::default()
            .from(&frontend)
            .to(&backend)
            .dropped()
            .ingress(),
    );
    assert_eq!(lost.drop_reason, 175);
}

/// A later fragment of a datagram nobody began.
fn headless(from: &Pod, to: &Pod) -> Vec<u8> {
    let mut header = etherparse::Ipv4Header::new(
        64,
        64,
        etherparse::IpNumber::UDP,
        from.ipv4.octets(),
        to.ipv4.octets(),
    )
    .expect("a header");
    header.identification = 0x77;
    header.dont_fragment = false;
    header.fragment_offset = 185.try_into().expect("an offset");
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(from.mac, from.gateway_mac)
        .ip(etherparse::IpHeaders::Ipv4(header, Default::default()))
        .write(&mut frame, etherparse::IpNumber::UDP, &[0x66; 64])
        .expect("built");
    frame
}

#[test]
fn an_icmp_error_about_an_allowed_datagram_reaches_its_sender() {
    let mut scene = Scene::new();
    let [frontend, backend] = ["frontend", "backend"].map(|name| scene.pod(name));
    // Nobody may open anything towards the frontend, ICMP included.
    let out = "egress: [{toEndpoints: [{matchLabels: {app: backend}}], \
               toPorts: [{ports: [{port: \"8080\", protocol: UDP}]}]}]\n  ingress: [{}]";
    let into = "ingress: [{fromEndpoints: [{matchLabels: {app: frontend}}]}]\n  egress: [{}]";
    let flowd = &scene.flowd;
    flowd
        .write_policy("out", &policy("out", "frontend", out))
        .expect("written");
    flowd
        .write_policy("in", &policy("in", "backend", into))
        .expect("written");
    scene.launch();
    for (own, address) in ["0.0.0.0", "::"].into_iter().zip(backend.addresses()) {
        let socket = socket(&frontend, own);
        socket.set_read_timeout(Some(PATIENCE)).expect("set");
        socket
            .connect(SocketAddr::new(address, 8080))
            .expect("connected");
        socket.send(b"anybody there?").expect("sent");
        let answer = socket.recv(&mut [0; 64]).expect_err("nobody listens");
        assert_eq!(answer.kind(), ErrorKind::ConnectionRefused, "{address}");
        assert_eq!(
            ping(&backend.namespace, frontend.addresses()[0], 1).expect("ping runs"),
            0
        );
    }
    let related = scene.api();
    eventually("both errors are counted as related, at both ends", || {
        let rows = [1, 2].map(|direction| related.ledger("related", direction).packets);
        when(rows == [2, 2], rows)
    });
}

#[test]
fn arp_and_neighbour_discovery_are_never_cut() {
    let mut scene = Scene::new();
    let pod = scene.pod("hermit");
    let yaml = policy("nobody", "hermit", NOBODY);
    scene.flowd.write_policy("nobody", &yaml).expect("written");
    scene.launch();
    let gateways: [IpAddr; 2] = [
        flowd_testbed::GATEWAY_V4.into(),
        flowd_testbed::GATEWAY_V6.into(),
    ];
    let node = scene.bed.node().clone();
    run_inside(&pod.namespace, "ip neigh flush dev eth0");
    run_inside(&node, &format!("ip neigh flush dev {}", pod.interface));
    for (gateway, own) in gateways.into_iter().zip(pod.addresses()) {
        assert_eq!(ping(&pod.namespace, gateway, 1).expect("ping runs"), 0);
        assert_eq!(ping(&node, own, 1).expect("ping runs"), 0);
        for (space, device, address) in [
            (&pod.namespace, "eth0", gateway),
            (&node, pod.interface.as_str(), own),
        ] {
            eventually("the neighbour is known", || {
                let known = run_inside(space, &format!("ip neigh show {address} dev {device}"));
                when(known.contains("lladdr"), known)
            });
        }
    }
    // A question and an answer of either family; what they taught may spare the rest.
    eventually("they are counted, both ways", || {
        let rows = [1, 2].map(|direction| scene.api().ledger("neighbour", direction).packets);
        when(rows.iter().all(|packets| *packets >= 2), rows)
    });
}
