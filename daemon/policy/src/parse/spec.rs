//! One spec: its subject, what it denies by default, its four lists of rules.

use std::sync::Arc;

use flowd_abi::{Action, Direction};

use super::{
    field::{Field, Object},
    rule, selector,
};
use crate::{
    labels::Label,
    object::{Rule, Spec},
    reference::{Kind, PolicyRef},
    selector::Selector,
    subject::Subjects,
    syntax,
};

/// A longer log value than the language allows.
const MAX_LOG: usize = 32;

const FIELDS: [&str; 10] = [
    "endpointSelector",
    "nodeSelector",
    "ingress",
    "ingressDeny",
    "egress",
    "egressDeny",
    "enableDefaultDeny",
    "labels",
    "description",
    "log",
];

/// The four lists, in the order they are read.
const LISTS: [(&str, Direction, Action); 4] = [
    ("ingress", Direction::Ingress, Action::Allow),
    ("ingressDeny", Direction::Ingress, Action::Deny),
    ("egress", Direction::Egress, Action::Allow),
    ("egressDeny", Direction::Egress, Action::Deny),
];

/// What the rules of a spec have in common.
pub(super) struct Context<'a> {
    pub(super) policy: &'a Arc<PolicyRef>,
    pub(super) spec: Option<u32>,
    pub(super) subject: &'a Subjects,
    pub(super) log: Option<String>,
}

/// Reads a spec; `None` when something was reported about it.
pub(super) fn read(
    field: &Field<'_>,
    policy: &Arc<PolicyRef>,
    position: Option<u32>,
) -> Option<Spec> {
    let spec = field.object(&FIELDS, &[])?;
    let subject = subject(&spec, policy);
    if let Some(description) = spec.get("description") {
        description.text();
    }
    let everyone = Subjects::Endpoints(Selector::default());
    let context = Context {
        policy,
        spec: position,
        subject: subject.as_ref().unwrap_or(&everyone),
        log: spec.get("log").and_then(log),
    };
    let mut rules = Vec::new();
    for (name, direction, action) in LISTS {
        for (index, item) in (0..).zip(spec.items(name).unwrap_or_default()) {
            rules.extend(rule::read(&item, &context, direction, action, index));
        }
    }
    // Something wrong elsewhere may well be the rule that is missing here.
    if rules.is_empty() && !field.report().has_errors() {
        field.error(
            "has no rule",
            "give at least one of ingress, ingressDeny, egress, egressDeny an entry; `- {}` allows nothing",
        );
        return None;
    }
    finish(&spec, subject?, rules)
}

fn finish(spec: &Object<'_>, subject: Subjects, rules: Vec<Rule>) -> Option<Spec> {
    let has = |direction| {
        rules
            .iter()
            .any(|rule| rule.reference.direction == direction)
    };
    let (judges_ingress, judges_egress) = (has(Direction::Ingress), has(Direction::Egress));
    let (mut ingress, mut egress) = (judges_ingress, judges_egress);
    if let Some(field) = spec.get("enableDefaultDeny") {
        let asked = field.object(&["ingress", "egress"], &[])?;
        if let Some(field) = asked.get("ingress") {
            ingress = field.boolean()?;
        }
        if let Some(field) = asked.get("egress") {
            egress = field.boolean()?;
        }
    }
    Some(Spec {
        subject,
        default_deny_ingress: ingress,
        default_deny_egress: egress,
        judges_ingress: judges_ingress || ingress,
        judges_egress: judges_egress || egress,
        rules,
    })
}

/// The text the author wants in the flows the rules decide.
fn log(field: &Field<'_>) -> Option<String> {
    let object = field.object(&["value"], &[])?;
    let field = object.get("value")?;
    let value = field.text()?;
    let printable = |character: char| character == ' ' || character.is_ascii_graphic();
    if value.len() > MAX_LOG || !value.chars().all(printable) {
        field.error(
            format!("{:?} is not a log value", syntax::shorten(value)),
            format!("use at most {MAX_LOG} printable ASCII characters"),
        );
        return None;
    }
    Some(value.to_owned())
}

/// Workloads, or nodes.
fn subject(spec: &Object<'_>, policy: &PolicyRef) -> Option<Subjects> {
    let Some(nodes) = spec.get("nodeSelector") else {
        return endpoints(spec, policy).map(Subjects::Endpoints);
    };
    if spec.get("endpointSelector").is_some() {
        nodes.refuse(
            "cannot be combined with endpointSelector",
            "write two specs: one for the nodes, one for the workloads",
        );
        return None;
    }
    if policy.kind != Kind::CiliumClusterwideNetworkPolicy {
        nodes.refuse(
            "nodes are in no namespace",
            "make the policy a CiliumClusterwideNetworkPolicy, or use endpointSelector",
        );
        return None;
    }
    selector::read(nodes).map(Subjects::Nodes)
}

/// The workloads of a namespaced policy are always those of its namespace, unless it is about
/// endpoints that have no namespace yet.
fn endpoints(spec: &Object<'_>, policy: &PolicyRef) -> Option<Selector> {
    let field = spec.require(
        "endpointSelector",
        "write endpointSelector: {} to mean every endpoint",
    )?;
    let selector = selector::read(field)?;
    match (&policy.namespace, selector.names_reserved_key("init")) {
        (Some(namespace), false) => Some(selector::force_namespace(field, selector, namespace)),
        (Some(_), true) | (None, _) => Some(selector),
    }
}

/// The labels the author gives the rules, from `spec` and `specs`.
pub(super) fn user_labels(object: &Object<'_>) -> Vec<Label> {
    let mut specs: Vec<Field<'_>> = object.get("spec").cloned().into_iter().collect();
    if let Some(field) = object.get("specs")
        && let crate::yaml::Value::List(_) = field.value()
    {
        specs.extend(field.items().unwrap_or_default());
    }
    let mut labels = Vec::new();
    for spec in specs {
        let crate::yaml::Value::Object(_) = spec.value() else {
            continue;
        };
        let entries = spec.entries().unwrap_or_default();
        let found = entries.into_iter().find(|(name, _)| *name == "labels");
        let Some((_, field)) = found else { continue };
        if matches!(field.value(), crate::yaml::Value::Null) {
            continue;
        }
        labels.extend(field.items().unwrap_or_default().iter().filter_map(label));
    }
    labels
}

/// A label is an object, or its text `source:key=value`.
fn label(item: &Field<'_>) -> Option<Label> {
    if let crate::yaml::Value::Text(text) = item.value() {
        let label = Label::parse(text);
        return checked(item, label);
    }
    let object = item.object(&["key", "value", "source"], &[])?;
    let text = |name| object.get(name).map_or(Some(""), Field::text);
    let key = object.require("key", "a label needs a key")?.text()?;
    let source = match text("source")? {
        "" => "unspec",
        source => source,
    };
    checked(item, Label::new(source, key, text("value")?))
}

fn checked(item: &Field<'_>, label: Label) -> Option<Label> {
    match syntax::label_key(label.key()).and_then(|()| syntax::label_value(label.value())) {
        Ok(()) => Some(label),
        Err(reason) => {
            item.error("is not a label", reason);
            None
        }
    }
}
