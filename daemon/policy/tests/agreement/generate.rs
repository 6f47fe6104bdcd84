//! Random policies as text, drawn from few enough values that rules often meet.

use proptest::{
    bool::weighted,
    collection::vec,
    option,
    prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof},
    sample::select,
};

use crate::generate_cluster;

/// How a file says that the host is always let in.
pub(crate) const LOCALHOST: &str = "# allow_localhost\n";

#[derive(Clone, Debug)]
struct Policy {
    namespace: Option<&'static str>,
    nodes: bool,
    subject: &'static str,
    rules: Vec<Rule>,
    default_deny: (Option<bool>, Option<bool>),
}

/// Documents of Kubernetes NetworkPolicies: type, peers and ports of one rule each.
const NETWORK_POLICIES: [&str; 8] = [
    "{egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}, {podSelector: {matchLabels: {app: api}}}], ports: [{port: web}]}]}",
    "{ingress: [{}]}",
    "{policyTypes: [Ingress, Egress]}",
    "{podSelector: {matchLabels: {app: web}}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.2.0/24]}}]}]}",
    "{egress: [{to: [{ipBlock: {cidr: '2001:db8::/32'}}, {podSelector: {}}], ports: [{port: 80, endPort: 443}]}]}",
    "{ingress: [{from: [{ipBlock: {cidr: 10.1.0.0/16}}], ports: [{port: web}, {protocol: UDP}]}]}",
    "{ingress: [{from: [{namespaceSelector: {}}, {ipBlock: {cidr: 0.0.0.0/0, except: [10.1.2.3/32]}}]}]}",
    "{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [db]}]}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: bank}}, podSelector: {matchLabels: {app: web}}}]}]}",
];

#[derive(Clone, Debug)]
struct Rule {
    ingress: bool,
    deny: bool,
    peers: Peers,
    destinations: Destinations,
}

#[derive(Clone, Debug)]
enum Peers {
    Absent,
    Listed(&'static str, Vec<String>),
}

#[derive(Clone, Debug)]
enum Destinations {
    Absent,
    Ports(Vec<(String, Option<u16>, &'static str)>),
    Icmp(Vec<(&'static str, u8)>),
}

const SELECTORS: [&str; 14] = [
    "{}",
    "{matchLabels: {app: web}}",
    "{matchLabels: {'k8s:app': api}}",
    "{matchLabels: {'any:app': db, tier: back}}",
    "{matchExpressions: [{key: app, operator: NotIn, values: [web, db]}]}",
    "{matchExpressions: [{key: app, operator: In, values: [web, api]}]}",
    "{matchExpressions: [{key: tier, operator: Exists}]}",
    "{matchExpressions: [{key: tier, operator: DoesNotExist}]}",
    "{matchLabels: {'k8s:io.kubernetes.pod.namespace': bank}}",
    "{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: Exists}]}",
    "{matchLabels: {'io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name': shop}}",
    "{matchLabels: {'reserved:world': ''}}",
    "{matchLabels: {'$host': ''}}",
    "{matchExpressions: [{key: 'reserved:host', operator: DoesNotExist}]}",
];

const ENTITIES: [&str; 11] = [
    "all",
    "world",
    "cluster",
    "host",
    "remote-node",
    "kube-apiserver",
    "health",
    "init",
    "ingress",
    "unmanaged",
    "none",
];

/// Nodes by their labels.
const NODES: [&str; 3] = [
    "{}",
    "{matchLabels: {role: edge}}",
    "{matchExpressions: [{key: role, operator: NotIn, values: [edge]}]}",
];

const CIDRS: [&str; 9] = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.2.0/24",
    "10.1.2.3",
    "192.0.2.0/25",
    "::/0",
    "2001:db8::/32",
    "2001:db8:1::1",
];

/// Blocks with exceptions inside them.
const SETS: [&str; 6] = [
    "{cidr: 0.0.0.0/0, except: [10.0.0.0/8]}",
    "{cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.1.2.3/32]}",
    "{cidr: 10.1.0.0/16, except: [10.1.2.0/24]}",
    "{cidr: 10.1.2.0/24, except: [10.1.2.0/24]}",
    "{cidr: '::/0', except: ['2001:db8::/32']}",
    "{cidr: '2001:db8::/32'}",
];

/// Ports at which ranges start, end or nearly do.
pub(crate) const PORTS: [u16; 9] = [0, 1, 79, 80, 81, 443, 1024, 32768, 65535];

/// ICMP types, with the one whose number is that of "every port".
pub(crate) const ICMP_TYPES: [u8; 4] = [0, 3, 8, 128];

pub(crate) fn file() -> impl Strategy<Value = String> {
    let kubernetes = vec(select(&NETWORK_POLICIES[..]), 0..2);
    (
        vec(policy(), 1..5),
        kubernetes,
        weighted(0.2),
        generate_cluster::policies(),
    )
        .prop_map(|(policies, kubernetes, localhost, cluster)| {
            let network_policy = |(index, spec): (usize, &str)| {
                format!(
                    "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
                 metadata: {{name: k{index}, namespace: shop}}\nspec: {spec}\n"
                )
            };
            let kubernetes: String = kubernetes
                .into_iter()
                .enumerate()
                .map(network_policy)
                .collect();
            let localhost = if localhost { LOCALHOST } else { "" };
            localhost.to_owned() + &text(&policies) + &kubernetes + &cluster
        })
}

fn policy() -> impl Strategy<Value = Policy> {
    let namespace = prop_oneof![4 => Just(Some("shop")), 1 => Just(Some("bank")), 2 => Just(None)];
    let default_deny = (rarely(any::<bool>()), rarely(any::<bool>()));
    (
        namespace,
        select(&SELECTORS[..9]),
        vec(rule(), 1..5),
        default_deny,
        weighted(0.4),
    )
        .prop_map(|(namespace, subject, rules, default_deny, nodes)| Policy {
            namespace,
            nodes: nodes && namespace.is_none(),
            subject,
            rules,
            default_deny,
        })
}

fn rarely<S: Strategy>(strategy: S) -> impl Strategy<Value = Option<S::Value>> {
    option::weighted(0.3, strategy)
}

fn rule() -> impl Strategy<Value = Rule> {
    (any::<bool>(), weighted(0.3), peers(), destinations()).prop_map(
        |(ingress, deny, peers, destinations)| Rule {
            ingress,
            deny,
            peers,
            destinations,
        },
    )
}

fn peers() -> BoxedStrategy<Peers> {
    let listed = |kind: &'static str, values: &'static [&'static str]| {
        vec(select(values).prop_map(str::to_owned), 0..4)
            .prop_map(move |values| Peers::Listed(kind, values))
    };
    prop_oneof![
        1 => Just(Peers::Absent),
        4 => listed("Endpoints", &SELECTORS),
        2 => listed("Entities", &ENTITIES),
        1 => listed("Nodes", &NODES),
        2 => listed("CIDR", &CIDRS),
        2 => listed("CIDRSet", &SETS),
    ]
    .boxed()
}

fn destinations() -> BoxedStrategy<Destinations> {
    let protocol = || select(&["TCP", "UDP", "SCTP", "ANY"][..]);
    let number = (select(&PORTS[..]), rarely(select(&PORTS[..])), protocol())
        .prop_map(|(port, end, protocol)| (port.to_string(), end, protocol));
    let name = (select(&["web", "dns", "WEB", "nobody"][..]), protocol())
        .prop_map(|(name, protocol)| (name.to_owned(), None, protocol));
    let port = prop_oneof![5 => number, 2 => name];
    let icmp = (select(&["IPv4", "IPv6"][..]), select(&ICMP_TYPES[..]));
    prop_oneof![
        3 => Just(Destinations::Absent),
        6 => vec(port, 1..5).prop_map(Destinations::Ports),
        2 => vec(icmp, 1..3).prop_map(Destinations::Icmp),
    ]
    .boxed()
}

/// The policies as one file.
fn text(policies: &[Policy]) -> String {
    policies
        .iter()
        .enumerate()
        .map(|(index, policy)| document(index, policy))
        .collect()
}

fn document(index: usize, policy: &Policy) -> String {
    let (kind, namespace) = match policy.namespace {
        Some(namespace) => ("CiliumNetworkPolicy", format!(", namespace: {namespace}")),
        None => ("CiliumClusterwideNetworkPolicy", String::new()),
    };
    let mut text = format!(
        "---\napiVersion: cilium.io/v2\nkind: {kind}\nmetadata: {{name: p{index}{namespace}}}\n\
         spec:\n  {}: {}\n",
        if policy.nodes {
            "nodeSelector"
        } else {
            "endpointSelector"
        },
        policy.subject
    );
    let (ingress, egress) = policy.default_deny;
    for (name, value) in [("ingress", ingress), ("egress", egress)] {
        if let Some(value) = value {
            if !text.contains("enableDefaultDeny") {
                text.push_str("  enableDefaultDeny:\n");
            }
            text.push_str(&format!("    {name}: {value}\n"));
        }
    }
    for (list, ingress, deny) in [
        ("ingress", true, false),
        ("ingressDeny", true, true),
        ("egress", false, false),
        ("egressDeny", false, true),
    ] {
        let rules: Vec<_> = policy
            .rules
            .iter()
            .filter(|rule| (rule.ingress, rule.deny) == (ingress, deny))
            .collect();
        if !rules.is_empty() {
            text.push_str(&format!("  {list}:\n"));
        }
        for rule in rules {
            text.push_str(&format!("  - {{{}}}\n", fields(rule)));
        }
    }
    text
}

fn fields(rule: &Rule) -> String {
    let mut fields = Vec::new();
    if let Peers::Listed(kind, values) = &rule.peers {
        let way = if rule.ingress { "from" } else { "to" };
        let quoted = |value: &String| match *kind {
            "Entities" | "CIDR" => format!("'{value}'"),
            _ => value.clone(),
        };
        let values: Vec<String> = values.iter().map(quoted).collect();
        fields.push(format!("{way}{kind}: [{}]", values.join(", ")));
    }
    match &rule.destinations {
        Destinations::Absent => {}
        Destinations::Ports(ports) => {
            let port = |(port, end, protocol): &(String, Option<u16>, &str)| {
                let end = end
                    .map(|end| format!(", endPort: {end}"))
                    .unwrap_or_default();
                format!("{{port: '{port}'{end}, protocol: {protocol}}}")
            };
            let ports: Vec<String> = ports.iter().map(port).collect();
            fields.push(format!("toPorts: [{{ports: [{}]}}]", ports.join(", ")));
        }
        Destinations::Icmp(types) => {
            let types: Vec<String> = types
                .iter()
                .map(|(family, number)| format!("{{family: {family}, type: {number}}}"))
                .collect();
            fields.push(format!("icmps: [{{fields: [{}]}}]", types.join(", ")));
        }
    }
    fields.join(", ")
}
