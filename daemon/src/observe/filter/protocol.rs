//! `protocol`: by name, whatever the case.

use super::{Build, FilterError};
use crate::observe::class::Transport;

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let mut wanted = Vec::new();
    for name in &build.filter.protocol {
        match name.to_ascii_lowercase().as_str() {
            "icmp" => wanted.extend([Transport::IcmpV4, Transport::IcmpV6]),
            "icmpv4" => wanted.push(Transport::IcmpV4),
            "icmpv6" => wanted.push(Transport::IcmpV6),
            "tcp" => wanted.push(Transport::Tcp),
            "udp" => wanted.push(Transport::Udp),
            "sctp" => wanted.push(Transport::Sctp),
            // Known to Hubble; no flow of ours has them.
            "vrrp" | "igmp" | "dns" | "http" | "kafka" => {}
            _ => {
                return Err(FilterError::value(
                    "protocol",
                    name,
                    "one of tcp, udp, sctp, icmp, icmpv4, icmpv6, vrrp, igmp, dns, http",
                ));
            }
        }
    }
    if !build.filter.protocol.is_empty() {
        build.test(move |record| wanted.contains(&record.judged.transport()));
    }
    Ok(())
}
