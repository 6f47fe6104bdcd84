//! Who is let in and what for. Nothing here knows gRPC: `serve` brings the clients and asks.

mod accounts;
pub mod audit;
pub mod gate;
pub mod limits;
pub mod refusal;
pub mod rights;
pub mod rules;
pub mod scope;
mod tokens;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;

pub use accounts::group_id;
pub use gate::Gate;
pub use refusal::{Reason, Refusal};
pub use rights::Right;
pub use scope::Scope;

/// Who is at the other end, as far as the transport knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A process on the unix socket.
    Unix {
        /// Its user.
        uid: u32,
        /// Its first group.
        gid: u32,
        /// Its process id.
        pid: Option<i32>,
    },
    /// Somebody on plaintext loopback.
    Loopback(SocketAddr),
    /// Somebody over TLS.
    Tls {
        /// Where from.
        address: SocketAddr,
        /// Common name and alternative names of the certificate, none without one.
        names: Vec<String>,
    },
}

impl fmt::Display for Peer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix { uid, pid, .. } => {
                write!(out, "uid {uid}")?;
                pid.map_or(Ok(()), |pid| write!(out, " (pid {pid})"))
            }
            Self::Loopback(address) => write!(out, "{address}"),
            Self::Tls { address, names } => match names.first() {
                Some(name) => write!(out, "{name} ({address})"),
                None => write!(out, "{address}"),
            },
        }
    }
}

/// What a client may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sees flows and state.
    Observer(Scope),
    /// Sees everything and changes it.
    Operator,
}

impl Role {
    /// Its name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Observer(_) => "observer",
            Self::Operator => "operator",
        }
    }
}

/// A client that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// By what it is known: limits are counted by it.
    pub client: String,
    /// What it may do.
    pub role: Role,
}

impl Grant {
    /// Whether it may use something that needs this right.
    pub fn has(&self, right: Right) -> bool {
        match (right, &self.role) {
            (_, Role::Operator) | (Right::Ask | Right::See, Role::Observer(_)) => true,
            (Right::SeeAll, Role::Observer(scope)) => *scope == Scope::All,
            (Right::Change, Role::Observer(_)) => false,
        }
    }

    /// What of the flows and the state it sees.
    pub fn scope(&self) -> Scope {
        match &self.role {
            Role::Operator => Scope::All,
            Role::Observer(scope) => scope.clone(),
        }
    }
}
