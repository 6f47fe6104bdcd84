//! The devices a host talks to the world by: those that a default route leaves by.

use std::{collections::BTreeSet, fs, io};

use crate::kernel::namespace::Namespace;

/// Names of the devices of a namespace that a default route of the main table leaves by.
///
/// # Errors
///
/// When the namespace cannot be entered or its routes cannot be read.
pub fn with_default_route(namespace: &Namespace) -> io::Result<BTreeSet<String>> {
    let (v4, v6) = namespace.run(|| {
        // The thread's own view: the daemon's other threads are in another namespace.
        let v4 = fs::read_to_string("/proc/thread-self/net/route")?;
        // A kernel without IPv6 has no such file.
        let v6 = fs::read_to_string("/proc/thread-self/net/ipv6_route").unwrap_or_default();
        Ok::<_, io::Error>((v4, v6))
    })??;
    let devices = v4.lines().filter_map(default_v4);
    let devices = devices.chain(v6.lines().filter_map(default_v6));
    Ok(devices
        .filter(|name| *name != "lo")
        .map(str::to_owned)
        .collect())
}

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask …`, numbers in hex.
fn default_v4(line: &str) -> Option<&str> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let everything = "00000000";
    (fields.get(1) == Some(&everything) && fields.get(7) == Some(&everything)).then(|| fields[0])
}

/// `destination prefix source prefix next-hop metric references use flags device`, numbers in hex.
fn default_v6(line: &str) -> Option<&str> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    (fields.len() == 10 && fields[0].bytes().all(|digit| digit == b'0') && fields[1] == "00")
        .then(|| fields[9])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_route_is_told_from_others() {
        let line = "eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0";
        assert_eq!(default_v4(line), Some("eth0"));
        assert_eq!(
            default_v4("eth0 0001A8C0 00000000 0001 0 0 0 00FFFFFF 0 0 0"),
            None
        );
        assert_eq!(
            default_v4("Iface Destination Gateway Flags RefCnt Use Metric Mask"),
            None
        );
        let zeros = "0".repeat(32);
        let line = format!(
            "{zeros} 00 {zeros} 00 fe80{} 00000400 00000001 00000000 00450003 wan",
            "0".repeat(28)
        );
        assert_eq!(default_v6(&line), Some("wan"));
        assert_eq!(default_v6(&line.replacen(" 00 ", " 40 ", 1)), None);
    }
}
