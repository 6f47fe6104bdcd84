//! Connections a workload had before flowd attached, read from its own socket table.
//!
//! Judging a live connection needs to know who opened it, which no packet in its middle tells. The
//! socket table does: a local port somebody listens on was connected to, any other one connected.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
};

use flowd_abi::{
    Address, Connection, ConnectionKey, Direction, ForwardReason, Verdict,
    connection::{KeyKind, Marks, State},
    protocol,
};

use crate::{enrich::directory::address_of, kernel::namespace::Namespace};

/// Sockets read from one namespace, at most; as many connections as a table of default size holds.
const MAX_SOCKETS: usize = 262_144;
const TCP_ESTABLISHED: u8 = 1;
const TCP_SYN_SENT: u8 = 2;
const TCP_CLOSE_WAIT: u8 = 8;
const TCP_LISTEN: u8 = 10;

/// One line of `/proc/net/{tcp,tcp6,udp,udp6}` (proc(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Socket {
    local: (IpAddr, u16),
    remote: (IpAddr, u16),
    state: u8,
    inode: u64,
}

/// An open connection of a socket table.
#[derive(Clone, Copy, Debug)]
pub struct OpenConnection {
    /// The end in this namespace.
    pub own: SocketAddr,
    /// The other end.
    pub peer: SocketAddr,
    /// Number of the socket's inode.
    pub inode: u64,
    /// Its key in the connection table.
    pub key: ConnectionKey,
    /// Its entry there.
    pub connection: Connection,
}

/// The open connections in a namespace, as entries of the connection table.
///
/// # Errors
///
/// When the namespace cannot be entered or its tables cannot be read.
pub fn connections(
    namespace: &Namespace,
    endpoint: u32,
    now: u64,
) -> io::Result<Vec<(ConnectionKey, Connection)>> {
    let open = sockets(namespace, endpoint, now)?.into_iter();
    Ok(open.map(|open| (open.key, open.connection)).collect())
}

/// The same, with what the socket table says of each.
///
/// # Errors
///
/// When the namespace cannot be entered or its tables cannot be read.
pub fn sockets(namespace: &Namespace, endpoint: u32, now: u64) -> io::Result<Vec<OpenConnection>> {
    let tables = namespace.run(|| {
        // The thread's own view: the daemon's other threads are in another namespace.
        let read = |name: &str| fs::read_to_string(format!("/proc/thread-self/net/{name}"));
        let (tcp, tcp6) = (read("tcp")?, read("tcp6").unwrap_or_default());
        let (udp, udp6) = (read("udp")?, read("udp6").unwrap_or_default());
        Ok::<_, io::Error>([(protocol::TCP, tcp + &tcp6), (protocol::UDP, udp + &udp6)])
    })??;
    let mut seeds = Vec::new();
    for (number, table) in tables {
        let sockets: Vec<Socket> = table.lines().filter_map(socket).take(MAX_SOCKETS).collect();
        let listening: std::collections::HashSet<u16> = sockets
            .iter()
            .filter(|socket| listens(number, socket))
            .map(|socket| socket.local.1)
            .collect();
        for socket in &sockets {
            if let Some((key, connection)) = seed(number, socket, &listening, endpoint, now) {
                seeds.push(OpenConnection {
                    own: socket.local.into(),
                    peer: socket.remote.into(),
                    inode: socket.inode,
                    key,
                    connection,
                });
            }
        }
    }
    Ok(seeds)
}

fn listens(number: u8, socket: &Socket) -> bool {
    if number == protocol::TCP {
        socket.state == TCP_LISTEN
    } else {
        socket.remote.1 == 0
    }
}

fn seed(
    number: u8,
    socket: &Socket,
    listening: &std::collections::HashSet<u16>,
    endpoint: u32,
    now: u64,
) -> Option<(ConnectionKey, Connection)> {
    let open = socket.remote.1 != 0 && !socket.local.0.is_loopback();
    let (state, marks) = match (number, socket.state) {
        (_, _) if !open => return None,
        (protocol::TCP, TCP_SYN_SENT) => (State::New, 0),
        (protocol::TCP, TCP_ESTABLISHED) | (protocol::UDP, _) => {
            (State::Established, Marks::REPLIED)
        }
        (protocol::TCP, state) if (4..=TCP_CLOSE_WAIT).contains(&state) => {
            (State::Closing, Marks::REPLIED)
        }
        _ => return None,
    };
    let origin = if listening.contains(&socket.local.1) {
        Direction::Ingress
    } else {
        Direction::Egress
    };
    let key = ConnectionKey {
        endpoint,
        local: address_of(socket.local.0),
        remote: address_of(socket.remote.0),
        local_port: socket.local.1,
        remote_port: socket.remote.1,
        protocol: number,
        kind: KeyKind::Ports as u8,
        pad: [0; 2],
    };
    let (verdict, reason) = Verdict::Forward(ForwardReason::Unenforced).to_numbers();
    // Generation 0 is older than any: the first packet is judged by the policy in force.
    let connection = Connection {
        created: now,
        last: now,
        told: now,
        origin: origin as u8,
        state: state as u8,
        verdict,
        reason,
        marks: marks | Marks::SEEDED,
        ..Connection::default()
    };
    Some((key, connection))
}

/// `  sl  local_address rem_address   st … inode`, addresses in hex, each 32-bit word in host order.
fn socket(line: &str) -> Option<Socket> {
    let mut fields = line.split_whitespace().skip(1);
    let local = address(fields.next()?)?;
    let remote = address(fields.next()?)?;
    let state = u8::from_str_radix(fields.next()?, 16).ok()?;
    // Queues, timer, retransmits, owner and time-out come before it.
    let inode = fields.nth(5)?.parse().ok()?;
    Some(Socket {
        local,
        remote,
        state,
        inode,
    })
}

fn address(text: &str) -> Option<(IpAddr, u16)> {
    let (host, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::with_capacity(16);
    for at in (0..host.len()).step_by(8) {
        let word = u32::from_str_radix(host.get(at..at + 8)?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    let host = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        16 => {
            let address = Address(<[u8; 16]>::try_from(bytes).ok()?);
            if address.is_v4() {
                IpAddr::from(address.v4_bytes())
            } else {
                IpAddr::from(address.0)
            }
        }
        _ => return None,
    };
    Some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_of_the_socket_table() {
        let line =
            "   0: 0101A8C0:1F90 0201A8C0:D431 01 00000000:00000000 00:00000000 00000000 0 0 77 1";
        let read = socket(line).expect("a socket");
        assert_eq!(read.local, ("192.168.1.1".parse().unwrap(), 8080));
        assert_eq!(read.remote, ("192.168.1.2".parse().unwrap(), 0xd431));
        assert_eq!((read.state, read.inode), (TCP_ESTABLISHED, 77));
        assert_eq!(socket("  sl  local_address rem_address   st"), None);
    }

    #[test]
    fn a_mapped_address_is_ipv4() {
        let (host, port) = address("0000000000000000FFFF00000101A8C0:0050").expect("an address");
        assert_eq!((host, port), ("192.168.1.1".parse().unwrap(), 80));
    }

    #[test]
    fn who_listens_was_connected_to() {
        let listening = std::collections::HashSet::from([8080]);
        let open = |local, remote| Socket {
            local: ("10.0.0.1".parse().unwrap(), local),
            remote: ("10.0.0.2".parse().unwrap(), remote),
            state: TCP_ESTABLISHED,
            inode: 0,
        };
        let origin = |socket: Socket| {
            seed(protocol::TCP, &socket, &listening, 7, 1).map(|(_, seed)| seed.origin())
        };
        assert_eq!(origin(open(8080, 40000)), Some(Direction::Ingress));
        assert_eq!(origin(open(40000, 8080)), Some(Direction::Egress));
        assert_eq!(origin(open(8080, 0)), None);
    }
}
