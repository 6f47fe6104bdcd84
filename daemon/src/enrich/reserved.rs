//! Reserved identities: Hubble's numbers and names.

pub use flowd_proto::reserved::{name, number};

/// Source prefix of the labels of reserved identities.
pub const PREFIX: &str = "reserved:";

/// Label of an identity, endpoint or address nobody knows.
pub const UNKNOWN: &str = "reserved:unknown";

/// Whether an identity stands for addresses outside.
pub const fn is_world(identity: u32) -> bool {
    matches!(identity, 2 | 9 | 10)
}

/// Whether an identity is the node itself.
pub const fn is_host(identity: u32) -> bool {
    identity == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_of_the_world_are_outside_and_the_host_is_not() {
        assert!(is_world(number("world-ipv6").unwrap()));
        let host = number("host").unwrap();
        assert!(is_host(host) && !is_world(host));
    }
}
