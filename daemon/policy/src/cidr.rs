//! Address blocks: the prefixes policies name, and the class an address falls into.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{
    object::{CidrSet, PeerSelector, Peers, Policy},
    world::PodClass,
};

/// Every prefix the policies name, also inside `except`: each must become a class of
/// [`World`](crate::World).
///
/// Families are exact: an IPv6 prefix never covers an IPv4 address. Where addresses of both
/// families share one trie (IPv4 in its mapped form), whoever fills it must keep `::/0` and the
/// other prefixes above `::ffff:0:0/96` from answering for IPv4.
pub fn prefixes<'a>(policies: impl IntoIterator<Item = &'a Policy>) -> BTreeSet<IpNet> {
    collect(policies, |selector| match selector {
        PeerSelector::Cidr(set) | PeerSelector::IpBlock(set) => Some(set),
        PeerSelector::Labels(_)
        | PeerSelector::Entity(_)
        | PeerSelector::CidrGroup(_)
        | PeerSelector::Services(_) => None,
    })
}

/// The prefixes that also mean workloads and nodes by their addresses: each must become a pod
/// class of [`World`](crate::World), and the address of every workload inside one must carry the
/// class of the longest of them.
pub fn pod_prefixes<'a>(policies: impl IntoIterator<Item = &'a Policy>) -> BTreeSet<IpNet> {
    collect(policies, |selector| match selector {
        PeerSelector::IpBlock(set) => Some(set),
        PeerSelector::Cidr(_)
        | PeerSelector::Labels(_)
        | PeerSelector::Entity(_)
        | PeerSelector::CidrGroup(_)
        | PeerSelector::Services(_) => None,
    })
}

fn collect<'a>(
    policies: impl IntoIterator<Item = &'a Policy>,
    wanted: fn(&PeerSelector) -> Option<&CidrSet>,
) -> BTreeSet<IpNet> {
    let rules = policies
        .into_iter()
        .flat_map(|policy| &policy.specs)
        .flat_map(|spec| &spec.rules);
    let sets = rules.flat_map(|rule| match &rule.peers {
        Peers::Any => &[],
        Peers::Of(selectors) => selectors.as_slice(),
    });
    sets.filter_map(wanted)
        .flat_map(|set| [&set.cidr].into_iter().chain(&set.except))
        .copied()
        .collect()
}

/// The class of an address: the one with the longest prefix that contains it, 0 for none.
pub fn class_of(classes: &BTreeMap<u32, IpNet>, address: IpAddr) -> u32 {
    classes
        .iter()
        .filter(|(_, prefix)| prefix.contains(&address))
        .max_by_key(|(_, prefix)| prefix.prefix_len())
        .map_or(0, |(&class, _)| class)
}

/// The pod class of an identity's address, 0 for none.
pub fn pod_class_of(classes: &BTreeMap<u32, PodClass>, identity: u32, address: IpAddr) -> u32 {
    classes
        .iter()
        .filter(|(_, class)| class.prefix.contains(&address))
        .filter(|(_, class)| class.owner.is_none_or(|owner| owner == identity))
        .max_by_key(|(_, class)| class.prefix.prefix_len())
        .map_or(0, |(&class, _)| class)
}

/// The pod classes that addresses of identities fall into; see [`PodClass`].
pub fn pod_classes_in_use(
    prefixes: &BTreeSet<IpNet>,
    addresses: impl IntoIterator<Item = (u32, IpAddr)>,
) -> BTreeSet<PodClass> {
    addresses
        .into_iter()
        .filter_map(|(identity, address)| {
            let prefix = prefixes
                .iter()
                .filter(|prefix| prefix.contains(&address))
                .max_by_key(|prefix| prefix.prefix_len())?;
            Some(PodClass {
                prefix: *prefix,
                owner: Some(identity),
            })
        })
        .collect()
}

/// Classes in the order of their prefixes, so that those inside a block lie side by side.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClassIndex(BTreeSet<(IpNet, u32)>);

impl ClassIndex {
    pub(crate) fn new(classes: impl Iterator<Item = (IpNet, u32)>) -> Self {
        Self(classes.collect())
    }

    /// Whether a prefix has a class.
    pub(crate) fn knows(&self, prefix: &IpNet) -> bool {
        let mut found = self.0.range((*prefix, 0)..=(*prefix, u32::MAX));
        found.next().is_some()
    }

    /// The classes inside a block: of the prefixes that start between its first and last address
    /// only those that start at its first one can be wider, and they sort before it.
    pub(crate) fn inside(&self, block: &IpNet) -> impl Iterator<Item = (IpNet, u32)> {
        let last = IpNet::from(block.broadcast());
        self.0.range((*block, 0)..=(last, u32::MAX)).copied()
    }
}

/// Whether every address of `inner` is in `outer`.
pub(crate) fn contains(outer: &IpNet, inner: &IpNet) -> bool {
    match (outer, inner) {
        (IpNet::V4(outer), IpNet::V4(inner)) => outer.contains(inner),
        (IpNet::V6(outer), IpNet::V6(inner)) => outer.contains(inner),
        (IpNet::V4(_), IpNet::V6(_)) | (IpNet::V6(_), IpNet::V4(_)) => false,
    }
}

/// Reads a prefix, or one address as its own prefix; bits behind the prefix are cleared.
pub(crate) fn parse(text: &str) -> Result<IpNet, String> {
    let net = match text.split_once('/') {
        None => IpNet::from(text.parse::<IpAddr>().map_err(|_| not_an_address(text))?),
        Some((address, length)) => {
            let address: IpAddr = address.parse().map_err(|_| not_an_address(text))?;
            let max = if address.is_ipv4() { 32 } else { 128 };
            let length = length
                .parse::<u8>()
                .ok()
                .filter(|&bits| bits <= max && !length.starts_with('+'))
                .ok_or_else(|| {
                    format!("a prefix length from 0 to {max} is needed behind the '/'")
                })?;
            IpNet::new(address, length).map_err(|error| error.to_string())?
        }
    };
    match net.trunc() {
        IpNet::V6(v6) if v6.prefix_len() >= 96 && v6.network().to_ipv4_mapped().is_some() => {
            Err(mapped(&v6))
        }
        net @ (IpNet::V4(_) | IpNet::V6(_)) => Ok(net),
    }
}

fn not_an_address(text: &str) -> String {
    format!(
        "{:?} is not an IP address or prefix",
        crate::syntax::shorten(text)
    )
}

fn mapped(prefix: &Ipv6Net) -> String {
    let v4: Ipv4Addr = prefix
        .network()
        .to_ipv4_mapped()
        .unwrap_or(Ipv4Addr::UNSPECIFIED);
    let written = Ipv4Net::new(v4, prefix.prefix_len() - 96).map(|net| net.to_string());
    format!(
        "an IPv4-mapped prefix names IPv4 addresses; write {}",
        written.unwrap_or_else(|_| v4.to_string())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_prefixes_and_bare_addresses() {
        for (text, expected) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("192.0.2.1", "192.0.2.1/32"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("::/0", "::/0"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn refuses_what_is_no_prefix() {
        for text in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "a/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(
            parse("::ffff:10.0.0.0/104")
                .unwrap_err()
                .contains("write 10.0.0.0/8")
        );
    }

    #[test]
    fn the_index_finds_what_a_scan_finds() {
        let texts = [
            "0.0.0.0/0",
            "10.0.0.0/7",
            "10.0.0.0/8",
            "10.0.0.0/16",
            "10.0.0.0/32",
            "10.255.255.255",
            "10.255.0.0/16",
            "11.0.0.0/8",
            "::/0",
            "2001:db8::/32",
            "2001:db8::/64",
            "2001:db9::/32",
        ];
        let classes: BTreeMap<u32, IpNet> =
            (1..).zip(texts.map(|text| parse(text).unwrap())).collect();
        let index = ClassIndex::new(classes.iter().map(|(&class, &prefix)| (prefix, class)));
        for block in classes.values() {
            let found: BTreeSet<u32> = index.inside(block).map(|(_, class)| class).collect();
            let scanned: BTreeSet<u32> = classes
                .iter()
                .filter(|(_, prefix)| contains(block, prefix))
                .map(|(&class, _)| class)
                .collect();
            assert_eq!(found, scanned, "{block}");
            assert!(index.knows(block));
        }
        assert!(!index.knows(&parse("10.0.0.0/9").unwrap()));
    }

    #[test]
    fn the_longest_prefix_gives_the_class() {
        let classes = BTreeMap::from([
            (1, parse("0.0.0.0/0").unwrap()),
            (2, parse("10.0.0.0/8").unwrap()),
            (3, parse("::/0").unwrap()),
        ]);
        assert_eq!(class_of(&classes, "10.1.1.1".parse().unwrap()), 2);
        assert_eq!(class_of(&classes, "192.0.2.1".parse().unwrap()), 1);
        assert_eq!(class_of(&classes, "2001:db8::1".parse().unwrap()), 3);
        assert_eq!(class_of(&BTreeMap::new(), "10.1.1.1".parse().unwrap()), 0);
    }
}
