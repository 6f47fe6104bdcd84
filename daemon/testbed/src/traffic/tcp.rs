//! A TCP server that echoes, and that answers HTTP when spoken to in HTTP.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;

use super::http;
use super::serve::{Stop, Worker};
use crate::Namespace;

/// Connections served at once; each is a thread. One more is closed at once and counted.
const MOST_CONNECTIONS: usize = 1024;

/// Echoes every connection until dropped. A connection that begins with `GET ` is answered as HTTP instead.
#[derive(Debug)]
pub struct TcpEcho {
    shared: Arc<Shared>,
    listener: TcpListener,
    address: SocketAddr,
    _worker: Worker,
}

#[derive(Debug, Default)]
struct Shared {
    stop: Stop,
    accepted: AtomicU64,
    turned_away: AtomicU64,
    open: Mutex<HashMap<u64, TcpStream>>,
}

impl TcpEcho {
    /// Listens at `address` in `namespace`. `::` listens for both families, port 0 takes a free one.
    pub fn start(namespace: &Namespace, address: impl Into<IpAddr>, port: u16) -> io::Result<Self> {
        let at = SocketAddr::new(address.into(), port);
        let listener = namespace.run(|| TcpListener::bind(at))??;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let (accepting, server) = (listener.try_clone()?, Arc::clone(&shared));
        let worker = Worker::start("tcp-echo", move || accept(&accepting, &server))?;
        Ok(Self {
            shared,
            listener,
            address,
            _worker: worker,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections accepted since the start.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Connections closed unserved because too many were open.
    pub fn turned_away(&self) -> u64 {
        self.shared.turned_away.load(Ordering::Relaxed)
    }
}

impl Drop for TcpEcho {
    fn drop(&mut self) {
        self.shared.stop.set();
        // Linux wakes a blocked accept() of a listener that is shut down.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        for stream in self.shared.open().values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<u64, TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while !shared.stop.is_set() {
        let Ok((stream, _)) = listener.accept() else {
            // Out of descriptors is passing trouble; a listener that was shut down has the stop mark set.
            std::thread::yield_now();
            continue;
        };
        let number = shared.accepted.fetch_add(1, Ordering::Relaxed);
        if admit(stream, number, shared).is_err() {
            shared.turned_away.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Registers the connection before serving it, so that a stop finds it.
fn admit(stream: TcpStream, number: u64, shared: &Arc<Shared>) -> io::Result<()> {
    let mut open = shared.open();
    if open.len() >= MOST_CONNECTIONS || shared.stop.is_set() {
        return Err(io::Error::other("too many connections"));
    }
    open.insert(number, stream.try_clone()?);
    drop(open);
    let server = Arc::clone(shared);
    let spawned = Builder::new()
        .name("tcp-echo-peer".to_owned())
        .spawn(move || {
            // The client decides how a connection ends; a reset is nothing to report here.
            let _ = serve(stream);
            server.open().remove(&number);
        });
    if spawned.is_err() {
        shared.open().remove(&number);
    }
    spawned.map(drop)
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    let mut first = true;
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        if first && buffer.starts_with(b"GET ") {
            return http::answer(stream, &buffer[..length]);
        }
        first = false;
        stream.write_all(&buffer[..length])?;
    }
}
