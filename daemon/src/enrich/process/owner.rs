//! A process, as far as it is known.

use std::sync::OnceLock;

use flowd_abi::{EventKind, OwnerHow, protocol};

use crate::flow::record::Judged;

/// How it is known whose a flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attribution {
    /// The process itself connected, accepted or sent.
    Exact,
    /// The process opened the socket or the one it came from, and may have handed it on.
    Inherited,
    /// The kernel itself answered.
    Kernel,
    /// It is not known.
    Unknown,
}

impl Attribution {
    /// What the programs' number stands for.
    pub(super) const fn of(how: OwnerHow) -> Self {
        match how {
            OwnerHow::Inherited => Self::Inherited,
            OwnerHow::Exact => Self::Exact,
        }
    }

    /// Without a process: an ICMP message that no socket sent is the kernel's own, such as an
    /// answer to a ping; of anything else nobody knows, such as what a workload forwards.
    pub fn without_process(judged: &Judged) -> Self {
        let event = &judged.event;
        let icmp = matches!(event.protocol, protocol::ICMP | protocol::ICMPV6);
        let answered = matches!(judged.kind, EventKind::Reply);
        if icmp && answered && event.socket == 0 {
            Self::Kernel
        } else {
            Self::Unknown
        }
    }
}

/// A process that owns sockets; shared by all flows it was seen in.
#[derive(Debug)]
pub struct Owner {
    /// How it is known to be the one.
    pub how: Attribution,
    /// Its number in the initial pid namespace.
    pub pid: u32,
    /// Name of the thread that was seen.
    pub name: String,
    /// User and group.
    pub user_id: u32,
    /// Group.
    pub group_id: u32,
    /// The user's name on this host, empty where it has none.
    pub user: String,
    /// When it started, Unix nanoseconds; 0 where that is not known.
    pub started: i64,
    /// What /proc said while it lived.
    pub details: Details,
    /// Its message, built by the first client's edge that needs it.
    pub(crate) encoded: OnceLock<Box<[u8]>>,
}

/// What only a living process tells; empty where it was gone, or could not be told from another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Path of its executable, as it sees it.
    pub executable: String,
    /// Path of its control group.
    pub cgroup: String,
    /// Unit of systemd, such as `nginx.service`.
    pub unit: String,
    /// Id of the container.
    pub container: String,
}

/// What TCP measured on the workload's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Round trip of the handshake in microseconds; 0: none was measured.
    pub handshake_rtt: u32,
    /// Smoothed round trip in microseconds.
    pub rtt: u32,
    /// Segments sent again; `None` when TCP was not watched.
    pub retransmits: Option<u32>,
}

#[cfg(test)]
impl Owner {
    /// Process 4242, curl of the user www-data.
    pub(crate) fn example() -> Self {
        let mut owner = Self::new(Attribution::Exact, 4242, "curl".to_owned());
        owner.user_id = 33;
        "www-data".clone_into(&mut owner.user);
        owner.details = Details {
            executable: "/usr/bin/curl".to_owned(),
            cgroup: "/shop".to_owned(),
            unit: "shop.service".to_owned(),
            container: "3fa9c0de".to_owned(),
        };
        owner
    }
}

impl Owner {
    pub(super) fn new(how: Attribution, pid: u32, name: String) -> Self {
        Self {
            how,
            pid,
            name,
            user_id: 0,
            group_id: 0,
            user: String::new(),
            started: 0,
            details: Details::default(),
            encoded: OnceLock::new(),
        }
    }
}
