//! The shop: four workloads, the world outside, and the servers in them.

use std::net::{IpAddr, Ipv6Addr};

use anyhow::Result;
use flowd_testbed::traffic::{TcpEcho, UdpEcho};
use flowd_testbed::{Namespace, Pod, PodSpec, Testbed, World};

use crate::plan::{BACKEND_PORT, DATABASE_PORT, DNS_PORT, WEB_PORT};

/// Somebody in the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Frontend,
    Backend,
    Database,
    Stranger,
    World,
}

impl Who {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Frontend => "frontend",
            Self::Backend => "backend",
            Self::Database => "database",
            Self::Stranger => "stranger",
            Self::World => "world",
        }
    }
}

/// Everything that lives while the demo runs.
#[derive(Debug)]
pub(crate) struct Shop {
    _tcp: Vec<TcpEcho>,
    _udp: Vec<UdpEcho>,
    frontend: Pod,
    backend: Pod,
    database: Pod,
    stranger: Pod,
    world: World,
    pub(crate) testbed: Testbed,
}

impl Shop {
    pub(crate) fn open() -> Result<Self> {
        let testbed = Testbed::new()?;
        let pod = |who: Who, tier: &str| {
            testbed.pod(PodSpec::app("shop", who.name()).label("tier", tier))
        };
        let frontend = pod(Who::Frontend, "web")?;
        let backend = pod(Who::Backend, "service")?;
        let database = pod(Who::Database, "data")?;
        let stranger = pod(Who::Stranger, "none")?;
        let world = testbed.world("internet")?;

        let any = Ipv6Addr::UNSPECIFIED;
        // Servers listen also where the policy lets nobody in: a try that fails there was dropped by flowd.
        let tcp = [
            (&frontend.namespace, WEB_PORT),
            (&backend.namespace, BACKEND_PORT),
            (&backend.namespace, DATABASE_PORT),
            (&database.namespace, DATABASE_PORT),
            (&world.namespace, WEB_PORT),
        ];
        let udp = [
            (&backend.namespace, DNS_PORT),
            (&database.namespace, DNS_PORT),
        ];
        let tcp = tcp.map(|(namespace, port)| TcpEcho::start(namespace, any, port));
        let udp = udp.map(|(namespace, port)| UdpEcho::start(namespace, any, port));
        Ok(Self {
            _tcp: tcp.into_iter().collect::<Result<_, _>>()?,
            _udp: udp.into_iter().collect::<Result<_, _>>()?,
            frontend,
            backend,
            database,
            stranger,
            world,
            testbed,
        })
    }

    /// The guarded workloads.
    pub(crate) fn pods(&self) -> [&Pod; 4] {
        [
            &self.frontend,
            &self.backend,
            &self.database,
            &self.stranger,
        ]
    }

    pub(crate) fn namespace(&self, who: Who) -> &Namespace {
        match who {
            Who::Frontend => &self.frontend.namespace,
            Who::Backend => &self.backend.namespace,
            Who::Database => &self.database.namespace,
            Who::Stranger => &self.stranger.namespace,
            Who::World => &self.world.namespace,
        }
    }

    /// Addresses, IPv4 first.
    pub(crate) fn addresses(&self, who: Who) -> [IpAddr; 2] {
        match who {
            Who::Frontend => self.frontend.addresses(),
            Who::Backend => self.backend.addresses(),
            Who::Database => self.database.addresses(),
            Who::Stranger => self.stranger.addresses(),
            Who::World => self.world.addresses(),
        }
    }
}
