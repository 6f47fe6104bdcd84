//! Traffic that goes on while something else happens, every datagram of it counted at both ends.

use std::{
    net::{IpAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use flowd_testbed::{Namespace, Pod};

use super::{eventually, when};

/// A port every policy of a test under load allows.
pub(crate) const ALWAYS: u16 = 7001;
/// A port none of them allows.
pub(crate) const NEVER: u16 = 7002;
/// Between two rounds: the receivers' buffers hold far more than comes in it.
const PACE: Duration = Duration::from_micros(500);

/// A sender to both ports of both addresses of a pod, and the receivers.
#[derive(Debug)]
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Counts>,
}

/// Datagrams by port: allowed, denied.
#[derive(Debug)]
struct Counts {
    sinks: [UdpSocket; 2],
    sent: [u64; 2],
    received: [u64; 2],
}

impl Load {
    /// Starts it.
    pub(crate) fn start(from: &Pod, to: &Pod) -> Self {
        let any: IpAddr = "::".parse().expect("an address");
        let sinks = [ALWAYS, NEVER].map(|port| {
            let sink = bind(&to.namespace, any, port);
            rustix::net::sockopt::set_socket_recv_buffer_size_force(&sink, 16 << 20).expect("set");
            sink.set_nonblocking(true).expect("set");
            sink
        });
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, space) = (Arc::clone(&stop), from.namespace.clone());
        let ways: Vec<(IpAddr, IpAddr)> =
            from.addresses().into_iter().zip(to.addresses()).collect();
        let mut counts = Counts {
            sinks,
            sent: [0; 2],
            received: [0; 2],
        };
        let thread = thread::spawn(move || {
            let lasting: Vec<UdpSocket> =
                ways.iter().map(|(own, _)| bind(&space, *own, 0)).collect();
            while !stopped.load(Ordering::Relaxed) {
                for (way, lasting) in ways.iter().zip(&lasting) {
                    // A flow that goes on, and a new one.
                    counts.send(lasting, way.1);
                    counts.send(&bind(&space, way.0, 0), way.1);
                }
                counts.receive();
                thread::sleep(PACE);
            }
            counts
        });
        Self { stop, thread }
    }

    /// Ends it: all that was allowed must have arrived, and nothing else. Says how many datagrams
    /// were denied.
    pub(crate) fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let mut counts = self.thread.join().expect("the load goes on to its end");
        eventually("all that was allowed arrives", || {
            counts.receive();
            when(
                counts.received[0] == counts.sent[0],
                (counts.received, counts.sent),
            )
        });
        assert_eq!(
            counts.received[1], 0,
            "of {} denied datagrams",
            counts.sent[1]
        );
        assert!(counts.sent[1] > 100, "{:?} is no load", counts.sent);
        counts.sent[1]
    }
}

impl Counts {
    fn send(&mut self, socket: &UdpSocket, address: IpAddr) {
        for (port, sent) in [ALWAYS, NEVER].into_iter().zip(&mut self.sent) {
            socket.send_to(b"load", (address, port)).expect("sent");
            *sent += 1;
        }
    }

    fn receive(&mut self) {
        for (sink, received) in self.sinks.iter().zip(&mut self.received) {
            while sink.recv(&mut [0; 64]).is_ok() {
                *received += 1;
            }
        }
    }
}

fn bind(namespace: &Namespace, address: IpAddr, port: u16) -> UdpSocket {
    let bound = namespace.run(|| UdpSocket::bind((address, port)));
    bound.expect("the namespace is there").expect("bound")
}
