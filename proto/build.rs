//! Compiles the `.proto` files to messages, services, protobuf JSON and a descriptor set.

use std::path::{Path, PathBuf};
use std::{env, error::Error, fs};

use prost::Message;

const FILES: [&str; 11] = [
    "flow/flow.proto",
    "relay/relay.proto",
    "observer/observer.proto",
    "peer/peer.proto",
    "flowd/v1/aggregate.proto",
    "flowd/v1/coverage.proto",
    "flowd/v1/flowd.proto",
    "flowd/v1/mode.proto",
    "flowd/v1/policy.proto",
    "flowd/v1/process.proto",
    "flowd/v1/timeline.proto",
];

/// Well-known types whose canonical JSON prost and pbjson do not give.
const EXTERN: [(&str, &str); 4] = [
    (".google.protobuf.Any", "crate::Any"),
    (".google.protobuf.FieldMask", "crate::FieldMask"),
    (".google.protobuf.Timestamp", "crate::Timestamp"),
    (".google.protobuf.Duration", "::pbjson_types::Duration"),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let descriptors = protox::compile(FILES, [Path::new("proto")])?;
    let bytes = descriptors.encode_to_vec();
    fs::write(out.join("descriptors.bin"), &bytes)?;

    let mut messages = tonic_prost_build::configure();
    let mut json = pbjson_build::Builder::new();
    json.register_descriptors(&bytes)?
        .preserve_proto_field_names();
    for (proto, rust) in EXTERN {
        messages = messages.extern_path(proto, rust);
        json.extern_path(proto, rust);
    }
    messages.compile_fds(descriptors)?;
    json.build(&[".flow", ".relay", ".observer", ".peer", ".flowd"])?;
    Ok(())
}
