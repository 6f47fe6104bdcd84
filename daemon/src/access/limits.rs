//! How much one client, and all of them, may ask for at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::{Reason, Refusal};
use crate::config::access::LimitsSection;

/// Clients remembered, at most: beyond, the one that was quiet for longest is forgotten.
const CLIENTS: usize = 1_024;

#[derive(Debug)]
struct Client {
    /// Requests it may make now; grows with time.
    left: f64,
    at: Instant,
    streams: u32,
}

#[derive(Debug, Default)]
struct State {
    section: LimitsSection,
    clients: HashMap<String, Client>,
    streams: u32,
}

/// The limits, and what is used of them.
#[derive(Clone, Debug, Default)]
pub struct Limits(Arc<Mutex<State>>);

/// A stream that is open; it ends with this.
#[derive(Debug)]
pub struct StreamPermit {
    limits: Limits,
    client: String,
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut state = self.limits.0.lock();
        state.streams = state.streams.saturating_sub(1);
        if let Some(client) = state.clients.get_mut(&self.client) {
            client.streams = client.streams.saturating_sub(1);
        }
    }
}

impl Limits {
    /// Sets other limits; what is open stays.
    pub fn set(&self, section: &LimitsSection) {
        self.0.lock().section = section.clone();
    }

    /// The limits.
    pub fn section(&self) -> LimitsSection {
        self.0.lock().section.clone()
    }

    /// Streams open now.
    pub fn streams(&self) -> u32 {
        self.0.lock().streams
    }

    /// Counts a request.
    ///
    /// # Errors
    ///
    /// When the client asks too often.
    pub fn request(&self, client: &str, now: Instant) -> Result<(), Refusal> {
        let mut state = self.0.lock();
        let rate = state.section.requests_per_second;
        let client = state.client(client, now);
        if client.left < 1.0 {
            return Err(Refusal {
                reason: Reason::RequestRate,
                text: format!(
                    "more than {rate} requests a second, which is the limit of a client; ask less \
                     often, follow instead of asking again, or raise limits.requests_per_second in \
                     flowd's configuration"
                ),
            });
        }
        client.left -= 1.0;
        Ok(())
    }

    /// Opens a stream.
    ///
    /// # Errors
    ///
    /// When too many are open.
    pub fn stream(&self, name: &str, now: Instant) -> Result<StreamPermit, Refusal> {
        let mut state = self.0.lock();
        let (all, each) = (state.section.streams, state.section.streams_per_client);
        if state.streams >= all {
            return Err(Refusal {
                reason: Reason::StreamsOfAll,
                text: format!(
                    "{all} streams are open, which is the limit; close one, or raise limits.streams \
                     in flowd's configuration"
                ),
            });
        }
        let client = state.client(name, now);
        if client.streams >= each {
            return Err(Refusal {
                reason: Reason::StreamsOfClient,
                text: format!(
                    "{name} has {each} streams open, which is the limit of a client; close one, or \
                     raise limits.streams_per_client in flowd's configuration"
                ),
            });
        }
        client.streams += 1;
        state.streams += 1;
        Ok(StreamPermit {
            limits: self.clone(),
            client: name.to_owned(),
        })
    }
}

impl State {
    fn client(&mut self, name: &str, now: Instant) -> &mut Client {
        let rate = f64::from(self.section.requests_per_second);
        if !self.clients.contains_key(name) && self.clients.len() >= CLIENTS {
            let quiet = self
                .clients
                .iter()
                .filter(|(_, client)| client.streams == 0);
            let longest = quiet.min_by_key(|(_, client)| client.at);
            if let Some(name) = longest.map(|(name, _)| name.clone()) {
                self.clients.remove(&name);
            }
        }
        let client = self.clients.entry(name.to_owned()).or_insert(Client {
            left: 2.0 * rate,
            at: now,
            streams: 0,
        });
        let passed = now.saturating_duration_since(client.at).as_secs_f64();
        client.left = (client.left + passed * rate).min(2.0 * rate);
        client.at = now;
        client
    }
}
