//! Random ClusterNetworkPolicies as text: both tiers, few priorities, all actions.

use proptest::{
    collection::vec,
    option,
    prelude::{Strategy, any},
    sample::select,
};

/// How a rule of one direction calls its peers, and which it may have.
const SUBJECTS: [&str; 4] = [
    "{namespaces: {}}",
    "{namespaces: {matchLabels: {kubernetes.io/metadata.name: shop}}}",
    "{pods: {podSelector: {matchLabels: {app: web}}}}",
    "{pods: {namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, \
     operator: NotIn, values: [bank]}]}, podSelector: {}}}",
];

const WORKLOADS: [&str; 5] = [
    "{namespaces: {}}",
    "{namespaces: {matchLabels: {kubernetes.io/metadata.name: bank}}}",
    "{pods: {podSelector: {matchLabels: {app: db}}}}",
    "{pods: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}, \
     podSelector: {matchExpressions: [{key: tier, operator: Exists}]}}}",
    "{pods: {podSelector: {matchLabels: {app: web}}}}",
];

const OUTSIDE: [&str; 7] = [
    "{networks: [0.0.0.0/0]}",
    "{networks: [0.0.0.0/0, '::/0']}",
    "{networks: [10.0.0.0/8]}",
    "{networks: [10.1.2.0/24, '2001:db8::/32']}",
    "{networks: [10.1.2.3/32]}",
    "{nodes: {}}",
    "{nodes: {matchLabels: {role: edge}}}",
];

const PROTOCOLS: [&str; 6] = [
    "{tcp: {destinationPort: {number: 80}}}",
    "{tcp: {destinationPort: {range: {start: 79, end: 443}}}}",
    "{udp: {destinationPort: {range: {start: 1, end: 65535}}}}",
    "{sctp: {destinationPort: {number: 80}}}",
    "{tcp: {destinationPort: {range: {start: 1, end: 65535}}}}",
    "{destinationNamedPort: web}",
];

#[derive(Clone, Debug)]
struct Rule {
    ingress: bool,
    action: &'static str,
    workloads: Vec<&'static str>,
    outside: Vec<&'static str>,
    protocols: Vec<&'static str>,
}

fn rule() -> impl Strategy<Value = Rule> {
    (
        any::<bool>(),
        select(&["Accept", "Deny", "Pass", "Pass"][..]),
        vec(select(&WORKLOADS[..]), 1..3),
        vec(select(&OUTSIDE[..]), 0..3),
        option::weighted(0.5, vec(select(&PROTOCOLS[..]), 1..3)),
    )
        .prop_map(|(ingress, action, workloads, outside, protocols)| Rule {
            ingress,
            action,
            workloads,
            outside,
            protocols: protocols.unwrap_or_default(),
        })
}

/// Some of them, as documents of a file.
pub(crate) fn policies() -> impl Strategy<Value = String> {
    let policy = (
        select(&["Admin", "Admin", "Baseline"][..]),
        select(&[0, 7, 1000][..]),
        select(&SUBJECTS[..]),
        vec(rule(), 1..5),
    );
    vec(policy, 0..4).prop_map(|policies| {
        let document = |(index, (tier, priority, subject, rules)): (usize, _)| {
            let rules: Vec<Rule> = rules;
            format!(
                "---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\n\
                 metadata: {{name: c{index}}}\nspec:\n  tier: {tier}\n  priority: {priority}\n  \
                 subject: {subject}\n  ingress:\n{}  egress:\n{}",
                list(&rules, true),
                list(&rules, false)
            )
        };
        policies.into_iter().enumerate().map(document).collect()
    })
}

fn list(rules: &[Rule], ingress: bool) -> String {
    let rules = rules.iter().filter(|rule| rule.ingress == ingress);
    let rule = |rule: &Rule| {
        let far = if ingress { "from" } else { "to" };
        let named = rule.protocols.iter().any(|text| text.contains("Named"));
        let outside = if ingress || named {
            &[]
        } else {
            rule.outside.as_slice()
        };
        let peers = [rule.workloads.as_slice(), outside].concat().join(", ");
        let protocols = rule.protocols.join(", ");
        format!(
            "  - {{action: {}, {far}: [{peers}], protocols: [{protocols}]}}\n",
            rule.action
        )
    };
    rules.map(rule).collect()
}
