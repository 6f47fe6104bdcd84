//! How the connection is secured: the flags of `hubble`, and a token.

use std::path::PathBuf;

use clap::Args;

const HEADING: &str = "Server";

/// TLS and the client's proof of who it is.
#[derive(Args, Clone, Debug, Default)]
pub struct TlsArgs {
    /// Speak TLS. A server named tls://host:port implies it
    #[arg(long, global = true, env = "FLOWD_TLS", help_heading = HEADING)]
    pub tls: bool,
    /// Accept any certificate of the server; for trying out only
    #[arg(
        long,
        global = true,
        env = "FLOWD_TLS_ALLOW_INSECURE",
        help_heading = HEADING
    )]
    pub tls_allow_insecure: bool,
    /// CA certificates that vouch for the server (PEM) [default: those of the system]
    #[arg(
        long,
        global = true,
        env = "FLOWD_TLS_CA_CERT_FILES",
        value_name = "FILE",
        value_delimiter = ',',
        help_heading = HEADING
    )]
    pub tls_ca_cert_files: Vec<PathBuf>,
    /// Our certificate and what leads to its CA (PEM)
    #[arg(
        long,
        global = true,
        env = "FLOWD_TLS_CLIENT_CERT_FILE",
        value_name = "FILE",
        help_heading = HEADING
    )]
    pub tls_client_cert_file: Option<PathBuf>,
    /// The private key of our certificate (PEM)
    #[arg(
        long,
        global = true,
        env = "FLOWD_TLS_CLIENT_KEY_FILE",
        value_name = "FILE",
        help_heading = HEADING
    )]
    pub tls_client_key_file: Option<PathBuf>,
    /// Name the server's certificate must have [default: the host of --server]
    #[arg(
        long,
        global = true,
        env = "FLOWD_TLS_SERVER_NAME",
        value_name = "NAME",
        help_heading = HEADING
    )]
    pub tls_server_name: Option<String>,
    /// File with the token that says who we are
    #[arg(
        long,
        global = true,
        env = "FLOWD_TOKEN_FILE",
        value_name = "FILE",
        help_heading = HEADING
    )]
    pub token_file: Option<PathBuf>,
    /// User name for a proxy that asks for one; over TLS only
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        requires = "basic_auth_password",
        conflicts_with = "token_file",
        help_heading = HEADING
    )]
    pub basic_auth_username: Option<String>,
    /// Password that goes with it; better given as HUBBLE_BASIC_AUTH_PASSWORD
    #[arg(long, global = true, value_name = "PASSWORD", help_heading = HEADING)]
    pub basic_auth_password: Option<String>,
}

impl TlsArgs {
    /// Whether something was given that only TLS can use.
    pub fn needs_tls(&self) -> bool {
        self.tls_allow_insecure
            || !self.tls_ca_cert_files.is_empty()
            || self.tls_client_cert_file.is_some()
            || self.tls_client_key_file.is_some()
            || self.tls_server_name.is_some()
    }
}
