//! flowd's gRPC contracts: Hubble's observe API, wire-compatible, and `flowd.v1`.
//!
//! Messages carry protobuf JSON (`serde`) with the field names of the `.proto` files, as Hubble
//! prints it. Reading JSON is strict about unknown fields; [`json::prune_unknown`] makes a value
//! of a newer peer readable and says what it dropped.

mod any;
pub mod descriptor;
mod extension;
mod field_mask;
pub mod glob;
pub mod json;
pub mod kernel_reason;
mod layer4;
pub mod mask;
pub mod otlp;
pub mod pattern;
pub mod reason;
pub mod reserved;
mod timestamp;

pub use any::Any;
pub use descriptor::FILE_DESCRIPTOR_SET;
pub use extension::{EXTENSION_TYPE_URL, REQUEST_EXTENSION_TYPE_URL};
pub use field_mask::FieldMask;
pub use mask::{FlowMask, MaskError};
pub use pbjson_types::Duration;
pub use timestamp::Timestamp;

/// Puts generated code where its cross references expect it.
macro_rules! generated {
    ($package:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $package, ".rs"));
        include!(concat!(env!("OUT_DIR"), "/", $package, ".serde.rs"));
    };
}

/// Flows and the filter over them.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod flow {
    generated!("flow");
}

/// The observe service.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod observer {
    generated!("observer");
}

/// Peer discovery for relays.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod peer {
    generated!("peer");
}

/// Node states as relays tell them.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod relay {
    generated!("relay");
}

/// flowd's own API.
pub mod flowd {
    /// Version 1.
    #[allow(missing_docs, clippy::all, unreachable_pub)]
    pub mod v1 {
        generated!("flowd.v1");
    }
}
