//! Why a flow was allowed or denied, for people.

use std::io::{self, Write};

use flowd_proto::Timestamp;
use flowd_proto::flow::TrafficDirection;
use flowd_proto::flowd::v1::{
    Excerpt, NearMiss, PolicyRef, RuleRef, WhyBasis, WhyEnd, WhyPolicy, WhyResponse, WhyRule,
    WhyShadow,
};

use super::{Ink, Paint, TimeFormat, clean, readable};

/// The answer.
///
/// # Errors
///
/// Never in practice: it is written into memory.
pub fn answer(answer: &WhyResponse, paint: Paint) -> io::Result<String> {
    let mut text = Vec::new();
    for note in &answer.notes {
        writeln!(text, "Note: {}", clean(note))?;
    }
    for (index, end) in answer.ends.iter().enumerate() {
        if index > 0 || !answer.notes.is_empty() {
            writeln!(text)?;
        }
        self::end(end, paint, &mut text)?;
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn end(end: &WhyEnd, paint: Paint, text: &mut Vec<u8>) -> io::Result<()> {
    let (side, arrow) = match end.direction() {
        TrafficDirection::Egress => ("Egress", "->"),
        TrafficDirection::Ingress => ("Ingress", "<-"),
        TrafficDirection::Unknown => ("Unknown direction", "--"),
    };
    let verdict = end.verdict();
    writeln!(
        text,
        "{side} of {} {arrow} {} {}: {} {}",
        paint.ink(Ink::Host, clean(&end.endpoint)),
        paint.ink(Ink::Host, clean(&end.peer)),
        paint.ink(Ink::Port, clean(&end.destination)),
        paint.ink(Ink::of(verdict), verdict.as_str_name()),
        clean(&end.reason)
    )?;
    writeln!(text, "  {}", basis(end))?;
    writeln!(text, "  {}", clean(&end.help))?;
    for note in &end.notes {
        writeln!(
            text,
            "  {}: {}",
            paint.ink(Ink::Notice, "Note"),
            clean(note)
        )?;
    }
    rules("Decided by", &end.rules, paint, text)?;
    deniers(
        "Denied unless allowed, because of",
        &end.default_denied_by,
        paint,
        text,
    )?;
    if let Some(shadow) = &end.shadow {
        self::shadow(shadow, paint, text)?;
    }
    rules(
        "Would be allowed, but a deny wins",
        &end.overridden,
        paint,
        text,
    )?;
    near_misses(&end.near_misses, paint, text)?;
    if !end.suggestion.is_empty() {
        heading("This policy would allow it", paint, text)?;
        block(&end.suggestion, text)?;
    }
    Ok(())
}

fn deniers(title: &str, deniers: &[WhyPolicy], paint: Paint, text: &mut Vec<u8>) -> io::Result<()> {
    if deniers.is_empty() {
        return Ok(());
    }
    heading(title, paint, text)?;
    for policy in deniers {
        writeln!(text, "    {}", denier(policy))?;
        for because in &policy.because {
            writeln!(text, "      {}", clean(because))?;
        }
    }
    Ok(())
}

fn shadow(shadow: &WhyShadow, paint: Paint, text: &mut Vec<u8>) -> io::Result<()> {
    let verdict = shadow.verdict();
    let from = match shadow.basis() {
        WhyBasis::Flow => "recorded with the flow",
        WhyBasis::Evaluation | WhyBasis::Unspecified => "what they say now",
    };
    let same = match shadow.changed {
        true => "not as enforced",
        false => "as enforced",
    };
    writeln!(
        text,
        "  With the shadow policies it would be {} {}: {same} ({from})",
        paint.ink(Ink::of(verdict), verdict.as_str_name()),
        clean(&shadow.reason)
    )?;
    rules("Would be decided by", &shadow.rules, paint, text)?;
    deniers(
        "Would be denied unless allowed, because of",
        &shadow.default_denied_by,
        paint,
        text,
    )
}

fn basis(end: &WhyEnd) -> String {
    let flow = end.flow.as_ref();
    match (end.basis(), flow) {
        (WhyBasis::Flow, Some(flow)) => format!(
            "It happened: {}, generation {}, flow {}",
            TimeFormat::StampMilli.show(flow.time),
            end.decided_generation,
            clean(&flow.uuid)
        ),
        (WhyBasis::Evaluation, _) => format!(
            "No such flow in the log: this is what the policies in force say (generation {})",
            end.current_generation
        ),
        (WhyBasis::Flow | WhyBasis::Unspecified, _) => "From where, is not said".to_owned(),
    }
}

fn heading(heading: &str, paint: Paint, text: &mut Vec<u8>) -> io::Result<()> {
    writeln!(text, "  {}", paint.ink(Ink::Heading, heading))
}

fn rules(title: &str, rules: &[WhyRule], paint: Paint, text: &mut Vec<u8>) -> io::Result<()> {
    if rules.is_empty() {
        return Ok(());
    }
    heading(title, paint, text)?;
    for rule in rules {
        let name = rule_name(rule.rule.as_ref(), &rule.path);
        writeln!(text, "    {name}{}", hits(rule.hits, rule.last_hit))?;
        if let Some(excerpt) = &rule.excerpt {
            self::excerpt(excerpt, text)?;
        }
    }
    Ok(())
}

fn excerpt(excerpt: &Excerpt, text: &mut Vec<u8>) -> io::Result<()> {
    for (line, number) in excerpt.yaml.lines().zip(excerpt.first_line..) {
        writeln!(text, "      {number:>4} | {}", clean(line))?;
    }
    if excerpt.truncated {
        writeln!(text, "           | ...")?;
    }
    if !excerpt.note.is_empty() {
        writeln!(text, "      ({})", clean(&excerpt.note))?;
    }
    Ok(())
}

fn near_misses(misses: &[NearMiss], paint: Paint, text: &mut Vec<u8>) -> io::Result<()> {
    if misses.is_empty() {
        return Ok(());
    }
    heading("Almost allowed by", paint, text)?;
    for near in misses {
        writeln!(text, "    {}", rule_name(near.rule.as_ref(), &near.path))?;
        for missed in &near.missed {
            writeln!(text, "      {}", clean(&missed.what))?;
            if !missed.hint.is_empty() {
                let hint = paint.ink(Ink::Notice, clean(&missed.hint));
                writeln!(text, "      {hint}")?;
            }
        }
    }
    Ok(())
}

fn block(yaml: &str, text: &mut Vec<u8>) -> io::Result<()> {
    for line in yaml.lines() {
        writeln!(text, "    {}", clean(line))?;
    }
    Ok(())
}

fn rule_name(rule: Option<&RuleRef>, path: &str) -> String {
    let Some(rule) = rule else {
        return clean(path).into_owned();
    };
    let name = name(&rule.kind, &rule.namespace, &rule.name);
    format!(
        "{name} {} ({}:{})",
        clean(path),
        clean(&rule.file),
        rule.line
    )
}

fn denier(denier: &WhyPolicy) -> String {
    let Some(PolicyRef {
        kind,
        namespace,
        name,
        file,
        line,
    }) = &denier.policy
    else {
        return "an unknown policy".to_owned();
    };
    let name = self::name(kind, namespace, name);
    let hits = hits(denier.hits, denier.last_hit);
    format!("{name} ({}:{line}){hits}", clean(file))
}

fn name(kind: &str, namespace: &str, name: &str) -> String {
    let parts = [kind, namespace, name];
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(clean)
        .collect();
    parts.join("/")
}

fn hits(hits: u64, last: Option<Timestamp>) -> String {
    if hits == 0 {
        return String::new();
    }
    let times = if hits == 1 { "hit" } else { "hits" };
    let (hits, last) = (readable::number(hits), TimeFormat::StampMilli.show(last));
    format!(", {hits} {times}, last {last}")
}

#[cfg(test)]
mod tests {
    use flowd_proto::flow::{Flow, Verdict};
    use flowd_proto::flowd::v1::{Missed, MissedField};

    use super::*;

    fn rule() -> RuleRef {
        RuleRef {
            kind: "CiliumNetworkPolicy".into(),
            namespace: "shop".into(),
            name: "db".into(),
            file: "db.yaml".into(),
            line: 6,
            ..RuleRef::default()
        }
    }

    #[test]
    fn a_denial_is_told_with_its_remedy() {
        let end = WhyEnd {
            direction: TrafficDirection::Ingress.into(),
            endpoint: "shop/db".into(),
            peer: "shop/web\u{1b}[2J".into(),
            destination: "TCP/5433".into(),
            basis: WhyBasis::Flow.into(),
            flow: Some(Flow {
                uuid: "u-1".into(),
                ..Flow::default()
            }),
            verdict: Verdict::Dropped.into(),
            reason: "default_denied".into(),
            help: "No rule allows it.".into(),
            decided_generation: 4,
            default_denied_by: vec![WhyPolicy {
                policy: Some(PolicyRef {
                    kind: "CiliumNetworkPolicy".into(),
                    namespace: "shop".into(),
                    name: "db".into(),
                    file: "db.yaml".into(),
                    line: 1,
                }),
                hits: 1_200,
                last_hit: None,
                because: vec!["spec has 1 ingress rule".into()],
            }],
            near_misses: vec![NearMiss {
                rule: Some(rule()),
                path: "spec.ingress[0]".into(),
                missed: vec![Missed {
                    field: MissedField::Port.into(),
                    what: "TCP port 5433 is not covered, only TCP/5432".into(),
                    hint: "5433 is 1 above 5432".into(),
                }],
            }],
            suggestion: "kind: CiliumNetworkPolicy\n".into(),
            notes: vec!["be careful".into()],
            ..WhyEnd::default()
        };
        let told = answer(
            &WhyResponse {
                ends: vec![end],
                ..WhyResponse::default()
            },
            Paint::NONE,
        );
        assert_eq!(
            told.expect("text"),
            "Ingress of shop/db <- shop/web^[[2J TCP/5433: DROPPED default_denied
  It happened: N/A, generation 4, flow u-1
  No rule allows it.
  Note: be careful
  Denied unless allowed, because of
    CiliumNetworkPolicy/shop/db (db.yaml:1), 1,200 hits, last N/A
      spec has 1 ingress rule
  Almost allowed by
    CiliumNetworkPolicy/shop/db spec.ingress[0] (db.yaml:6)
      TCP port 5433 is not covered, only TCP/5432
      5433 is 1 above 5432
  This policy would allow it
    kind: CiliumNetworkPolicy
"
        );
    }

    #[test]
    fn an_excerpt_has_its_line_numbers() {
        let end = WhyEnd {
            basis: WhyBasis::Evaluation.into(),
            rules: vec![WhyRule {
                rule: Some(rule()),
                path: "spec.ingress[0]".into(),
                excerpt: Some(Excerpt {
                    yaml: "- fromEntities:\n  - all\n".into(),
                    first_line: 6,
                    truncated: true,
                    changed: true,
                    note: "the file was changed".into(),
                }),
                ..WhyRule::default()
            }],
            ..WhyEnd::default()
        };
        let mut text = Vec::new();
        self::end(&end, Paint::NONE, &mut text).expect("written");
        let text = String::from_utf8(text).expect("text");
        assert!(
            text.ends_with(
                "  Decided by
    CiliumNetworkPolicy/shop/db spec.ingress[0] (db.yaml:6)
         6 | - fromEntities:
         7 |   - all
           | ...
      (the file was changed)
"
            ),
            "{text}"
        );
    }
}
