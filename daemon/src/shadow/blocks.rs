//! Address blocks by their class, looked up by address: the longest prefix wins.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hashbrown::HashMap;
use ipnet::IpNet;

/// Blocks of both families. One hash look-up for each length of prefix there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Blocks {
    classes: HashMap<IpNet, u32>,
    /// Lengths of prefixes, longest first: of IPv4, of IPv6.
    lengths: [Vec<u8>; 2],
}

impl Blocks {
    pub(super) fn new(blocks: impl IntoIterator<Item = (u32, IpNet)>) -> Self {
        let classes: HashMap<IpNet, u32> = blocks
            .into_iter()
            .map(|(class, prefix)| (prefix.trunc(), class))
            .collect();
        let lengths = |v4: bool| {
            let mine = classes
                .keys()
                .filter(|prefix| prefix.addr().is_ipv4() == v4);
            let lengths: BTreeSet<u8> = mine.map(IpNet::prefix_len).collect();
            lengths.into_iter().rev().collect()
        };
        Self {
            lengths: [lengths(true), lengths(false)],
            classes,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// The class of the longest block around an address, 0 for none.
    pub(super) fn class_of(&self, address: IpAddr) -> u32 {
        let lengths = &self.lengths[usize::from(address.is_ipv6())];
        let around = lengths
            .iter()
            .filter_map(|&length| IpNet::new(address, length).ok());
        around
            .filter_map(|block| self.classes.get(&block.trunc()))
            .next()
            .copied()
            .unwrap_or_default()
    }
}
