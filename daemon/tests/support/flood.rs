//! Floods of which the exact number that reached the node is known.

use std::net::{IpAddr, UdpSocket};

use flowd_testbed::Pod;

use super::{PATIENCE, run_inside};

/// Datagrams between two pauses: half of what a CPU's queue of received packets holds by default
/// (`net.core.netdev_max_backlog`), so that the queue, which would drop unseen, does not overflow.
const BURST: usize = 500;

/// An exchange on an allowed flow. Its packets queue behind the flood's, so that its answer says
/// that they have been judged.
#[derive(Debug)]
pub(crate) struct Pacer {
    socket: UdpSocket,
    /// Round trips so far.
    pub(crate) exchanges: u64,
}

impl Pacer {
    /// A pacer that talks to an echo server.
    pub(crate) fn new(from: &Pod, to: impl Into<IpAddr>, port: u16) -> Self {
        let socket = socket(from, (to.into(), port));
        socket.set_read_timeout(Some(PATIENCE)).expect("set");
        Self {
            socket,
            exchanges: 0,
        }
    }

    /// One round trip.
    pub(crate) fn exchange(&mut self) {
        self.socket.send(b"there?").expect("sent");
        self.exchanges += 1;
        self.socket.recv(&mut [0; 16]).expect("an answer");
    }
}

/// Sends one datagram on each of at least `flows` distinct flows: from ever new ports to each port
/// of `ports`. Says how many have reached the node.
pub(crate) fn flood(
    from: &Pod,
    to: impl Into<IpAddr> + Copy,
    ports: std::ops::Range<u16>,
    flows: u64,
    pacer: &mut Pacer,
) -> u64 {
    let before = dropped(from);
    let mut sockets = Vec::new();
    let mut sent = 0;
    loop {
        let reached = sent - (dropped(from) - before);
        if reached >= flows {
            return reached;
        }
        // Kept open, so that no two get the same port.
        let own = socket(from, (to.into(), ports.start));
        let all: Vec<u16> = ports.clone().collect();
        for burst in all.chunks(BURST) {
            for port in burst {
                own.send_to(b"flood", (to.into(), *port)).expect("sent");
                sent += 1;
            }
            pacer.exchange();
        }
        sockets.push(own);
    }
}

fn socket(from: &Pod, to: (IpAddr, u16)) -> UdpSocket {
    let own: IpAddr = if to.0.is_ipv4() {
        from.ipv4.into()
    } else {
        from.ipv6.into()
    };
    let made = from.namespace.run(|| {
        let socket = UdpSocket::bind((own, 0))?;
        socket.connect(to).map(|()| socket)
    });
    made.expect("the namespace is there").expect("a socket")
}

/// Packets the pod's device could not hand over.
fn dropped(pod: &Pod) -> u64 {
    let shown = run_inside(&pod.namespace, "ip -s -j link show eth0");
    let links: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    let count = &links[0]["stats64"]["tx"]["dropped"];
    count.as_u64().expect("a number")
}
