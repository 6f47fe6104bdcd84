//! The part `otlp` of an exporter: a collector, how it is known and as whom we come.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

/// A collector.
#[derive(Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtlpTarget {
    /// Such as `http://127.0.0.1:4317`, or `https://` for TLS.
    pub endpoint: String,
    /// Whom to trust and who we are, for `https://`.
    #[serde(default)]
    pub tls: Option<OtlpTls>,
    /// File with a token that each request shows as its bearer; read for each request.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Headers of each request, such as the tenant.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// TLS to a collector. The files are read for each connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpTls {
    /// CAs that vouch for the collector, PEM; those of the system when empty.
    pub ca: Vec<PathBuf>,
    /// Our certificate and what leads to its CA, PEM.
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM.
    pub key: Option<PathBuf>,
    /// The name in the collector's certificate, where it is not the host of the endpoint.
    pub server_name: Option<String>,
}

impl fmt::Debug for OtlpTarget {
    /// Headers by name only: their values may be secrets.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("OtlpTarget")
            .field("endpoint", &self.endpoint)
            .field("tls", &self.tls)
            .field("token_file", &self.token_file)
            .field("headers", &self.headers.keys())
            .finish()
    }
}
