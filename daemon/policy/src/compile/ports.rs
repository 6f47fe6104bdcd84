//! From the overlapping port ranges of one peer to port prefixes that do not contradict each other.
//!
//! The ports of a protocol are cut where a range starts or ends; between two cuts the same rules
//! apply, so each piece has one winner. A piece whose winner is that of the whole protocol needs no
//! entry of its own, a protocol whose winner is that of all protocols neither. The longest match is
//! then always the piece itself: no narrow allow can hide a wide deny.

use std::collections::BTreeMap;

use super::precedence::passed_to;

/// Which packets an entry of one peer covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cover {
    /// Every protocol.
    All,
    /// Every port of a protocol.
    Protocol(u8),
    /// The ports that share the leading `bits` with `port`.
    Ports {
        /// Protocol number.
        protocol: u8,
        /// First port.
        port: u16,
        /// How many leading bits count, at least 1.
        bits: u8,
    },
}

/// Who says something about ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Claimant {
    /// A candidate rule, by its number.
    Rule(u32),
    /// The allowance of the host.
    Localhost,
    /// The denial of what no rule allows.
    DefaultDeny,
    /// The allowance of what no rule denies.
    DefaultAllow,
}

/// What one claimant says about ports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    /// Whose it is.
    pub(crate) claimant: Claimant,
    /// Its precedence.
    pub(crate) precedence: u32,
    /// The protocol and ports; `None` covers everything.
    pub(crate) destination: Option<(u8, u16, u16)>,
}

/// Who wins somewhere: all of the highest precedence there.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Winners {
    /// The precedence they share.
    pub(crate) precedence: u32,
    /// All of them, ascending.
    pub(crate) claimants: Vec<Claimant>,
}

/// The fewest pieces with their winners.
pub(crate) fn pieces(claims: &[Claim]) -> Vec<(Cover, Winners)> {
    let mut everything = Active::default();
    let mut protocols: BTreeMap<u8, Vec<(u16, u16, &Claim)>> = BTreeMap::new();
    for claim in claims {
        match claim.destination {
            None => everything.enter(claim),
            Some((protocol, first, last)) => {
                protocols
                    .entry(protocol)
                    .or_default()
                    .push((first, last, claim));
            }
        }
    }
    let mut pieces = Vec::new();
    let default = everything.winners();
    if let Some(winners) = &default {
        pieces.push((Cover::All, winners.clone()));
    }
    for (protocol, ranges) in protocols {
        let (whole, partial): (Vec<_>, Vec<_>) = ranges
            .into_iter()
            .partition(|(first, last, _)| (*first, *last) == (0, u16::MAX));
        let mut active = everything.clone();
        for (_, _, claim) in whole {
            active.enter(claim);
        }
        let wide = active.winners();
        if let Some(winners) = wide
            .as_ref()
            .filter(|winners| Some(*winners) != default.as_ref())
        {
            pieces.push((Cover::Protocol(protocol), winners.clone()));
        }
        for (first, end, winners) in sweep(&partial, active) {
            if Some(&winners) != wide.as_ref() {
                split(protocol, first, end, &winners, &mut pieces);
            }
        }
    }
    pieces
}

/// The stretches of ports with one set of winners each, with the first port behind each: for
/// 65535 that does not fit a `u16`.
fn sweep(ranges: &[(u16, u16, &Claim)], mut active: Active) -> Vec<(u32, u32, Winners)> {
    let mut cuts: BTreeMap<u32, (Vec<&Claim>, Vec<&Claim>)> = BTreeMap::new();
    for (first, last, claim) in ranges {
        cuts.entry(u32::from(*first)).or_default().0.push(claim);
        cuts.entry(u32::from(*last) + 1).or_default().1.push(claim);
    }
    let mut stretches = Vec::new();
    let mut open: Option<(u32, Winners)> = None;
    for (cut, (entering, leaving)) in cuts {
        for claim in leaving {
            active.leave(claim);
        }
        for claim in entering {
            active.enter(claim);
        }
        let winners = active.winners();
        if open.as_ref().map(|(_, winners)| winners) == winners.as_ref() {
            continue;
        }
        if let Some((first, winners)) = open.take() {
            stretches.push((first, cut, winners));
        }
        open = winners.map(|winners| (cut, winners));
    }
    // What is open behind the last range is the protocol's own winner.
    stretches
}

/// Cuts `first..end` into the fewest power-of-two blocks of at most half of all ports: a block of
/// all of them would have the key of the protocol's own entry.
fn split(
    protocol: u8,
    first: u32,
    end: u32,
    winners: &Winners,
    pieces: &mut Vec<(Cover, Winners)>,
) {
    let mut start = first;
    while let Ok(port) = u16::try_from(start)
        && start < end
    {
        let size = start.trailing_zeros().min((end - start).ilog2()).min(15);
        let bits = 16 - size.to_le_bytes()[0];
        pieces.push((
            Cover::Ports {
                protocol,
                port,
                bits,
            },
            winners.clone(),
        ));
        start += 1 << size;
    }
}

/// The claims that apply at the current port, by precedence. A claimant can claim a port twice.
#[derive(Clone, Debug, Default)]
struct Active(BTreeMap<u32, BTreeMap<Claimant, u32>>);

impl Active {
    fn enter(&mut self, claim: &Claim) {
        *self
            .0
            .entry(claim.precedence)
            .or_default()
            .entry(claim.claimant)
            .or_default() += 1;
    }

    fn leave(&mut self, claim: &Claim) {
        let Some(rules) = self.0.get_mut(&claim.precedence) else {
            return;
        };
        if let Some(count) = rules.get_mut(&claim.claimant) {
            *count -= 1;
            if *count == 0 {
                rules.remove(&claim.claimant);
            }
        }
        if rules.is_empty() {
            self.0.remove(&claim.precedence);
        }
    }

    /// Those of the highest precedence that decide: one that passes leaves the rest of its tier
    /// out.
    fn winners(&self) -> Option<Winners> {
        let mut below = None;
        for (&precedence, claimants) in self.0.iter().rev() {
            if below.is_some_and(|below| precedence >= below) {
                continue;
            }
            match passed_to(precedence) {
                Some(next) => below = Some(next),
                None => {
                    return Some(Winners {
                        precedence,
                        claimants: claimants.keys().copied().collect(),
                    });
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOW: u32 = 1;
    const DENY: u32 = 255;

    fn claim(rule: u32, precedence: u32, destination: Option<(u8, u16, u16)>) -> Claim {
        Claim {
            claimant: Claimant::Rule(rule),
            precedence,
            destination,
        }
    }

    fn show(claims: &[Claim]) -> Vec<String> {
        pieces(claims)
            .into_iter()
            .map(|(cover, winners)| {
                let cover = match cover {
                    Cover::All => "all".to_owned(),
                    Cover::Protocol(protocol) => format!("{protocol}"),
                    Cover::Ports {
                        protocol,
                        port,
                        bits,
                    } => format!("{protocol}/{port}/{bits}"),
                };
                let action = if winners.precedence == DENY {
                    "deny"
                } else {
                    "allow"
                };
                let rules: Vec<u32> = winners
                    .claimants
                    .iter()
                    .filter_map(|claimant| match claimant {
                        Claimant::Rule(rule) => Some(*rule),
                        Claimant::Localhost | Claimant::DefaultDeny | Claimant::DefaultAllow => {
                            None
                        }
                    })
                    .collect();
                format!("{cover} {action} {rules:?}")
            })
            .collect()
    }

    #[test]
    fn a_narrow_allow_under_a_wide_deny_names_the_deny() {
        let claims = [
            claim(0, ALLOW, Some((6, 80, 80))),
            claim(1, DENY, Some((6, 0, u16::MAX))),
        ];
        assert_eq!(show(&claims), ["6 deny [1]"]);
    }

    #[test]
    fn a_narrow_deny_cuts_a_hole() {
        let claims = [claim(0, ALLOW, None), claim(1, DENY, Some((6, 80, 80)))];
        assert_eq!(show(&claims), ["all allow [0]", "6/80/16 deny [1]"]);
    }

    #[test]
    fn overlapping_allows_are_told_together() {
        let claims = [
            claim(0, ALLOW, Some((6, 80, 81))),
            claim(1, ALLOW, Some((6, 81, 82))),
        ];
        assert_eq!(
            show(&claims),
            [
                "6/80/16 allow [0]",
                "6/81/16 allow [0, 1]",
                "6/82/16 allow [1]"
            ]
        );
    }

    #[test]
    fn one_rule_naming_a_port_twice_is_told_once() {
        let claims = [
            claim(0, ALLOW, Some((6, 80, 80))),
            claim(0, ALLOW, Some((6, 80, 80))),
        ];
        assert_eq!(show(&claims), ["6/80/16 allow [0]"]);
    }

    #[test]
    fn a_range_becomes_the_fewest_prefixes() {
        let range = |first, last| pieces(&[claim(0, ALLOW, Some((6, first, last)))]).len();
        assert_eq!(range(8080, 8080), 1);
        assert_eq!(range(0, 0), 1);
        assert_eq!(range(1024, 65535), 6);
        assert_eq!(range(1, 65534), 30);
    }

    #[test]
    fn two_halves_do_not_take_the_key_of_the_protocol() {
        let claims = [
            claim(0, ALLOW, Some((6, 0, u16::MAX))),
            claim(1, DENY, Some((6, 0, 999))),
            claim(1, DENY, Some((6, 1000, u16::MAX))),
        ];
        assert_eq!(
            show(&claims),
            ["6 allow [0]", "6/0/1 deny [1]", "6/32768/1 deny [1]"]
        );
    }

    #[test]
    fn icmp_type_zero_is_only_type_zero() {
        assert_eq!(
            show(&[claim(0, ALLOW, Some((1, 0, 0)))]),
            ["1/0/16 allow [0]"]
        );
    }
}
