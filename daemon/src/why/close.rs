//! Words that were probably meant to be the same.

/// Whether two different words are one slip apart: a character too many, too few or wrong, two
/// neighbours swapped, or upper for lower case.
pub(super) fn one_off(one: &str, other: &str) -> bool {
    if one == other || one.is_empty() || other.is_empty() {
        return false;
    }
    if one.eq_ignore_ascii_case(other) {
        return true;
    }
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let (short, long) = if one.len() <= other.len() {
        (one, other)
    } else {
        (other, one)
    };
    let same = short
        .iter()
        .zip(&long)
        .take_while(|(one, other)| one == other)
        .count();
    let (short, long) = (&short[same..], &long[same..]);
    match (short, long) {
        (short, [_, rest @ ..]) if short == rest => true,
        ([_, short @ ..], [_, long @ ..]) if short == long => true,
        ([a, b, short @ ..], [c, d, long @ ..]) => a == d && b == c && short == long,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::one_off;

    #[test]
    fn one_slip_and_no_more() {
        for (one, other) in [
            ("frontend", "fronted"),
            ("frontend", "frontends"),
            ("frontend", "frontemd"),
            ("frontend", "forntend"),
            ("frontend", "Frontend"),
            ("v1", "v2"),
            ("é", "e"),
        ] {
            assert!(one_off(one, other), "{one} {other}");
            assert!(one_off(other, one), "{other} {one}");
        }
        for (one, other) in [
            ("frontend", "frontend"),
            ("frontend", "backend"),
            ("ab", "cd"),
            ("", "a"),
            ("web", "webby"),
            ("abc", "cba"),
        ] {
            assert!(!one_off(one, other), "{one} {other}");
        }
    }
}
