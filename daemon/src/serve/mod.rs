//! What others can ask: gRPC, the web page, `/metrics`. Only this room knows tonic and axum.

mod accept;
pub mod answer;
mod connection;
mod counted;
mod gate;
pub mod grpc;
mod hits;
pub mod listen;
pub mod metrics;
pub mod status;
pub mod stop;
pub mod stream;
pub mod tls;
pub mod web;
mod why;

pub use accept::Door;

use std::sync::Arc;

use crate::access::Gate;
use crate::enrich::DirectoryHandle;
use crate::export::Exporters;
use crate::flow::Log;
use crate::metrics::FlowMetrics;
use crate::observe::flow::View;
use crate::observe::uuid::Boot;
use crate::why::PolicyViewHandle;
use status::StatusHandle;
use stop::Stop;

/// What every server answers from; cheap to clone.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The flow log.
    pub log: Log,
    /// Names.
    pub directory: DirectoryHandle,
    /// The policies in force and who they are about.
    pub policies: PolicyViewHandle,
    /// The daemon's own state.
    pub status: StatusHandle,
    /// The pipeline's counters; readers count their gaps here.
    pub flows: Arc<FlowMetrics>,
    /// What the uuids of this run are made of.
    pub boot: Boot,
    /// Ends every open stream.
    pub stop: Stop,
    /// Lets requests through, or not.
    pub gate: Gate,
    /// What exports flows.
    pub exports: Exporters,
}

impl Sources {
    /// What flows say beyond their records.
    pub fn view(&self) -> View {
        View {
            directory: self.directory.clone(),
            boot: self.boot,
        }
    }
}
