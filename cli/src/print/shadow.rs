//! What shadow policies would have done, in words.

use flowd_proto::flow::Verdict;
use flowd_proto::flowd::v1::{FlowExtension, PolicyRef, RuleRef, ShadowCounts};

use super::{Ink, Style, TimeFormat, clean, readable};

/// The would-be verdict of a flow with what would have decided, such as
/// `shadow: would DROP by CiliumNetworkPolicy/shop/db (db.yaml:6)`.
pub(super) fn verdict(extension: &FlowExtension, style: Style) -> Option<String> {
    let shadow = extension.shadow.as_ref()?;
    let word = match shadow.verdict() {
        Verdict::Forwarded => "ALLOW",
        Verdict::Dropped => "DROP",
        Verdict::Unknown
        | Verdict::Error
        | Verdict::Audit
        | Verdict::Redirected
        | Verdict::Traced
        | Verdict::Translated => shadow.verdict().as_str_name(),
    };
    let word = style.paint.ink(Ink::of(shadow.verdict()), word);
    let would = match extension.shadow_changed {
        true => format!("shadow: would {word}"),
        false => format!("shadow: would {word} too"),
    };
    if !style.policy_names {
        return Some(would);
    }
    let rules: Vec<String> = shadow.rules.iter().map(rule).collect();
    let causes: Vec<String> = shadow.default_denied_by.iter().map(cause).collect();
    let by = match (rules.is_empty(), causes.is_empty()) {
        (false, _) => format!(" by {}", clean(&rules.join(", "))),
        (true, false) => format!(" by default deny of {}", clean(&causes.join(", "))),
        (true, true) => String::new(),
    };
    Some(would + &by)
}

/// What a shadow policy would have decided so far.
pub fn shadow_counts(counts: Option<&ShadowCounts>) -> String {
    let Some(counts) = counts else {
        return "not judged yet".to_owned();
    };
    let since = TimeFormat::StampMilli.show(counts.since);
    if counts.matched == 0 {
        return format!("matched nothing yet since {since}");
    }
    let [matched, would_drop, would_allow] =
        [counts.matched, counts.would_drop, counts.would_allow].map(readable::number);
    let connections = if counts.matched == 1 {
        "connection"
    } else {
        "connections"
    };
    format!(
        "would decide {matched} {connections} since {since}, of which it would drop {would_drop} that \
         passed and allow {would_allow} that were denied; last {}",
        TimeFormat::StampMilli.show(counts.last_hit)
    )
}

fn rule(rule: &RuleRef) -> String {
    let RuleRef {
        kind,
        namespace,
        name,
        file,
        line,
        ..
    } = rule;
    format!("{} ({file}:{line})", joined([kind, namespace, name]))
}

fn cause(policy: &PolicyRef) -> String {
    let PolicyRef {
        kind,
        namespace,
        name,
        file,
        line,
    } = policy;
    format!("{} ({file}:{line})", joined([kind, namespace, name]))
}

fn joined(parts: [&String; 3]) -> String {
    let parts: Vec<&str> = parts
        .into_iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use flowd_proto::Timestamp;
    use flowd_proto::flowd::v1::ShadowVerdict;

    use super::*;
    use crate::print::Paint;

    #[test]
    fn what_was_never_matched_says_so() {
        let mut counts = ShadowCounts {
            since: Some(Timestamp::from_unix_nanos(1_000_000_000)),
            ..ShadowCounts::default()
        };
        let nothing = shadow_counts(Some(&counts));
        assert_eq!(nothing, "matched nothing yet since Jan  1 00:00:01.000");
        counts.matched = 1;
        counts.would_drop = 1;
        let one = shadow_counts(Some(&counts));
        assert!(one.starts_with("would decide 1 connection since"), "{one}");
    }

    #[test]
    fn a_would_be_verdict_names_its_rule_or_its_default_deny() {
        let style = Style {
            node_name: false,
            policy_names: true,
            time: TimeFormat::StampMilli,
            numeric: false,
            names: false,
            process: false,
            paint: Paint::NONE,
        };
        let mut extension = FlowExtension {
            shadow: Some(ShadowVerdict {
                verdict: Verdict::Dropped.into(),
                default_denied_by: vec![PolicyRef {
                    kind: "NetworkPolicy".into(),
                    namespace: "shop".into(),
                    name: "db".into(),
                    file: "db.yaml".into(),
                    line: 3,
                }],
                ..ShadowVerdict::default()
            }),
            shadow_changed: true,
            ..FlowExtension::default()
        };
        let told = |extension: &FlowExtension| verdict(extension, style).expect("told");
        assert_eq!(
            told(&extension),
            "shadow: would DROP by default deny of NetworkPolicy/shop/db (db.yaml:3)"
        );
        extension.shadow_changed = false;
        assert!(told(&extension).starts_with("shadow: would DROP too by"));
        assert_eq!(verdict(&FlowExtension::default(), style), None);
    }
}
