//! The address plan: who lives where inside a testbed. Every testbed uses the same plan.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Result, ensure};

/// The node's IPv4 address on every link; the next hop of every pod.
pub const GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The node's IPv6 address on every link; the next hop of every pod.
pub const GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1);
/// The range all pods' IPv4 addresses come from.
pub const WORKLOADS_V4: &str = "10.77.0.0/16";
/// The range all pods' IPv6 addresses come from.
pub const WORKLOADS_V6: &str = "fd77::/32";

/// Hosts a /24 holds; a testbed is not a load test of the kernel's namespaces.
const MOST_HOSTS: u16 = 250;

/// The pair of addresses of one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) v4: Ipv4Addr,
    pub(crate) v6: Ipv6Addr,
}

/// Addresses of the `n`th pod, counted from zero: 10.77.1.2 and fd77:1::2 first.
pub(crate) fn pod(n: u16) -> Result<Pair> {
    let host = host_number(n)?;
    Ok(Pair {
        v4: Ipv4Addr::new(10, 77, 1, host),
        v6: Ipv6Addr::new(0xfd77, 1, 0, 0, 0, 0, 0, u16::from(host)),
    })
}

/// Addresses of the `n`th outside host, in the ranges reserved for documentation.
pub(crate) fn world(n: u16) -> Result<Pair> {
    let host = host_number(n)?;
    Ok(Pair {
        v4: Ipv4Addr::new(203, 0, 113, host),
        v6: Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, u16::from(host)),
    })
}

fn host_number(n: u16) -> Result<u8> {
    ensure!(
        n < MOST_HOSTS,
        "a testbed has room for {MOST_HOSTS} hosts of a kind"
    );
    Ok(u8::try_from(n + 2)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_and_world_never_share_a_range() {
        assert_eq!(pod(0).unwrap().v4.to_string(), "10.77.1.2");
        assert_eq!(pod(0).unwrap().v6.to_string(), "fd77:1::2");
        assert_eq!(world(0).unwrap().v4.to_string(), "203.0.113.2");
        assert_eq!(world(0).unwrap().v6.to_string(), "2001:db8:77::2");
    }

    #[test]
    fn a_full_range_is_an_error_not_a_wrap() {
        assert!(pod(MOST_HOSTS - 1).is_ok());
        assert!(pod(MOST_HOSTS).is_err());
    }
}
