//! ICMP types and codes in the words Hubble uses for them.

use std::fmt;

use crate::flow::record::Family;

/// A message, written like `EchoRequest` or `DestinationUnreachable(Port)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// Which ICMP.
    pub family: Family,
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
}

impl fmt::Display for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = match self.family {
            Family::V4 => v4(self.kind),
            Family::V6 => v6(self.kind),
        };
        let Some((name, codes)) = names else {
            return write!(out, "{}({})", self.kind, self.code);
        };
        match codes.get(usize::from(self.code)) {
            Some(code) => write!(out, "{name}({code})"),
            None if codes.is_empty() && self.code == 0 => out.write_str(name),
            None => write!(out, "{name}(Code: {})", self.code),
        }
    }
}

type Names = (&'static str, &'static [&'static str]);

/// RFC 792, RFC 1256 and RFC 1812.
const fn v4(kind: u8) -> Option<Names> {
    Some(match kind {
        0 => ("EchoReply", &[]),
        3 => ("DestinationUnreachable", &UNREACHABLE_V4),
        4 => ("SourceQuench", &[]),
        5 => ("Redirect", &["Network", "Host", "TOS+Network", "TOS+Host"]),
        8 => ("EchoRequest", &[]),
        9 => ("RouterAdvertisement", &[]),
        10 => ("RouterSolicitation", &[]),
        11 => (
            "TimeExceeded",
            &["TTLExceeded", "FragmentReassemblyTimeExceeded"],
        ),
        12 => (
            "ParameterProblem",
            &["PointerIndicatesError", "MissingOption", "BadLength"],
        ),
        13 => ("TimestampRequest", &[]),
        14 => ("TimestampReply", &[]),
        15 => ("InfoRequest", &[]),
        16 => ("InfoReply", &[]),
        17 => ("AddressMaskRequest", &[]),
        18 => ("AddressMaskReply", &[]),
        _ => return None,
    })
}

const UNREACHABLE_V4: [&str; 16] = [
    "Net",
    "Host",
    "Protocol",
    "Port",
    "FragmentationNeeded",
    "SourceRoutingFailed",
    "NetUnknown",
    "HostUnknown",
    "SourceIsolated",
    "NetAdminProhibited",
    "HostAdminProhibited",
    "NetTOS",
    "HostTOS",
    "CommAdminProhibited",
    "HostPrecedence",
    "PrecedenceCutoff",
];

/// RFC 4443, RFC 2710, RFC 3810 and RFC 4861.
const fn v6(kind: u8) -> Option<Names> {
    Some(match kind {
        1 => ("DestinationUnreachable", &UNREACHABLE_V6),
        2 => ("PacketTooBig", &[]),
        3 => (
            "TimeExceeded",
            &["HopLimitExceeded", "FragmentReassemblyTimeExceeded"],
        ),
        4 => (
            "ParameterProblem",
            &[
                "ErroneousHeader",
                "UnrecognizedNextHeader",
                "UnrecognizedIPv6Option",
            ],
        ),
        128 => ("EchoRequest", &[]),
        129 => ("EchoReply", &[]),
        130 => ("MLDv1MulticastListenerQueryMessage", &[]),
        131 => ("MLDv1MulticastListenerReportMessage", &[]),
        132 => ("MLDv1MulticastListenerDoneMessage", &[]),
        133 => ("RouterSolicitation", &[]),
        134 => ("RouterAdvertisement", &[]),
        135 => ("NeighborSolicitation", &[]),
        136 => ("NeighborAdvertisement", &[]),
        137 => ("Redirect", &[]),
        143 => ("MLDv2MulticastListenerReportMessageV2", &[]),
        _ => return None,
    })
}

const UNREACHABLE_V6: [&str; 8] = [
    "NoRouteToDst",
    "AdminProhibited",
    "BeyondScopeOfSrc",
    "Address",
    "Port",
    "SrcAddressFailedPolicy",
    "RejectRouteToDst",
    "SrcRoutingError",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_as_in_hubble() {
        let text = |family, kind, code| Message { family, kind, code }.to_string();
        assert_eq!(text(Family::V4, 8, 0), "EchoRequest");
        assert_eq!(text(Family::V4, 3, 3), "DestinationUnreachable(Port)");
        assert_eq!(text(Family::V4, 3, 77), "DestinationUnreachable(Code: 77)");
        assert_eq!(text(Family::V4, 8, 1), "EchoRequest(Code: 1)");
        assert_eq!(text(Family::V6, 129, 0), "EchoReply");
        assert_eq!(text(Family::V6, 200, 1), "200(1)");
    }
}
