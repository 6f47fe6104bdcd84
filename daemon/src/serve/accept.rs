//! The way in: each door's listener becomes connections that know who is at their other end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;

use super::connection::Connection;
use super::tls::{Tls, names, refusal};
use crate::access::{Gate, Peer, Reason, Refusal};
use crate::clock::now;

/// Connections that wait to be served.
const WAITING: usize = 16;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// After a failure to accept, such as no file descriptor left.
const BREATH: Duration = Duration::from_millis(100);

/// Where connections come in.
#[derive(Debug)]
pub enum Door {
    /// The unix socket.
    Unix(UnixListener),
    /// Plaintext, on loopback.
    Loopback(TcpListener),
    /// TLS.
    Tls(TcpListener, Tls),
}

/// A connection that was accepted.
enum Arrival {
    Unix(tokio::net::UnixStream),
    Tcp(TcpStream, std::net::SocketAddr),
}

type Arrivals = mpsc::Sender<io::Result<Connection>>;

impl Door {
    /// Accepts until nobody takes the connections any more. Each door has its own bound, so that
    /// whoever floods one does not shut the others.
    pub(super) fn open(self, gate: Gate) -> ReceiverStream<io::Result<Connection>> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let most = gate.limits().section().connections as usize;
        let room = Arc::new(Semaphore::new(most));
        tokio::spawn(async move {
            tokio::select! {
                () = self.accept_all(&gate, &room, &sender) => {}
                () = sender.closed() => {}
            }
        });
        ReceiverStream::new(receiver)
    }

    async fn accept_all(&self, gate: &Gate, room: &Arc<Semaphore>, sender: &Arrivals) {
        loop {
            let arrival = match self.accept().await {
                Ok(arrival) => arrival,
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    sleep(BREATH).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(room).try_acquire_owned() else {
                let who: &dyn std::fmt::Display = match &arrival {
                    Arrival::Unix(_) => &"a client on the unix socket",
                    Arrival::Tcp(_, address) => address,
                };
                gate.refusals().note(who, &too_many(gate), now());
                continue;
            };
            self.welcome(arrival, permit, gate, sender).await;
        }
    }

    async fn accept(&self) -> io::Result<Arrival> {
        match self {
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Arrival::Unix(stream))
            }
            Self::Loopback(listener) | Self::Tls(listener, _) => {
                let (stream, address) = listener.accept().await?;
                // Without it, a flow told to a quiet follower waits for the acknowledgement of the
                // one before. A connection that refuses is slower, not wrong.
                let _ = stream.set_nodelay(true);
                Ok(Arrival::Tcp(stream, address))
            }
        }
    }

    async fn welcome(
        &self,
        arrival: Arrival,
        permit: OwnedSemaphorePermit,
        gate: &Gate,
        sender: &Arrivals,
    ) {
        let connection = match (arrival, self) {
            (Arrival::Unix(stream), _) => match stream.peer_cred() {
                Ok(who) => {
                    let peer = Peer::Unix {
                        uid: who.uid(),
                        gid: who.gid(),
                        pid: who.pid(),
                    };
                    Connection::new(stream, peer, permit)
                }
                // It has gone already.
                Err(_) => return,
            },
            (Arrival::Tcp(stream, address), Self::Tls(_, tls)) => {
                let shaking = shake(stream, address, tls.clone(), permit);
                let (gate, sender) = (gate.clone(), sender.clone());
                tokio::spawn(async move {
                    match shaking.await {
                        // Nobody takes it: the server is stopping.
                        Ok(connection) => drop(sender.send(Ok(connection)).await),
                        Err(refused) => gate.refusals().note(&address, &refused, now()),
                    }
                });
                return;
            }
            (Arrival::Tcp(stream, address), Self::Loopback(_) | Self::Unix(_)) => {
                Connection::new(stream, Peer::Loopback(address), permit)
            }
        };
        // Nobody takes it: the server is stopping.
        let _ = sender.send(Ok(connection)).await;
    }
}

async fn shake(
    stream: TcpStream,
    address: std::net::SocketAddr,
    tls: Tls,
    permit: OwnedSemaphorePermit,
) -> Result<Connection, Refusal> {
    let shaken = timeout(HANDSHAKE, tls.acceptor().accept(stream)).await;
    let shaken = shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let stream = shaken.map_err(|error| refusal(&error))?;
    let shown = stream.get_ref().1.peer_certificates();
    let names = shown.and_then(<[_]>::first).map(names).unwrap_or_default();
    Ok(Connection::new(
        stream,
        Peer::Tls { address, names },
        permit,
    ))
}

fn too_many(gate: &Gate) -> Refusal {
    let most = gate.limits().section().connections;
    Refusal {
        reason: Reason::Connections,
        text: format!(
            "{most} connections are open at this door, which is the limit; raise limits.connections \
             in flowd's configuration"
        ),
    }
}
