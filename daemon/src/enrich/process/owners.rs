//! The pipeline's caches from sockets to their owners.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flowd_abi::{EventKind, OwnerHow, Socket};
use hashbrown::HashMap;

use super::owner::{Attribution, Measured, Owner};
use super::{proc, users::Users};
use crate::flow::record::Judged;
use crate::kernel::sockets::SocketCounts;

/// Sockets and processes cached; past it a cache starts over, which costs look-ups.
const ENTRIES: usize = 16_384;
/// Processes read in /proc in one turn of the reader, at most: some milliseconds.
const READS: u32 = 64;

/// Where sockets are looked up.
pub trait Sockets: Send + std::fmt::Debug {
    /// What the programs know of a socket.
    fn socket(&self, cookie: u64) -> Option<Socket>;
}

impl<S: Sockets + Sync> Sockets for Arc<S> {
    fn socket(&self, cookie: u64) -> Option<Socket> {
        S::socket(self, cookie)
    }
}

/// What came of asking for owners; shared with those who serve it.
#[derive(Debug, Default)]
pub struct OwnerCounts {
    /// Events whose process was named.
    pub named: AtomicU64,
    /// Events of a socket nobody knows the owner of.
    pub unknown: AtomicU64,
    /// Processes named without their executable, because too many came at once.
    pub unread: AtomicU64,
    /// Sockets put into the kernel's table.
    pub added: AtomicU64,
    /// Sockets that table let go of, because it was full.
    pub evicted: AtomicU64,
    /// Sockets that table refused.
    pub refused: AtomicU64,
}

impl OwnerCounts {
    /// Takes over what the kernel counted.
    pub fn sockets(&self, counts: SocketCounts) {
        self.added.store(counts.added, Ordering::Relaxed);
        self.evicted.store(counts.evicted, Ordering::Relaxed);
        self.refused.store(counts.refused, Ordering::Relaxed);
    }

    /// What was shed, by name.
    pub fn losses(&self) -> [(&'static str, u64); 3] {
        [
            ("sockets_evicted", &self.evicted),
            ("sockets_refused", &self.refused),
            ("processes_unread", &self.unread),
        ]
        .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }
}

/// A socket that was looked up.
#[derive(Clone, Debug)]
struct Known {
    owner: Arc<Owner>,
    measured: Measured,
}

/// A process, as the cache tells it from others. Its name is part of it: executing another program
/// changes that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ProcessKey {
    process: u32,
    started: u64,
    user: u32,
    group: u32,
    name: [u8; 16],
    how: Attribution,
}

/// Owners of sockets.
#[derive(Debug)]
pub struct Owners {
    sockets: Option<Box<dyn Sockets>>,
    root: PathBuf,
    known: HashMap<u64, Known>,
    processes: HashMap<ProcessKey, Arc<Owner>>,
    users: Users,
    reads: u32,
    counts: Arc<OwnerCounts>,
}

impl Owners {
    /// Nobody's: no event has an owner.
    pub fn nobody() -> Self {
        Self {
            sockets: None,
            root: PathBuf::from("/proc"),
            known: HashMap::new(),
            processes: HashMap::new(),
            users: Users::of("/etc/passwd"),
            reads: READS,
            counts: Arc::default(),
        }
    }

    /// Owners of the sockets in a table.
    pub fn of(sockets: impl Sockets + 'static, counts: Arc<OwnerCounts>) -> Self {
        Self {
            sockets: Some(Box::new(sockets)),
            counts,
            ..Self::nobody()
        }
    }

    /// Begins another turn: /proc may be read again.
    pub fn turn(&mut self) {
        self.reads = READS;
    }

    /// Who owns the workload's end of an event, and what TCP measured there.
    #[inline]
    pub fn find(&mut self, judged: &Judged) -> (Option<Arc<Owner>>, Measured) {
        if judged.event.socket == 0 || self.sockets.is_none() {
            return (None, Measured::default());
        }
        self.look(judged)
    }

    fn look(&mut self, judged: &Judged) -> (Option<Arc<Owner>>, Measured) {
        let cookie = judged.event.socket;
        let news = match judged.kind {
            EventKind::Open | EventKind::Reply | EventKind::Verdict => false,
            EventKind::Drop | EventKind::Drops => false,
            EventKind::Update | EventKind::Close => true,
        };
        // One who only inherited the socket may have been relieved by who accepted.
        if !news
            && let Some(known) = self.known.get(&cookie)
            && known.owner.how == Attribution::Exact
        {
            bump(&self.counts.named);
            return (Some(known.owner.clone()), known.measured);
        }
        let socket = self.sockets.as_ref().and_then(|table| table.socket(cookie));
        let Some(socket) = socket else {
            bump(&self.counts.unknown);
            return (None, Measured::default());
        };
        let measured = measured(&socket);
        let Some(owner) = self.owner(&socket) else {
            bump(&self.counts.unknown);
            return (None, measured);
        };
        bump(&self.counts.named);
        if judged.kind == EventKind::Close {
            self.known.remove(&cookie);
        } else {
            make_room(&mut self.known);
            let owner = owner.clone();
            self.known.insert(cookie, Known { owner, measured });
        }
        (Some(owner), measured)
    }

    fn owner(&mut self, socket: &Socket) -> Option<Arc<Owner>> {
        let how = Attribution::of(OwnerHow::from_number(socket.how)?);
        let key = ProcessKey {
            process: socket.process,
            started: socket.started,
            user: socket.user,
            group: socket.group,
            name: socket.name,
            how,
        };
        if let Some(owner) = self.processes.get(&key) {
            return Some(owner.clone());
        }
        let length = socket.name.iter().position(|byte| *byte == 0);
        let name = &socket.name[..length.unwrap_or(socket.name.len())];
        let name = String::from_utf8_lossy(name).into_owned();
        let mut owner = Owner::new(how, socket.process, name);
        owner.user_id = socket.user;
        owner.group_id = socket.group;
        owner.user = self.users.name(socket.user);
        owner.started = started(socket);
        if self.reads == 0 {
            bump(&self.counts.unread);
            return Some(Arc::new(owner));
        }
        self.reads -= 1;
        if let Some(details) = proc::details(&self.root, socket, &owner.name) {
            owner.details = details;
        }
        let owner = Arc::new(owner);
        make_room(&mut self.processes);
        // Without its start, a process could be taken for a later one of its number.
        if socket.started != 0 {
            self.processes.insert(key, owner.clone());
        }
        Some(owner)
    }
}

/// Loads and stores: the pipeline is the only one who counts.
fn bump(count: &AtomicU64) {
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

fn make_room<K, V>(cache: &mut HashMap<K, V>) {
    if cache.len() >= ENTRIES {
        cache.clear();
    }
}

fn measured(socket: &Socket) -> Measured {
    Measured {
        handshake_rtt: socket.handshake_rtt,
        rtt: socket.rtt,
        retransmits: (socket.measured != 0).then_some(socket.retransmits),
    }
}

/// In Unix time.
fn started(socket: &Socket) -> i64 {
    if socket.started == 0 {
        return 0;
    }
    let age = crate::clock::since_boot().saturating_sub(socket.started);
    crate::clock::now().saturating_sub(i64::try_from(age).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::decode::decode;
    use crate::flow::record::testing::opened;
    use parking_lot::Mutex;

    #[derive(Clone, Debug, Default)]
    struct Table(Arc<Mutex<(HashMap<u64, Socket>, u32)>>);

    impl Sockets for Table {
        fn socket(&self, cookie: u64) -> Option<Socket> {
            let mut inner = self.0.lock();
            inner.1 += 1;
            inner.0.get(&cookie).copied()
        }
    }

    impl Table {
        fn put(&self, cookie: u64, how: OwnerHow, process: u32) {
            let mut name = [0; 16];
            name[..4].copy_from_slice(b"curl");
            let socket = Socket {
                started: 1,
                process,
                name,
                how: how as u8,
                retransmits: 3,
                measured: 1,
                ..Socket::default()
            };
            self.0.lock().0.insert(cookie, socket);
        }

        fn asked(&self) -> u32 {
            self.0.lock().1
        }
    }

    fn event(socket: u64, kind: EventKind) -> Judged {
        let mut event = opened();
        event.socket = socket;
        event.kind = kind as u8;
        decode(&event.to_bytes()).unwrap()
    }

    #[test]
    fn a_socket_is_asked_for_once_and_again_at_its_end() {
        let table = Table::default();
        let mut owners = Owners::of(table.clone(), Arc::default());
        table.put(5, OwnerHow::Exact, u32::MAX);
        for kind in [EventKind::Open, EventKind::Reply, EventKind::Verdict] {
            let (owner, _) = owners.find(&event(5, kind));
            let owner = owner.unwrap();
            assert_eq!((owner.name.as_str(), owner.pid), ("curl", u32::MAX));
            assert_eq!(owner.how, Attribution::Exact);
        }
        assert_eq!(table.asked(), 1);
        let (_, measured) = owners.find(&event(5, EventKind::Close));
        assert_eq!((measured.retransmits, table.asked()), (Some(3), 2));
        assert!(owners.known.is_empty());
    }

    #[test]
    fn who_accepts_relieves_who_listens() {
        let table = Table::default();
        let mut owners = Owners::of(table.clone(), Arc::default());
        table.put(5, OwnerHow::Inherited, 1 << 30);
        let (listener, _) = owners.find(&event(5, EventKind::Reply));
        assert_eq!(listener.unwrap().how, Attribution::Inherited);
        table.put(5, OwnerHow::Exact, 1 << 29);
        let (worker, _) = owners.find(&event(5, EventKind::Verdict));
        let worker = worker.unwrap();
        assert_eq!((worker.how, worker.pid), (Attribution::Exact, 1 << 29));
    }

    #[test]
    fn unknown_stays_unknown_and_is_counted() {
        let table = Table::default();
        let counts = Arc::new(OwnerCounts::default());
        let mut owners = Owners::of(table.clone(), counts.clone());
        assert!(owners.find(&event(0, EventKind::Open)).0.is_none());
        assert!(owners.find(&event(5, EventKind::Open)).0.is_none());
        let (owner, measured) = owners.find(&event(6, EventKind::Close));
        assert!(owner.is_none());
        assert_eq!(measured.retransmits, None);
        assert_eq!(counts.unknown.load(Ordering::Relaxed), 2);
        let (owner, _) = Owners::nobody().find(&event(6, EventKind::Open));
        assert!(owner.is_none());
    }

    #[test]
    fn a_burst_of_processes_is_named_by_what_the_kernel_saw() {
        let table = Table::default();
        let counts = Arc::new(OwnerCounts::default());
        let mut owners = Owners::of(table.clone(), counts.clone());
        for number in 1..=u64::from(READS) + 10 {
            table.put(number, OwnerHow::Exact, 1 << 30 | number as u32);
            let (owner, _) = owners.find(&event(number, EventKind::Open));
            assert_eq!(owner.unwrap().name, "curl");
        }
        assert_eq!(counts.unread.load(Ordering::Relaxed), 10);
    }
}
