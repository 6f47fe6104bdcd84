//! UDP: an echo server and single exchanges.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::serve::{Stop, Worker};
use crate::Namespace;

/// How long a stop may go unnoticed. Shutting the socket down would wake the reader sooner, with a
/// datagram from nowhere that `recv_from` panics about.
const STOP_CHECK: Duration = Duration::from_millis(20);

/// Sends every datagram back until dropped.
#[derive(Debug)]
pub struct UdpEcho {
    stop: Stop,
    received: Arc<AtomicU64>,
    address: SocketAddr,
    _worker: Worker,
}

impl UdpEcho {
    /// Listens at `address` in `namespace`. `::` listens for both families, port 0 takes a free one.
    pub fn start(namespace: &Namespace, address: impl Into<IpAddr>, port: u16) -> io::Result<Self> {
        let at = SocketAddr::new(address.into(), port);
        let socket = namespace.run(|| UdpSocket::bind(at))??;
        socket.set_read_timeout(Some(STOP_CHECK))?;
        let address = socket.local_addr()?;
        let (stop, received) = (Stop::default(), Arc::new(AtomicU64::new(0)));
        let (stopped, count) = (stop.clone(), Arc::clone(&received));
        let worker = Worker::start("udp-echo", move || serve(&socket, &stopped, &count))?;
        Ok(Self {
            stop,
            received,
            address,
            _worker: worker,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Datagrams received since the start.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

impl Drop for UdpEcho {
    fn drop(&mut self) {
        self.stop.set();
    }
}

fn serve(socket: &UdpSocket, stop: &Stop, received: &AtomicU64) {
    let mut buffer = vec![0; usize::from(u16::MAX)];
    while !stop.is_set() {
        // Time-outs, and port-unreachable errors a client left behind, are no reason to end.
        let Ok((length, peer)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        if stop.is_set() {
            return;
        }
        received.fetch_add(1, Ordering::Relaxed);
        let _ = socket.send_to(&buffer[..length], peer);
    }
}

/// Sends `payload` once and says whether it came back intact in time.
pub fn udp_exchange(
    from: &Namespace,
    address: impl Into<IpAddr>,
    port: u16,
    payload: &[u8],
    timeout: Duration,
) -> io::Result<bool> {
    let to = SocketAddr::new(address.into(), port);
    let socket = from.run(|| {
        let socket = UdpSocket::bind(unspecified(to))?;
        socket.connect(to).map(|()| socket)
    })??;
    match socket.send(payload) {
        Ok(_) => await_echo(&socket, payload, timeout),
        Err(error) if is_verdict(error.kind()) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The wildcard address of the family of `to`.
pub(super) fn unspecified(to: SocketAddr) -> SocketAddr {
    match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

fn await_echo(socket: &UdpSocket, payload: &[u8], timeout: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + timeout;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        socket.set_read_timeout(Some(left))?;
        match socket.recv(&mut buffer) {
            Ok(length) if buffer[..length] == *payload => return Ok(true),
            // Somebody else's datagram: wait on for ours.
            Ok(_) => {}
            Err(error) if is_verdict(error.kind()) => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_verdict(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock
            | ErrorKind::TimedOut
            | ErrorKind::ConnectionRefused
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::PermissionDenied
    )
}
