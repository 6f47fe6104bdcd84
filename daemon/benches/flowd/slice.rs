//! One slice of traffic from one pod to another.

use std::{
    error::Error,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    process::Stdio,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use flowd_testbed::Pod;

const BULK: u16 = 5201;
const DATAGRAMS: u16 = 6000;
const CONNECTIONS: u16 = 7000;
/// Ethernet, IPv4 and UDP headers take 42 of the 64 bytes; four are the frame check sequence.
const PAYLOAD: usize = 18;
/// Threads that open connections, and as many that accept them.
const CLIENTS: usize = 4;
const TIMEOUT: Duration = Duration::from_secs(5);

/// A kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One TCP stream of iperf3.
    Throughput,
    /// One flow of 64-byte UDP frames.
    Datagrams,
    /// Short TCP connections: open, one byte there and back, close.
    Connections,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Throughput, Self::Datagrams, Self::Connections];

    /// Its key in the summary.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Throughput => "throughput_ratio",
            Self::Datagrams => "udp_packet_ratio",
            Self::Connections => "connection_rate_ratio",
        }
    }

    /// Pairs of slices on each guarded path: the shorter a slice, the more alike is what else the
    /// machine does during its neighbour.
    pub(crate) const fn pairs(self) -> usize {
        match self {
            // iperf3 counts in whole seconds.
            Self::Throughput => 12,
            Self::Datagrams | Self::Connections => 36,
        }
    }

    /// Length of a slice.
    pub(crate) const fn length(self) -> Duration {
        match self {
            Self::Throughput => Duration::from_secs(1),
            Self::Datagrams | Self::Connections => Duration::from_millis(500),
        }
    }

    pub(crate) const fn unit(self) -> &'static str {
        match self {
            Self::Throughput => "bit/s",
            Self::Datagrams => "packets/s received",
            Self::Connections => "connections/s",
        }
    }
}

/// What a slice brought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brought {
    /// In the unit of its kind.
    pub(crate) rate: f64,
    /// Datagrams or connections.
    pub(crate) count: u64,
    /// Share of the machine's time that the hypervisor took.
    pub(crate) steal: f64,
}

/// Runs one slice.
pub(crate) fn run(kind: Kind, sender: &Pod, receiver: &Pod) -> Result<Brought, Box<dyn Error>> {
    let length = kind.length();
    let before = ticks()?;
    let (rate, count) = match kind {
        Kind::Throughput => (throughput(sender, receiver, length)?, 0),
        Kind::Datagrams => datagrams(sender, receiver, length)?,
        Kind::Connections => connections(sender, receiver, length)?,
    };
    let after = ticks()?;
    Ok(Brought {
        rate,
        count,
        steal: (after.0 - before.0) as f64 / (after.1 - before.1).max(1) as f64,
    })
}

/// Fills neighbour tables and lets ports be used again soon.
pub(crate) fn warm(sender: &Pod, receiver: &Pod) -> Result<(), Box<dyn Error>> {
    for pod in [sender, receiver] {
        pod.namespace.sysctl(&[
            ("net/ipv4/tcp_tw_reuse", "1"),
            ("net/ipv4/ip_local_port_range", "30000 65535"),
        ])?;
    }
    connections(sender, receiver, Duration::from_millis(200))?;
    Ok(())
}

/// Bits per second of one iperf3 stream.
fn throughput(sender: &Pod, receiver: &Pod, length: Duration) -> Result<f64, Box<dyn Error>> {
    let mut server = receiver
        .namespace
        .command("iperf3")
        .args(["-s", "-1", "-p", &BULK.to_string()])
        .stdout(Stdio::null())
        .spawn()?;
    // iperf3 says nothing when it listens.
    thread::sleep(Duration::from_millis(200));
    let output = sender
        .namespace
        .command("iperf3")
        .args([
            "-J",
            "-c",
            &receiver.ipv4.to_string(),
            "-p",
            &BULK.to_string(),
        ])
        .args(["-t", &length.as_secs_f64().ceil().to_string()])
        .output();
    if output.is_err() {
        server.kill()?;
    }
    server.wait()?;
    let report: serde_json::Value = serde_json::from_slice(&output?.stdout)?;
    report["end"]["sum_received"]["bits_per_second"]
        .as_f64()
        .ok_or_else(|| format!("iperf3: {}", report["error"]).into())
}

/// Datagrams per second that arrive, and how many did.
fn datagrams(sender: &Pod, receiver: &Pod, length: Duration) -> Result<(f64, u64), Box<dyn Error>> {
    let to = SocketAddr::new(receiver.ipv4.into(), DATAGRAMS);
    let hearing = receiver.namespace.run(|| UdpSocket::bind(to))??;
    hearing.set_read_timeout(Some(Duration::from_millis(50)))?;
    let sending = sender.namespace.run(|| UdpSocket::bind("0.0.0.0:0"))??;
    sending.connect(to)?;
    let over = AtomicBool::new(false);
    let (heard, elapsed) = thread::scope(|scope| {
        let hearer = scope.spawn(|| {
            let (mut count, mut bytes) = (0_u64, [0; PAYLOAD]);
            loop {
                match hearing.recv(&mut bytes) {
                    Ok(_) => count += 1,
                    Err(_) if over.load(Ordering::Relaxed) => return count,
                    Err(_) => {}
                }
            }
        });
        let start = Instant::now();
        while start.elapsed() < length {
            for _ in 0..64 {
                // Without room in the queue the datagram is not sent, and not counted.
                let _ = sending.send(&[0; PAYLOAD]);
            }
        }
        let elapsed = start.elapsed();
        over.store(true, Ordering::Relaxed);
        (hearer.join().unwrap_or_default(), elapsed)
    });
    Ok((heard as f64 / elapsed.as_secs_f64(), heard))
}

/// Connections per second, and how many there were.
fn connections(
    sender: &Pod,
    receiver: &Pod,
    length: Duration,
) -> Result<(f64, u64), Box<dyn Error>> {
    let to = SocketAddr::new(receiver.ipv4.into(), CONNECTIONS);
    let listener = receiver.namespace.run(|| TcpListener::bind(to))??;
    let (over, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let start = Instant::now();
    let elapsed = thread::scope(|scope| {
        let servers: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| serve(&listener, &over)))
            .collect();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    sender.namespace.run(|| {
                        while start.elapsed() < length {
                            converse(to)?;
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok::<_, std::io::Error>(())
                    })
                })
            })
            .collect();
        let outcomes: Vec<_> = clients
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        let elapsed = start.elapsed();
        over.store(true, Ordering::Relaxed);
        // Each server waits for one more connection.
        let goodbyes = sender.namespace.run(|| {
            (0..CLIENTS).try_for_each(|_| TcpStream::connect_timeout(&to, TIMEOUT).map(drop))
        });
        for server in servers {
            let _ = server.join();
        }
        goodbyes??;
        for outcome in outcomes {
            outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))??;
        }
        Ok::<_, std::io::Error>(elapsed)
    })?;
    let count = count.into_inner();
    Ok((count as f64 / elapsed.as_secs_f64(), count))
}

/// The server's side: it closes first, so that the ports of the client are free again.
fn serve(listener: &TcpListener, over: &AtomicBool) {
    while let Ok((mut stream, _)) = listener.accept() {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let mut byte = [0];
        if stream.read_exact(&mut byte).is_ok() {
            // A client that is gone has its own error.
            let _ = stream.write_all(&byte);
        }
    }
}

fn converse(to: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&to, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(&[1])?;
    // The byte, then the server's end.
    stream.read_to_end(&mut Vec::new()).map(drop)
}

/// Ticks the hypervisor took, and all ticks, of all CPUs so far.
fn ticks() -> Result<(u64, u64), Box<dyn Error>> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().ok_or("/proc/stat is empty")?;
    let numbers: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|number| number.parse().ok())
        .collect();
    // user nice system idle iowait irq softirq steal; guest time is within user time.
    let steal = numbers.get(7).copied().unwrap_or_default();
    Ok((steal, numbers.iter().take(8).sum()))
}
