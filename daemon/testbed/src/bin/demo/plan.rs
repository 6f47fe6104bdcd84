//! What is tried in the shop, and what the policy in `shop.yaml` makes of it.

use std::fmt;

use crate::shop::Who::{self, Backend, Database, Frontend, Stranger, World};

/// The policy file.
pub(crate) const POLICY: &str = include_str!("shop.yaml");

pub(crate) const WEB_PORT: u16 = 80;
pub(crate) const BACKEND_PORT: u16 = 8080;
pub(crate) const DATABASE_PORT: u16 = 5432;
pub(crate) const DNS_PORT: u16 = 53;

/// A kind of try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// One GET and its answer.
    Http(u16),
    /// One connection and some words on it.
    Tcp(u16),
    /// One datagram of the size of a DNS message, and its answer.
    Udp(u16),
    /// One echo request and its reply.
    Ping,
}

impl fmt::Display for What {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Http(port) => format!("HTTP {port}"),
            Self::Tcp(port) => format!("TCP {port}"),
            Self::Udp(port) => format!("UDP {port}"),
            Self::Ping => "ping".to_owned(),
        };
        // Keeps the width and alignment of the column it is printed in.
        formatter.pad(&text)
    }
}

/// What the policy makes of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It succeeds, and flows name these policies; none where nothing restricts either end.
    Allowed(&'static [&'static str]),
    /// It fails because no rule allows it at a workload that this policy switched to default deny.
    DefaultDenied(&'static str),
    /// It fails because a rule of this policy denies it.
    RuleDenied(&'static str),
}

impl Expected {
    pub(crate) const fn succeeds(self) -> bool {
        match self {
            Self::Allowed(_) => true,
            Self::DefaultDenied(_) | Self::RuleDenied(_) => false,
        }
    }
}

/// One thing that somebody keeps trying, by IPv4 and IPv6.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Errand {
    pub(crate) from: Who,
    pub(crate) to: Who,
    pub(crate) what: What,
    pub(crate) expected: Expected,
}

/// Everything that is tried.
pub(crate) fn errands() -> Vec<Errand> {
    use Expected::{Allowed, DefaultDenied, RuleDenied};
    use What::{Http, Ping, Tcp, Udp};
    [
        (World, Frontend, Http(WEB_PORT), Allowed(&["frontend"])),
        (
            Frontend,
            Backend,
            Http(BACKEND_PORT),
            Allowed(&["frontend", "backend"]),
        ),
        (
            Backend,
            Database,
            Tcp(DATABASE_PORT),
            Allowed(&["database"]),
        ),
        (Backend, Database, Udp(DNS_PORT), Allowed(&["database"])),
        (Backend, Database, Ping, Allowed(&["database"])),
        (Stranger, World, Http(WEB_PORT), Allowed(&[])),
        (Stranger, World, Ping, Allowed(&[])),
        (
            Frontend,
            Backend,
            Tcp(DATABASE_PORT),
            DefaultDenied("frontend"),
        ),
        (Frontend, Backend, Udp(DNS_PORT), DefaultDenied("frontend")),
        (Frontend, Backend, Ping, DefaultDenied("frontend")),
        (
            Frontend,
            Database,
            Tcp(DATABASE_PORT),
            DefaultDenied("frontend"),
        ),
        (Frontend, World, Http(WEB_PORT), DefaultDenied("frontend")),
        (
            Stranger,
            Backend,
            Http(BACKEND_PORT),
            DefaultDenied("backend"),
        ),
        (Stranger, Backend, Ping, DefaultDenied("backend")),
        (World, Backend, Http(BACKEND_PORT), DefaultDenied("backend")),
        (
            Stranger,
            Database,
            Tcp(DATABASE_PORT),
            RuleDenied("database"),
        ),
        (Stranger, Database, Udp(DNS_PORT), RuleDenied("database")),
    ]
    .map(|(from, to, what, expected)| Errand {
        from,
        to,
        what,
        expected,
    })
    .to_vec()
}
