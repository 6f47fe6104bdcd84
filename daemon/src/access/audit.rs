//! Who asked what, on record: JSON lines in a file, and the log.
//!
//! A record must never keep anybody from being guarded or from being told of it. So lines go
//! through a bounded queue to a thread of their own; where the queue or the disk has no room, the
//! line is lost, counted, and the daemon complains until lines can be written again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::SystemTime;

use crate::clock::now;
use crate::config::access::AuditSection;
use crate::rolling::{Rolling, Settings};

/// Lines waiting for the disk, at most.
const WAITING: usize = 4_096;
/// Bytes of what a request was about, at most.
const ABOUT: usize = 4_096;

/// One request.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Who.
    pub client: String,
    /// In which role; empty for nobody known.
    pub role: &'static str,
    /// `/package.Service/Method`, or a path of the page.
    pub call: &'a str,
    /// `ok`, a gRPC status, or the reason of a refusal.
    pub outcome: &'a str,
    /// Filters or names of policies; never what is in a policy.
    pub about: &'a str,
}

/// How the record is doing.
#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    lost: AtomicU64,
    stuck: AtomicBool,
}

/// The record; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    lines: Option<SyncSender<String>>,
    counts: Arc<Counts>,
}

impl Audit {
    /// Starts the record a section asks for.
    ///
    /// # Errors
    ///
    /// When its thread cannot be started.
    pub fn start(section: &AuditSection) -> std::io::Result<Self> {
        let Some(path) = section.file.clone() else {
            return Ok(Self::default());
        };
        let (sender, receiver) = sync_channel(WAITING);
        let counts = Arc::<Counts>::default();
        let file = Rolling::new(Settings {
            path,
            max_bytes: section.max_bytes,
            max_age: None,
            max_files: section.max_files,
            compress: false,
        });
        let counted = Arc::clone(&counts);
        std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || write_all(&receiver, file, &counted))?;
        Ok(Self {
            lines: Some(sender),
            counts,
        })
    }

    /// Puts a request on record.
    pub fn write(&self, entry: &Entry<'_>) {
        let about = shortened(entry.about);
        tracing::debug!(
            target: "audit",
            client = entry.client,
            role = entry.role,
            call = entry.call,
            outcome = entry.outcome,
            about,
            "request"
        );
        let Some(lines) = &self.lines else {
            return;
        };
        let time = jiff::Timestamp::from_nanosecond(i128::from(now())).unwrap_or_default();
        let line = serde_json::json!({
            "time": time.to_string(),
            "client": entry.client,
            "role": entry.role,
            "call": entry.call.trim_start_matches('/'),
            "outcome": entry.outcome,
            "about": about,
        });
        if lines.try_send(format!("{line}\n")).is_err() {
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether there is a file.
    pub fn is_kept(&self) -> bool {
        self.lines.is_some()
    }

    /// Lines written.
    pub fn written(&self) -> u64 {
        self.counts.written.load(Ordering::Relaxed)
    }

    /// Lines lost.
    pub fn lost(&self) -> u64 {
        self.counts.lost.load(Ordering::Relaxed)
    }

    /// Whether the last line could not be written.
    pub fn is_stuck(&self) -> bool {
        self.counts.stuck.load(Ordering::Relaxed)
    }
}

fn write_all(lines: &Receiver<String>, mut file: Rolling, counts: &Counts) {
    while let Ok(line) = lines.recv() {
        match file.write(line.as_bytes(), SystemTime::now()) {
            Ok(()) => {
                counts.written.fetch_add(1, Ordering::Relaxed);
                if counts.stuck.swap(false, Ordering::Relaxed) {
                    tracing::info!("the audit log goes on");
                }
            }
            Err(error) => {
                counts.lost.fetch_add(1, Ordering::Relaxed);
                if !counts.stuck.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "the audit log cannot be written; requests go on");
                }
            }
        }
    }
}

fn shortened(text: &str) -> &str {
    let mut end = text.len().min(ABOUT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
