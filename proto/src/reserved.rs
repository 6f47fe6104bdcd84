//! Reserved identities: Hubble's numbers and names.

/// Names in the order of their numbers.
const NAMES: [&str; 11] = [
    "unknown",
    "host",
    "world",
    "unmanaged",
    "health",
    "init",
    "remote-node",
    "kube-apiserver",
    "ingress",
    "world-ipv4",
    "world-ipv6",
];

/// The name of a reserved identity.
pub fn name(identity: u32) -> Option<&'static str> {
    NAMES.get(usize::try_from(identity).ok()?).copied()
}

/// The number of a reserved identity's name.
pub fn number(name: &str) -> Option<u32> {
    let index = NAMES.iter().position(|known| *known == name)?;
    u32::try_from(index).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_agree() {
        assert_eq!(name(2), Some("world"));
        assert_eq!(number("kube-apiserver"), Some(7));
        assert_eq!(name(11), None);
        assert_eq!(number("somebody"), None);
    }
}
