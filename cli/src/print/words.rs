//! Hubble's words for numbers that are not enums on the wire.

use flowd_proto::reserved;

/// Event types by name.
pub const EVENT_TYPES: [(&str, i32); 8] = [
    ("drop", DROP),
    ("debug", 2),
    ("capture", CAPTURE),
    ("trace", TRACE),
    ("policy-verdict", POLICY_VERDICT),
    ("trace-sock", TRACE_SOCK),
    ("l7", L7),
    ("agent", 130),
];

/// A dropped packet.
pub const DROP: i32 = 1;
/// A captured packet.
pub const CAPTURE: i32 = 3;
/// A packet seen on its way.
pub const TRACE: i32 = 4;
/// A verdict on a new connection.
pub const POLICY_VERDICT: i32 = 5;
/// A socket's address translation.
pub const TRACE_SOCK: i32 = 7;
/// A request or response.
pub const L7: i32 = 129;

/// Observation points by the subtype of a trace event.
pub const TRACE_POINTS: [&str; 14] = [
    "to-endpoint",
    "to-proxy",
    "to-host",
    "to-stack",
    "to-overlay",
    "from-endpoint",
    "from-proxy",
    "from-host",
    "from-stack",
    "from-overlay",
    "from-network",
    "to-network",
    "from-crypto",
    "to-crypto",
];

/// Names of `policy_match_type`.
const MATCH_TYPES: [&str; 7] = [
    "none",
    "L3-Only",
    "L3-L4",
    "L4-Only",
    "all",
    "L3-Proto",
    "Proto-Only",
];

/// How specific the rule was that matched.
pub fn match_type(number: u32) -> String {
    let known = usize::try_from(number)
        .ok()
        .and_then(|index| MATCH_TYPES.get(index));
    known.map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

/// The observation point of a trace event.
pub fn trace_point(sub_type: i32) -> String {
    let known = usize::try_from(sub_type)
        .ok()
        .and_then(|index| TRACE_POINTS.get(index));
    known.map_or_else(|| sub_type.to_string(), |name| (*name).to_owned())
}

/// An identity in parentheses, as it stands behind an address.
pub fn identity(number: u32, numeric: bool) -> String {
    match reserved::name(number) {
        Some(name) if !numeric => format!("({name})"),
        Some(_) | None => format!("(ID:{number})"),
    }
}
