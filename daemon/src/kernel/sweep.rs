//! The sweep: walks connections and denied flows, and sends the engine to those worth a visit:
//! untold, due for an update, or over.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use aya::{
    maps::{HashMap, IterableMap as _, MapData, MapError},
    programs::{ProgramError, SchedClassifier, TestRun as _, TestRunOptions},
};
use flowd_abi::{
    Connection, ConnectionKey, Denied, ForwardReason, Verdict,
    connection::{Marks, State},
    protocol,
    sweep::{KEYS_AT, MAX_KEYS, TABLE_CONNECTIONS, TABLE_DENIED},
};
use thiserror::Error;

use super::{
    batch::BatchReader,
    object::{Kernel, Timeouts},
};

/// Entries read in one system call.
const BATCH: usize = 4096;
const SECOND: u64 = 1_000_000_000;

/// What a sweep found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Connections in the table.
    pub connections: u64,
    /// Denied flows in the table.
    pub denied: u64,
    /// Packets whose telling still waits for room in a ring.
    pub pending: u64,
    /// Entries the engine was sent to.
    pub visited: u64,
}

/// A sweep failed.
#[derive(Debug, Error)]
pub enum SweepError {
    /// A table could not be walked.
    #[error("walking {table}: {source}")]
    Walk {
        /// Which one.
        table: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The program could not be run.
    #[error("running the sweep: {0}")]
    Run(#[from] ProgramError),
    /// A map could not be used.
    #[error("sweep: {0}")]
    Map(#[from] MapError),
}

/// Walks the two tables.
#[derive(Debug)]
pub struct Sweep {
    connections: HashMap<MapData, ConnectionKey, Connection>,
    denied: HashMap<MapData, ConnectionKey, Denied>,
    connection_reader: BatchReader<ConnectionKey, Connection>,
    denied_reader: BatchReader<ConnectionKey, Denied>,
    timeouts: Timeouts,
    /// Time between two events about a flow that goes on, in nanoseconds.
    interval: u64,
    wanted: Vec<ConnectionKey>,
}

impl Sweep {
    /// Takes the tables out of a loaded object. `interval` is in seconds.
    ///
    /// # Errors
    ///
    /// When a pinned map is not of the type the object has.
    pub fn take(kernel: &mut Kernel, timeouts: Timeouts, interval: u32) -> Result<Self, MapError> {
        Ok(Self {
            connections: HashMap::try_from(kernel.take_map("CONNECTIONS"))?,
            denied: HashMap::try_from(kernel.take_map("DENIED"))?,
            connection_reader: BatchReader::new(BATCH),
            denied_reader: BatchReader::new(BATCH),
            timeouts,
            interval: u64::from(interval) * SECOND,
            wanted: Vec::new(),
        })
    }

    /// Walks both tables once. `now` is `CLOCK_MONOTONIC` in nanoseconds.
    ///
    /// # Errors
    ///
    /// When a table cannot be walked or the program cannot be run.
    pub fn run(&mut self, program: &mut SchedClassifier, now: u64) -> Result<Found, SweepError> {
        let mut found = Found::default();
        self.walk_connections(now, &mut found)?;
        found.visited += self.wanted.len() as u64;
        self.visit(program, TABLE_CONNECTIONS)?;
        self.walk_denied(now, &mut found)?;
        found.visited += self.wanted.len() as u64;
        self.visit(program, TABLE_DENIED)?;
        Ok(found)
    }

    /// Every connection that is not over.
    ///
    /// # Errors
    ///
    /// When the table cannot be walked.
    pub fn live(&mut self) -> Result<Vec<(ConnectionKey, Connection)>, SweepError> {
        let mut live = Vec::new();
        let over = [State::Closed as u8, State::Reset as u8];
        self.connection_reader
            .walk(self.connections.map_fd(), |key, connection| {
                if !over.contains(&connection.state) {
                    live.push((*key, *connection));
                }
            })
            .map_err(|source| SweepError::Walk {
                table: "CONNECTIONS",
                source,
            })?;
        Ok(live)
    }

    /// Every denied flow.
    ///
    /// # Errors
    ///
    /// When the table cannot be walked.
    pub fn denied(&mut self) -> Result<Vec<(ConnectionKey, Denied)>, SweepError> {
        let mut denied = Vec::new();
        self.denied_reader
            .walk(self.denied.map_fd(), |key, value| {
                denied.push((*key, *value))
            })
            .map_err(|source| SweepError::Walk {
                table: "DENIED",
                source,
            })?;
        Ok(denied)
    }

    /// Writes a connection the workload had before flowd attached, unless it is known already.
    ///
    /// # Errors
    ///
    /// When the kernel refuses for another reason than that the connection is known.
    pub fn seed(&mut self, key: &ConnectionKey, value: &Connection) -> Result<bool, MapError> {
        const BPF_NOEXIST: u64 = 1;
        match self.connections.insert(key, value, BPF_NOEXIST) {
            Ok(()) => Ok(true),
            Err(MapError::SyscallError(error))
                if error.io_error.kind() == io::ErrorKind::AlreadyExists =>
            {
                self.correct(key, value)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes a connection pass whatever the policies say, known to the table or not; whether it did
    /// not before. The sweep tells it.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn keep(&mut self, key: &ConnectionKey, seed: &Connection) -> Result<bool, MapError> {
        let known = match self.connections.get(key, 0) {
            Ok(known) if known.marks & Marks::KEPT != 0 => return Ok(false),
            Ok(known) => known,
            Err(MapError::KeyNotFound) => *seed,
            Err(error) => return Err(error),
        };
        let (verdict, reason) = Verdict::Forward(ForwardReason::OperatorGuard).to_numbers();
        let kept = Connection {
            verdict,
            reason,
            rule: 0,
            policy: 0,
            match_type: 0,
            // The next packet brings who the peer is and the generation of now.
            generation: 0,
            marks: known.marks | Marks::KEPT | Marks::UNTOLD_VERDICT,
            ..known
        };
        self.connections.insert(key, kept, 0)?;
        Ok(true)
    }

    /// A packet that came before the socket table was read has entered its connection as opened by
    /// itself, whichever side it came from. No policy has judged by that yet: generation 0.
    fn correct(&mut self, key: &ConnectionKey, value: &Connection) -> Result<bool, MapError> {
        let known = match self.connections.get(key, 0) {
            Ok(known) => known,
            Err(MapError::KeyNotFound) => return Ok(false),
            Err(error) => return Err(error),
        };
        if known.generation != 0 || known.origin == value.origin {
            return Ok(false);
        }
        let corrected = Connection {
            origin: value.origin,
            state: value.state,
            marks: known.marks | value.marks,
            ..known
        };
        self.connections.insert(key, corrected, 0)?;
        Ok(true)
    }

    fn walk_connections(&mut self, now: u64, found: &mut Found) -> Result<(), SweepError> {
        let (timeouts, interval) = (self.timeouts, self.interval);
        let wanted = &mut self.wanted;
        wanted.clear();
        self.connection_reader
            .walk(self.connections.map_fd(), |key, connection| {
                found.connections += 1;
                found.pending += untold(connection);
                let idle = now.saturating_sub(connection.last);
                let going = connection.last > connection.told
                    && now.saturating_sub(connection.told) >= interval;
                let over = idle > timeout(&timeouts, key.protocol, connection.state);
                if connection.marks & Marks::UNTOLD != 0 || going || over {
                    wanted.push(*key);
                }
            })
            .map_err(|source| SweepError::Walk {
                table: "CONNECTIONS",
                source,
            })
    }

    fn walk_denied(&mut self, now: u64, found: &mut Found) -> Result<(), SweepError> {
        let (limit, interval) = (u64::from(self.timeouts.denied) * SECOND, self.interval);
        let wanted = &mut self.wanted;
        wanted.clear();
        self.denied_reader
            .walk(self.denied.map_fd(), |key, denied| {
                found.denied += 1;
                found.pending += u64::from(denied.deferred);
                let untold = denied.packets > denied.told_packets;
                let due = denied.deferred > 0 || now.saturating_sub(denied.told) >= interval;
                if (untold && due) || now.saturating_sub(denied.last) > limit {
                    wanted.push(*key);
                }
            })
            .map_err(|source| SweepError::Walk {
                table: "DENIED",
                source,
            })
    }

    fn visit(&mut self, program: &mut SchedClassifier, table: u8) -> Result<(), SweepError> {
        let mut request = Vec::new();
        for keys in self.wanted.chunks(MAX_KEYS as usize) {
            request.clear();
            request.resize(KEYS_AT as usize, 0);
            request[flowd_abi::sweep::TABLE_AT as usize] = table;
            request[flowd_abi::sweep::COUNT_AT as usize] = keys.len() as u8;
            let at = flowd_abi::sweep::INTERVAL_AT as usize;
            request[at..at + 8].copy_from_slice(&self.interval.to_ne_bytes());
            for key in keys {
                request.extend_from_slice(&key.to_bytes());
            }
            let mut options = TestRunOptions::new();
            options.data_in = Some(&request);
            program.test_run(options)?;
        }
        Ok(())
    }
}

/// Events of a connection that wait for room.
fn untold(connection: &Connection) -> u64 {
    // A changed verdict waits for the sweep by design; it is no packet's deferred event.
    u64::from((connection.marks & Marks::UNTOLD & !Marks::UNTOLD_VERDICT).count_ones())
}

fn timeout(timeouts: &Timeouts, protocol: u8, state: u8) -> u64 {
    let seconds = match protocol {
        protocol::TCP => match State::from_number(state) {
            Some(State::New) => timeouts.tcp_new,
            Some(State::Established) => timeouts.tcp_established,
            Some(State::Closing | State::Closed | State::Reset) | None => timeouts.tcp_closing,
        },
        protocol::ICMP | protocol::ICMPV6 => timeouts.icmp,
        _ => timeouts.other,
    };
    u64::from(seconds) * SECOND
}

trait MapFd {
    fn map_fd(&self) -> BorrowedFd<'_>;
}

impl<V: aya::Pod> MapFd for HashMap<MapData, ConnectionKey, V> {
    fn map_fd(&self) -> BorrowedFd<'_> {
        self.map().fd().as_fd()
    }
}
