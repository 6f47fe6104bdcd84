//! `icmps`: types of ICMP and ICMPv6 messages.

use flowd_abi::protocol::{ICMP, ICMPV6};

use super::field::{Field, Object};
use crate::{
    object::{Destination, PortRange},
    syntax,
    yaml::Value,
};

/// More types in one entry than the language allows.
const MAX_FIELDS: usize = 40;

/// Names of ICMP types (IANA "ICMP Parameters").
const TYPES_V4: [(&str, u8); 14] = [
    ("EchoReply", 0),
    ("DestinationUnreachable", 3),
    ("Redirect", 5),
    ("Echo", 8),
    ("EchoRequest", 8),
    ("RouterAdvertisement", 9),
    ("RouterSelection", 10),
    ("TimeExceeded", 11),
    ("ParameterProblem", 12),
    ("Timestamp", 13),
    ("TimestampReply", 14),
    ("Photuris", 40),
    ("ExtendedEchoRequest", 42),
    ("ExtendedEchoReply", 43),
];

/// Names of ICMPv6 types (IANA "ICMPv6 Parameters").
const TYPES_V6: [(&str, u8); 27] = [
    ("DestinationUnreachable", 1),
    ("PacketTooBig", 2),
    ("TimeExceeded", 3),
    ("ParameterProblem", 4),
    ("EchoRequest", 128),
    ("EchoReply", 129),
    ("MulticastListenerQuery", 130),
    ("MulticastListenerReport", 131),
    ("MulticastListenerDone", 132),
    ("RouterSolicitation", 133),
    ("RouterAdvertisement", 134),
    ("NeighborSolicitation", 135),
    ("NeighborAdvertisement", 136),
    ("RedirectMessage", 137),
    ("RouterRenumbering", 138),
    ("ICMPNodeInformationQuery", 139),
    ("ICMPNodeInformationResponse", 140),
    ("InverseNeighborDiscoverySolicitation", 141),
    ("InverseNeighborDiscoveryAdvertisement", 142),
    ("HomeAgentAddressDiscoveryRequest", 144),
    ("HomeAgentAddressDiscoveryReply", 145),
    ("MobilePrefixSolicitation", 146),
    ("MobilePrefixAdvertisement", 147),
    ("DuplicateAddressRequestCodeSuffix", 157),
    ("DuplicateAddressConfirmationCodeSuffix", 158),
    ("ExtendedEchoRequest", 160),
    ("ExtendedEchoReply", 161),
];

/// The types `icmps` names; `Some(None)` when it is absent or empty, `None` when something was
/// reported about it.
pub(super) fn read(rule: &Object<'_>) -> Option<Option<Vec<Destination>>> {
    let Some(field) = rule.get("icmps") else {
        return Some(None);
    };
    let entries = field.items()?;
    if entries.is_empty() {
        return Some(None);
    }
    let read: Vec<Option<Vec<Destination>>> = entries.iter().map(entry).collect();
    let read: Option<Vec<Vec<Destination>>> = read.into_iter().collect();
    Some(Some(read?.concat()))
}

fn entry(field: &Field<'_>) -> Option<Vec<Destination>> {
    let object = field.object(&["fields"], &[])?;
    let types = object.items("fields").unwrap_or_default();
    if types.is_empty() || types.len() > MAX_FIELDS {
        field.error(
            format!("lists {} message types", types.len()),
            format!("list 1 to {MAX_FIELDS} fields"),
        );
        return None;
    }
    let read: Vec<Option<Destination>> = types.iter().map(message_type).collect();
    read.into_iter().collect()
}

fn message_type(field: &Field<'_>) -> Option<Destination> {
    let object = field.object(&["family", "type"], &[])?;
    let family = match object.get("family") {
        None => "IPv4",
        Some(field) => field.text()?,
    };
    let (protocol, names): (u8, &[(&str, u8)]) = match family {
        "IPv4" => (ICMP, &TYPES_V4),
        "IPv6" => (ICMPV6, &TYPES_V6),
        other => {
            let family = object.get("family").unwrap_or_else(|| object.field());
            family.error(
                format!("{:?} is not an address family", syntax::shorten(other)),
                "use IPv4 or IPv6",
            );
            return None;
        }
    };
    let wanted = object.require("type", "write a type such as 8 or EchoRequest")?;
    let number = match wanted.value() {
        Value::Integer(number) => u8::try_from(*number).ok(),
        Value::Text(name) => names
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, number)| *number),
        Value::Null | Value::Boolean(_) | Value::Float(_) | Value::List(_) | Value::Object(_) => {
            None
        }
    };
    let Some(number) = number else {
        wanted.error(
            format!("is not an ICMP type of {family}"),
            "use a number from 0 to 255, or a name such as EchoRequest",
        );
        return None;
    };
    Some(Destination::Ports(PortRange::one(protocol, number.into())))
}
