//! Protocol and ports of a flow, whichever protocol it has.

use crate::flow::{Flow, Layer4, layer4::Protocol};

impl Flow {
    /// Ports of the source and of the destination; none where the protocol has none.
    pub fn ports(&self) -> Option<(u32, u32)> {
        self.l4.as_ref()?.ports()
    }

    /// Name of the protocol, in lower case; empty when it is not known.
    pub fn protocol_name(&self) -> &'static str {
        self.l4.as_ref().map_or("", Layer4::protocol_name)
    }
}

impl Layer4 {
    /// Ports of the source and of the destination; none where the protocol has none.
    pub fn ports(&self) -> Option<(u32, u32)> {
        match self.protocol.as_ref()? {
            Protocol::Tcp(tcp) => Some((tcp.source_port, tcp.destination_port)),
            Protocol::Udp(udp) => Some((udp.source_port, udp.destination_port)),
            Protocol::Sctp(sctp) => Some((sctp.source_port, sctp.destination_port)),
            Protocol::IcmPv4(_) | Protocol::IcmPv6(_) | Protocol::Vrrp(_) | Protocol::Igmp(_) => {
                None
            }
        }
    }

    /// Name of the protocol, in lower case.
    pub fn protocol_name(&self) -> &'static str {
        match &self.protocol {
            Some(Protocol::Tcp(_)) => "tcp",
            Some(Protocol::Udp(_)) => "udp",
            Some(Protocol::Sctp(_)) => "sctp",
            Some(Protocol::IcmPv4(_)) => "icmpv4",
            Some(Protocol::IcmPv6(_)) => "icmpv6",
            Some(Protocol::Vrrp(_)) => "vrrp",
            Some(Protocol::Igmp(_)) => "igmp",
            None => "",
        }
    }
}
