//! The sections `tls`, `access`, `limits` and `audit`: who comes in, what for, how much, on record.

use std::path::PathBuf;

use serde::Deserialize;

/// TLS on the TCP door.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    /// The server's certificate and what leads to its CA, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// CAs that vouch for clients, PEM.
    #[serde(default)]
    pub client_ca: Vec<PathBuf>,
    /// Whether a client must have a certificate.
    #[serde(default)]
    pub client_certificate: Demand,
}

/// Whether a client certificate is a must.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Demand {
    /// Without one, no connection.
    #[default]
    Required,
    /// A token is enough.
    Optional,
}

/// Who may do what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessSection {
    /// The first rule that fits a client says what it may.
    pub clients: Vec<ClientRule>,
    /// File with the hashes of tokens.
    pub tokens: Option<PathBuf>,
    /// Role of those on the unix socket that no rule fits.
    pub unix: Option<RoleName>,
    /// Role of those on plaintext loopback that show no token.
    pub loopback: Option<RoleName>,
}

/// What a client is called and what it may do. Exactly one of the first four is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientRule {
    /// Common name or alternative name of a certificate; `*` stands for one part of a name.
    pub certificate: Option<String>,
    /// Name of a token.
    pub token: Option<String>,
    /// User on the unix socket, by name or number.
    pub user: Option<String>,
    /// Group of a user on the unix socket, by name or number.
    pub group: Option<String>,
    /// What it may do.
    pub role: RoleName,
    /// The namespaces an observer sees; all when empty.
    pub namespaces: Vec<String>,
}

/// A role by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoleName {
    /// May do nothing.
    #[default]
    None,
    /// Sees flows and state.
    Observer,
    /// Changes policies and modes, too.
    Operator,
}

/// How much a client may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// Streams open at once, of all clients.
    pub streams: u32,
    /// Streams open at once, of one client.
    pub streams_per_client: u32,
    /// Requests a second of one client; twice as many may come at once.
    pub requests_per_second: u32,
    /// Connections of one door.
    pub connections: u32,
    /// Bytes of a request that carries no policy.
    pub message_bytes: u32,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            streams: 64,
            streams_per_client: 32,
            requests_per_second: 500,
            connections: 256,
            message_bytes: 1 << 20,
        }
    }
}

/// Where requests are put on record.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSection {
    /// File of JSON lines; without it there is only the log.
    pub file: Option<PathBuf>,
    /// Bytes after which a new file is begun.
    pub max_bytes: u64,
    /// Finished files kept.
    pub max_files: usize,
}

impl Default for AuditSection {
    fn default() -> Self {
        Self {
            file: None,
            max_bytes: 16 << 20,
            max_files: 5,
        }
    }
}

impl TlsSection {
    pub(super) fn problems(&self, problems: &mut Vec<String>) {
        if self.client_ca.is_empty() && self.client_certificate == Demand::Required {
            problems.push(
                "tls.client_ca: name the CA of the clients' certificates, or set \
                 tls.client_certificate: optional and give clients tokens"
                    .to_owned(),
            );
        }
    }
}

impl AccessSection {
    pub(super) fn problems(&self, problems: &mut Vec<String>) {
        for (index, rule) in self.clients.iter().enumerate() {
            let names = [&rule.certificate, &rule.token, &rule.user, &rule.group];
            if names.iter().filter(|name| name.is_some()).count() != 1 {
                problems.push(format!(
                    "access.clients[{index}]: give exactly one of certificate, token, user, group"
                ));
            }
            if !rule.namespaces.is_empty() && rule.role != RoleName::Observer {
                problems.push(format!(
                    "access.clients[{index}]: namespaces are for the role observer"
                ));
            }
            if rule.token.is_some() && self.tokens.is_none() {
                problems.push(format!(
                    "access.clients[{index}]: a token needs access.tokens, the file with its hash"
                ));
            }
        }
    }
}

impl LimitsSection {
    pub(super) fn problems(&self, problems: &mut Vec<String>) {
        for (name, value, least, most) in [
            ("streams", self.streams, 1, 4_096),
            ("streams_per_client", self.streams_per_client, 1, 4_096),
            (
                "requests_per_second",
                self.requests_per_second,
                1,
                1_000_000,
            ),
            ("connections", self.connections, 1, 65_536),
            ("message_bytes", self.message_bytes, 4_096, 64 << 20),
        ] {
            if !(least..=most).contains(&value) {
                problems.push(format!(
                    "limits.{name}: {value} is not between {least} and {most}"
                ));
            }
        }
    }
}

impl AuditSection {
    pub(super) fn problems(&self, problems: &mut Vec<String>) {
        if self.max_bytes < 65_536 {
            problems.push(format!(
                "audit.max_bytes: {} is less than 65536",
                self.max_bytes
            ));
        }
        if !(1..=1_000).contains(&self.max_files) {
            problems.push(format!(
                "audit.max_files: {} is not between 1 and 1000",
                self.max_files
            ));
        }
    }
}
