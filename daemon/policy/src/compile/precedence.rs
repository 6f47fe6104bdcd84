//! The 32-bit order of entries: tier and priority above, deny over allow below.

use crate::reference::{Effect, Tier};

/// Where a rule stands among rules of other tiers and priorities; the smaller number is asked
/// first. 24 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Level(u32);

impl Level {
    /// Before every rule: what was worked out for one class of addresses, and leaves nothing to
    /// the entries of its identity.
    pub(crate) const RESOLVED_CLASS: Self = Self(0);
    /// Before every rule: what was worked out for one identity.
    pub(crate) const RESOLVED_IDENTITY: Self = Self(1);
    /// The first rule of the tier Admin.
    const ADMIN: Self = Self(2);
    /// Policies without a tier. Half of the numbers lie before it, for the tier that comes first.
    pub(crate) const NORMAL: Self = Self(1 << 23);
    /// The host, where it is let in unless a rule denies it.
    pub(crate) const LOCALHOST: Self = Self(Self::NORMAL.0 + 1);
    /// What denies what no rule without a tier allows.
    pub(crate) const DEFAULT_DENY: Self = Self(Self::NORMAL.0 + 2);
    /// The first rule of the tier Baseline.
    const BASELINE: Self = Self(Self::NORMAL.0 + 3);
    /// Behind every rule: the allowance of an endpoint that is not in default deny.
    pub(crate) const DEFAULT: Self = Self((1 << 24) - 1);

    /// The level of the rule at `position` of its tier; `None` where there are too many.
    pub(crate) fn of(tier: Tier, position: usize) -> Option<Self> {
        let (first, end) = match tier {
            Tier::Admin => (Self::ADMIN, Self::NORMAL),
            Tier::Normal => return Some(Self::NORMAL),
            Tier::Baseline => (Self::BASELINE, Self::DEFAULT),
        };
        let level = first.0.checked_add(u32::try_from(position).ok()?)?;
        (level < end.0).then_some(Self(level))
    }
}

/// The low byte of a deny.
const DENY: u32 = 255;
/// The low byte of an allow.
const ALLOW: u32 = 1;
/// The low byte of what leaves the decision to the next tier.
const PASS: u32 = 0;

/// The precedence of an entry; higher wins.
pub(crate) const fn precedence(level: Level, effect: Effect) -> u32 {
    let effect = match effect {
        Effect::Deny => DENY,
        Effect::Allow => ALLOW,
        Effect::Pass => PASS,
    };
    (Level::DEFAULT.0 - level.0) << 8 | effect
}

/// Where the next tier begins, when what has this precedence leaves the decision to it: only what
/// is below the answer may still decide.
pub(crate) const fn passed_to(passing: u32) -> Option<u32> {
    if passing & 0xff != PASS {
        return None;
    }
    let next = if passing > precedence(Level::NORMAL, Effect::Deny) {
        Level::NORMAL
    } else {
        Level::DEFAULT
    };
    Some(precedence(next, Effect::Deny) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deny_beats_allow_and_the_default_is_last() {
        let allow = precedence(Level::NORMAL, Effect::Allow);
        assert!(precedence(Level::NORMAL, Effect::Deny) > allow);
        assert!(allow > precedence(Level::DEFAULT, Effect::Allow));
        assert_eq!(precedence(Level::DEFAULT, Effect::Allow), 1);
        assert!(precedence(Level(0), Effect::Allow) > precedence(Level::NORMAL, Effect::Deny));
    }

    #[test]
    fn tiers_follow_each_other() {
        let of = |tier, position| precedence(Level::of(tier, position).unwrap(), Effect::Allow);
        let order = [
            of(Tier::Admin, 0),
            of(Tier::Admin, 1),
            of(Tier::Normal, 7),
            precedence(Level::LOCALHOST, Effect::Allow),
            precedence(Level::DEFAULT_DENY, Effect::Deny),
            of(Tier::Baseline, 0),
            of(Tier::Baseline, 1),
            precedence(Level::DEFAULT, Effect::Allow),
        ];
        assert!(
            order.is_sorted_by(|before, after| before > after),
            "{order:?}"
        );
        assert_eq!(Level::of(Tier::Admin, 1 << 23), None);
    }

    #[test]
    fn a_pass_leaves_it_to_the_next_tier() {
        let passing = |tier| precedence(Level::of(tier, 5).unwrap(), Effect::Pass);
        let admin = passed_to(passing(Tier::Admin)).unwrap();
        assert!(precedence(Level::of(Tier::Admin, 900).unwrap(), Effect::Allow) >= admin);
        assert!(precedence(Level::NORMAL, Effect::Deny) < admin);
        let baseline = passed_to(passing(Tier::Baseline)).unwrap();
        assert!(precedence(Level::of(Tier::Baseline, 900).unwrap(), Effect::Allow) >= baseline);
        assert!(precedence(Level::DEFAULT, Effect::Allow) < baseline);
        assert_eq!(passed_to(precedence(Level::NORMAL, Effect::Deny)), None);
    }
}
