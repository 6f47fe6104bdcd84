//! Questions about policies, answered without a daemon: who may talk to whom in a world that is
//! written down.

mod case;
mod world;

use flowd_abi::Direction;
use serde::Serialize;

use crate::{
    diagnostic::Diagnostic,
    evaluate::{Answer, Peer, Query, evaluate},
    parse::report::Report,
    set::PolicySet,
    subject::Subject,
    yaml,
};
pub use case::{Case, Expectation, Expected, ExpectedEnd};
use world::{End, Is};
pub use world::{Named, WrittenWorld};

/// What is answered to a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaseAnswer {
    /// The case's id.
    pub id: String,
    /// What the sender's policies say.
    pub egress: EndAnswer,
    /// What the receiver's policies say.
    pub ingress: EndAnswer,
    /// Whether both let it pass.
    pub allowed: bool,
}

impl CaseAnswer {
    /// Where the answer differs from what the author of `case` expects, in words.
    pub fn differences(&self, case: &Case) -> Vec<String> {
        let mut differences = Vec::new();
        if let Some(expected) = case.expect.verdict
            && (expected == Expected::Allowed) != self.allowed
        {
            let (wanted, got) = if self.allowed {
                ("denied", "allowed")
            } else {
                ("allowed", "denied")
            };
            differences.push(format!("expected {wanted}, is {got}"));
        }
        for (name, expected, answer) in [
            ("egress", &case.expect.egress, &self.egress),
            ("ingress", &case.expect.ingress, &self.ingress),
        ] {
            let Some(expected) = expected else { continue };
            if let Some(verdict) = expected.verdict
                && verdict != answer.verdict
            {
                let (wanted, got) = (verdict.name(), answer.verdict.name());
                differences.push(format!("{name} expected {wanted}, is {got}"));
            }
            if let Some(policies) = &expected.policies
                && *policies != answer.policies
            {
                let list = |names: &[String]| match names {
                    [] => "nobody".to_owned(),
                    names => names.join(", "),
                };
                let (wanted, got) = (list(policies), list(&answer.policies));
                differences.push(format!("{name} expected of {wanted}, is of {got}"));
            }
        }
        differences
    }
}

/// What the policies of one end say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndAnswer {
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub reason: &'static str,
    /// The deciding policies, `kind/namespace/name`, sorted.
    pub policies: Vec<String>,
}

/// The verdict of one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It may pass.
    Allowed,
    /// It may not.
    Denied,
    /// No policy is asked.
    Unenforced,
}

impl Verdict {
    /// The verdict as it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Unenforced => "unenforced",
        }
    }
}

impl WrittenWorld {
    /// Reads a world: `namespaces`, `endpoints`, `nodes`, `services`, `externals`.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn read(file: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        read(file, text, world::read)
    }

    /// What `policies` say about `case`.
    ///
    /// # Errors
    /// When the case names an end this world does not know.
    pub fn ask(&self, policies: &PolicySet, case: &Case) -> Result<CaseAnswer, Diagnostic> {
        let from = self
            .end(&case.from, case)
            .ok_or_else(|| case.unknown(&case.from))?;
        let to = self
            .end(&case.to, case)
            .ok_or_else(|| case.unknown(&case.to))?;
        let egress = one_end(policies, case, Direction::Egress, &from, &to);
        let ingress = one_end(policies, case, Direction::Ingress, &to, &from);
        let allowed = [&egress, &ingress]
            .iter()
            .all(|end| end.verdict != Verdict::Denied);
        Ok(CaseAnswer {
            id: case.id.clone(),
            egress,
            ingress,
            allowed,
        })
    }
}

impl Case {
    /// Reads a list of cases.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn read(file: &str, text: &str) -> Result<Vec<Self>, Vec<Diagnostic>> {
        read(file, text, case::read)
    }
}

fn read<T: Default>(
    file: &str,
    text: &str,
    document: fn(&Report, &yaml::Node) -> Option<T>,
) -> Result<T, Vec<Diagnostic>> {
    let report = Report::new(file);
    let mut read = None;
    match yaml::documents(text) {
        Ok(documents) => match documents.as_slice() {
            [] => read = Some(T::default()),
            [one] => read = document(&report, one),
            [_, second, ..] => report.error(
                second.place,
                "",
                "is a second document".to_owned(),
                "write one document".to_owned(),
            ),
        },
        Err(broken) => report.error(broken.place, "", broken.message, String::new()),
    }
    let errors = report.into_errors();
    match read {
        Some(read) if errors.is_empty() => Ok(read),
        Some(_) | None => Err(errors),
    }
}

fn one_end(
    policies: &PolicySet,
    case: &Case,
    direction: Direction,
    subject: &End<'_>,
    peer: &End<'_>,
) -> EndAnswer {
    let receiver = match direction {
        Direction::Ingress => subject,
        Direction::Egress => peer,
    };
    let who = match subject.is {
        Is::Workload => Subject::Endpoint {
            labels: subject.labels,
        },
        Is::Node => Subject::Node {
            labels: subject.labels,
        },
        Is::Other => {
            return EndAnswer {
                verdict: Verdict::Unenforced,
                reason: "not a workload",
                policies: Vec::new(),
            };
        }
    };
    let answer = evaluate(
        policies.policies(),
        &Query {
            subject: who,
            direction,
            peer: Peer {
                labels: peer.labels,
                address: peer.address,
            },
            protocol: case.protocol,
            port: case.port,
            named_ports: receiver.named_ports,
            options: policies.options(),
        },
    );
    let rules = |rules: &[crate::reference::RuleRef]| {
        rules.iter().map(|rule| rule.policy.to_string()).collect()
    };
    let (verdict, reason, mut policies): (_, _, Vec<String>) = match &answer {
        Answer::Allowed(list) => (Verdict::Allowed, "allowed by a rule", rules(list)),
        Answer::Denied(list) => (Verdict::Denied, "denied by a rule", rules(list)),
        Answer::AllowedByDefault => (
            Verdict::Allowed,
            "no policy asks for default deny",
            Vec::new(),
        ),
        Answer::DefaultDenied(list) => (
            Verdict::Denied,
            "no rule allows it",
            list.iter().map(ToString::to_string).collect(),
        ),
        Answer::Unenforced => (
            Verdict::Unenforced,
            match subject.is {
                Is::Workload | Is::Other => "no policy selects the workload",
                Is::Node => "no policy selects the node",
            },
            Vec::new(),
        ),
    };
    policies.sort();
    policies.dedup();
    EndAnswer {
        verdict,
        reason,
        policies,
    }
}
