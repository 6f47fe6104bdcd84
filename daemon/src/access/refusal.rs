//! Why somebody was turned away: named, counted, logged and told.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Lines about one reason in a second: a port scan must not fill the log.
const LINES: u32 = 10;

/// The kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Reason {
    UnknownCa,
    CertificateExpired,
    CertificateNotYetValid,
    NoCertificate,
    BadCertificate,
    HandshakeFailed,
    UnknownClient,
    UnknownToken,
    NoRight,
    RequestRate,
    StreamsOfClient,
    StreamsOfAll,
    Connections,
    MessageSize,
    FilterCost,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::UnknownCa,
        Self::CertificateExpired,
        Self::CertificateNotYetValid,
        Self::NoCertificate,
        Self::BadCertificate,
        Self::HandshakeFailed,
        Self::UnknownClient,
        Self::UnknownToken,
        Self::NoRight,
        Self::RequestRate,
        Self::StreamsOfClient,
        Self::StreamsOfAll,
        Self::Connections,
        Self::MessageSize,
        Self::FilterCost,
    ];

    /// Its label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownCa => "unknown_ca",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateNotYetValid => "certificate_not_yet_valid",
            Self::NoCertificate => "no_client_certificate",
            Self::BadCertificate => "bad_certificate",
            Self::HandshakeFailed => "handshake_failed",
            Self::UnknownClient => "unknown_client",
            Self::UnknownToken => "unknown_token",
            Self::NoRight => "no_right",
            Self::RequestRate => "request_rate",
            Self::StreamsOfClient => "streams_of_client",
            Self::StreamsOfAll => "streams_of_all",
            Self::Connections => "connections",
            Self::MessageSize => "message_size",
            Self::FilterCost => "filter_cost",
        }
    }
}

/// A refusal with what to tell the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind.
    pub reason: Reason,
    /// What is wrong and what to do.
    pub text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// The newest refusal of a reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Newest {
    /// When, Unix nanoseconds.
    pub time: i64,
    /// Who.
    pub client: String,
    /// What it was told.
    pub text: String,
}

#[derive(Debug, Default)]
struct Told {
    newest: Newest,
    second: i64,
    lines: u32,
}

/// Counts refusals.
#[derive(Debug, Default)]
pub struct Refusals {
    counts: [AtomicU64; Reason::ALL.len()],
    told: Mutex<[Told; Reason::ALL.len()]>,
}

impl Refusals {
    /// Counts one, and logs it unless its reason has filled enough lines of this second.
    pub fn note(&self, client: &dyn fmt::Display, refusal: &Refusal, now: i64) {
        let at = refusal.reason as usize;
        self.counts[at].fetch_add(1, Ordering::Relaxed);
        let log = {
            let told = &mut self.told.lock()[at];
            told.newest = Newest {
                time: now,
                client: client.to_string(),
                text: refusal.text.clone(),
            };
            let second = now / 1_000_000_000;
            if told.second != second {
                (told.second, told.lines) = (second, 0);
            }
            told.lines += 1;
            told.lines <= LINES
        };
        if log {
            tracing::warn!(
                client = %client,
                reason = refusal.reason.name(),
                "refused: {refusal}"
            );
        }
    }

    /// How many, by reason, with the newest, of the reasons there were any of.
    pub fn seen(&self) -> Vec<(Reason, u64, Newest)> {
        let told = self.told.lock();
        Reason::ALL
            .into_iter()
            .map(|reason| {
                let newest = told[reason as usize].newest.clone();
                (reason, self.count(reason), newest)
            })
            .filter(|(_, count, _)| *count > 0)
            .collect()
    }

    /// How many of one reason.
    pub fn count(&self, reason: Reason) -> u64 {
        self.counts[reason as usize].load(Ordering::Relaxed)
    }
}
