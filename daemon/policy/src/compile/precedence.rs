//! The 32-bit order of entries: tier and priority above, deny over allow below.

use flowd_abi::Action;

/// Where a rule stands among rules of other tiers and priorities; the smaller number is asked
/// first. 24 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Level(u32);

impl Level {
    /// Policies without a tier. Half of the numbers lie before it, for the tiers that come first.
    pub(crate) const NORMAL: Self = Self(1 << 23);
    /// Behind every rule: the allowance of an endpoint that is not in default deny.
    pub(crate) const DEFAULT: Self = Self((1 << 24) - 1);
}

/// The low byte of a deny.
const DENY: u32 = 255;
/// The low byte of an allow.
const ALLOW: u32 = 1;

/// The precedence of an entry; higher wins.
pub(crate) const fn precedence(level: Level, action: Action) -> u32 {
    let action = match action {
        Action::Deny => DENY,
        Action::Allow => ALLOW,
    };
    (Level::DEFAULT.0 - level.0) << 8 | action
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deny_beats_allow_and_the_default_is_last() {
        let allow = precedence(Level::NORMAL, Action::Allow);
        assert!(precedence(Level::NORMAL, Action::Deny) > allow);
        assert!(allow > precedence(Level::DEFAULT, Action::Allow));
        assert_eq!(precedence(Level::DEFAULT, Action::Allow), 1);
        assert!(precedence(Level(0), Action::Allow) > precedence(Level::NORMAL, Action::Deny));
    }
}
