//! What others can ask: gRPC, the web page, `/metrics`.

pub mod status;
