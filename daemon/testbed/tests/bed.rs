//! A testbed carries real traffic of every kind between all its hosts, and beds do not disturb each other.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use etherparse::PacketBuilder;
use flowd_testbed::traffic::{
    Conversation, Outcome, TcpEcho, UdpEcho, UdpFlood, http_get, ping, send_frames, tcp_connect,
    tcp_connections, tcp_stream, udp_exchange,
};
use flowd_testbed::{Namespace, Pod, PodSpec, Testbed, World, endpoint_yaml};

const LONG: Duration = Duration::from_secs(5);
const PORT: u16 = 8080;

struct Shop {
    testbed: Testbed,
    pods: Vec<Pod>,
    world: World,
}

impl Shop {
    fn open() -> Self {
        let testbed = Testbed::new().unwrap();
        let pods = ["frontend", "backend", "database"]
            .map(|name| testbed.pod(PodSpec::app("shop", name)).unwrap());
        let world = testbed.world("internet").unwrap();
        Self {
            testbed,
            pods: pods.into(),
            world,
        }
    }

    fn hosts(&self) -> Vec<(&Namespace, [IpAddr; 2])> {
        let pods = self
            .pods
            .iter()
            .map(|pod| (&pod.namespace, pod.addresses()));
        pods.chain([(&self.world.namespace, self.world.addresses())])
            .collect()
    }

    /// Everybody talks to everybody else by every protocol and both families.
    fn talk(&self) {
        let any = Ipv6Addr::UNSPECIFIED;
        let hosts = self.hosts();
        for (server, addresses) in &hosts {
            let _tcp = TcpEcho::start(server, any, PORT).unwrap();
            let _udp = UdpEcho::start(server, any, PORT).unwrap();
            for (client, _) in hosts
                .iter()
                .filter(|(client, _)| client.name() != server.name())
            {
                for address in *addresses {
                    let pair = format!("{} to {address}", client.name());
                    assert_eq!(ping(client, address, 2).unwrap(), 2, "ping {pair}");
                    let outcome = tcp_connect(client, address, PORT, LONG).unwrap();
                    assert_eq!(outcome, Outcome::Connected, "TCP {pair}");
                    let echoed = udp_exchange(client, address, PORT, &[7; 512], LONG).unwrap();
                    assert!(echoed, "UDP {pair}");
                }
            }
        }
    }
}

#[test]
fn everybody_reaches_everybody() {
    Shop::open().talk();
}

#[test]
fn two_beds_use_the_same_addresses_at_once() {
    let (one, two) = (Shop::open(), Shop::open());
    assert_eq!(one.pods[0].addresses(), two.pods[0].addresses());
    std::thread::scope(|scope| {
        scope.spawn(|| one.talk());
        scope.spawn(|| two.talk());
    });
    // A server in one bed is not heard in the other.
    let _server = TcpEcho::start(&one.pods[1].namespace, one.pods[1].ipv4, PORT).unwrap();
    let elsewhere = tcp_connect(&two.pods[0].namespace, two.pods[1].ipv4, PORT, LONG).unwrap();
    assert_eq!(elsewhere, Outcome::Refused);
}

#[test]
fn the_node_itself_reaches_pods() {
    let shop = Shop::open();
    for address in shop.pods[0].addresses() {
        assert_eq!(ping(shop.testbed.node(), address, 1).unwrap(), 1);
    }
}

#[test]
fn http_and_long_conversations() {
    let shop = Shop::open();
    let (client, server) = (&shop.pods[0], &shop.pods[1]);
    let echo = TcpEcho::start(&server.namespace, Ipv6Addr::UNSPECIFIED, PORT).unwrap();
    for (address, own) in server.addresses().into_iter().zip(client.addresses()) {
        let answer = http_get(&client.namespace, address, PORT, "/", LONG)
            .unwrap()
            .unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains(&own.to_string()), "{}", answer.body);
    }
    let mut talk = Conversation::open(&client.namespace, server.ipv4, PORT, LONG).unwrap();
    for _ in 0..3 {
        assert!(talk.say(b"still there?", LONG).unwrap());
    }
    drop(echo);
    assert!(talk.say(b"and now?", LONG).is_err(), "the server is gone");
    let refused = http_get(&client.namespace, server.ipv4, PORT, "/", LONG).unwrap();
    assert_eq!(refused, Err(Outcome::Refused));
}

#[test]
fn a_cut_link_is_a_time_out_and_words_come_after_it_is_mended() {
    let shop = Shop::open();
    let (client, server) = (&shop.pods[0], &shop.pods[1]);
    let _echo = TcpEcho::start(&server.namespace, server.ipv4, PORT).unwrap();
    let mut talk = Conversation::open(&client.namespace, server.ipv4, PORT, LONG).unwrap();
    let route = |verb: &str| {
        let mut ip = shop.testbed.node().command("ip");
        ip.args([
            "route",
            verb,
            "blackhole",
            &format!("{}/32", server.ipv4),
            "metric",
            "0",
        ]);
        ip
    };
    let real = |verb: &str| {
        let mut ip = shop.testbed.node().command("ip");
        ip.args([
            "route",
            verb,
            &format!("{}/32", server.ipv4),
            "dev",
            &server.interface,
        ]);
        ip
    };
    assert!(real("del").status().unwrap().success());
    assert!(route("add").status().unwrap().success());
    let short = Duration::from_millis(200);
    assert!(!talk.say(b"hello?", short).unwrap());
    assert_eq!(
        tcp_connect(&client.namespace, server.ipv4, PORT, short).unwrap(),
        Outcome::TimedOut
    );
    assert_eq!(ping(&client.namespace, server.ipv4, 1).unwrap(), 0);
    assert!(route("del").status().unwrap().success());
    assert!(real("add").status().unwrap().success());
    assert!(talk.say(b"again", LONG).unwrap());
}

#[test]
fn bulk_traffic_is_counted() {
    let shop = Shop::open();
    let (client, server) = (&shop.pods[0], &shop.pods[1]);
    let tcp = TcpEcho::start(&server.namespace, server.ipv6, PORT).unwrap();
    let tally = tcp_connections(&client.namespace, server.ipv6, PORT, 50, LONG).unwrap();
    assert_eq!(tally.connected, 50);
    let megabyte = 1 << 20;
    let heard = tcp_stream(&client.namespace, server.ipv6, PORT, megabyte, LONG).unwrap();
    assert_eq!(heard, megabyte);
    assert_eq!(tcp.accepted(), 51);
    assert_eq!(tcp.turned_away(), 0);

    let udp = UdpEcho::start(&server.namespace, server.ipv4, 9000).unwrap();
    let flood = UdpFlood {
        target: server.ipv4.into(),
        ports: 9000..=9003,
        sockets: 5,
        payload: 64,
    };
    assert_eq!(flood.flows(), 20);
    let sent = flood.send(&client.namespace, 40).unwrap();
    assert_eq!((sent.packets, sent.bytes, sent.refused), (40, 40 * 64, 0));
    // A quarter of the ports has a server.
    wait_for(|| udp.received() == 10);
}

#[test]
fn raw_frames_arrive_as_they_are() {
    let shop = Shop::open();
    let (client, server) = (&shop.pods[0], &shop.pods[1]);
    let udp = UdpEcho::start(&server.namespace, server.ipv4, 9000).unwrap();
    let builder = PacketBuilder::ethernet2(client.mac, client.gateway_mac)
        .ipv4(client.ipv4.octets(), server.ipv4.octets(), 9)
        .udp(4000, 9000);
    let mut frame = Vec::new();
    builder.write(&mut frame, b"handmade").unwrap();
    let sent = send_frames(&client.namespace, "eth0", [frame.clone(), frame]).unwrap();
    assert_eq!(sent, 2);
    wait_for(|| udp.received() == 2);
    assert!(send_frames(&client.namespace, "eth9", [vec![0; 60]]).is_err());
}

#[test]
fn an_endpoint_file_names_what_the_pod_is() {
    let shop = Shop::open();
    let yaml = endpoint_yaml(&shop.pods[1]);
    assert!(yaml.contains("name: backend\n  namespace: shop\n  labels:\n    app: backend\n"));
    assert!(
        yaml.contains("addresses: [10.77.1.3, \"fd77:1::3\"]"),
        "{yaml}"
    );
    assert!(yaml.contains("attach: {interface: fd-h2}"), "{yaml}");
    let seen = shop
        .testbed
        .node()
        .run(|| std::fs::read_to_string("/proc/thread-self/net/dev").unwrap())
        .unwrap();
    assert!(
        seen.contains("fd-h2:"),
        "the node has the interface: {seen}"
    );
}

fn wait_for(mut seen: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !seen() {
        assert!(Instant::now() < deadline, "not seen within {LONG:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
