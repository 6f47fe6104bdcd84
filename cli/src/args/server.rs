//! Which server is asked, and how patiently.

use std::time::Duration;

use clap::Args;

use super::{TlsArgs, time};
use crate::failure::Failure;

/// Where flowd listens by default.
pub const DEFAULT_SERVER: &str = "unix:///run/flowd/flowd.sock";

/// Options of every command that asks a server.
#[derive(Args, Clone, Debug)]
pub struct ServerArgs {
    /// Server: unix:///path, host:port for plain TCP, tls://host:port. Repeat it, or give several
    /// joined by commas, and `observe`, `status` and `list` ask them all
    /// [default: unix:///run/flowd/flowd.sock]
    #[arg(
        long,
        global = true,
        env = "FLOWD_SERVER",
        value_name = "ADDRESS",
        value_delimiter = ',',
        help_heading = "Server"
    )]
    server: Vec<String>,
    /// How long to wait for a connection
    #[arg(long, global = true, env = "FLOWD_TIMEOUT", value_parser = time::go_duration,
          default_value = "5s", value_name = "DURATION", help_heading = "Server")]
    pub timeout: Duration,
    /// How long to wait for a single answer
    #[arg(long, global = true, env = "FLOWD_REQUEST_TIMEOUT", value_parser = time::go_duration,
          default_value = "12s", value_name = "DURATION", help_heading = "Server")]
    pub request_timeout: Duration,
    /// How the connection is secured.
    #[command(flatten)]
    pub tls: TlsArgs,
    /// Tell on standard error what is asked of whom
    #[arg(short = 'D', long, global = true, help_heading = "Server")]
    pub debug: bool,
    /// Not offered: kubectl does it
    #[arg(short = 'P', long, global = true, hide = true)]
    pub port_forward: bool,
}

impl ServerArgs {
    /// The address that is asked; the default one when none was named.
    pub fn address(&self) -> String {
        let first = self.server.iter().find(|server| !server.is_empty());
        first.map_or_else(|| DEFAULT_SERVER.to_owned(), Clone::clone)
    }

    /// One value for each server that was named.
    pub fn each(&self) -> Vec<Self> {
        let named = self.server.iter().filter(|server| !server.is_empty());
        let each: Vec<Self> = named
            .map(|server| Self {
                server: vec![server.clone()],
                ..self.clone()
            })
            .collect();
        if each.is_empty() {
            vec![self.clone()]
        } else {
            each
        }
    }

    /// Refuses what cannot be meant.
    ///
    /// # Errors
    ///
    /// On `--port-forward`, and on several servers where the command asks one.
    pub fn check(&self, several: bool) -> Result<(), Failure> {
        if self.port_forward {
            return Err(Failure::Usage(
                "--port-forward is not offered: run `kubectl -n kube-system port-forward \
                 service/hubble-relay 4245:80` and ask --server localhost:4245"
                    .to_owned(),
            ));
        }
        if !several && self.each().len() > 1 {
            return Err(Failure::Usage(
                "this command asks one server: give one --server".to_owned(),
            ));
        }
        Ok(())
    }
}
