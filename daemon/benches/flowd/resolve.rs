//! What resolving costs in a large cluster: the first plan, and one change after another.

use std::{error::Error, sync::Arc, time::Instant};

use flowd::{
    endpoints,
    resolve::{Guarded, Inputs, Numbers, Resolver},
};
use flowd_policy::{Policy, parse};

use crate::summary::{Summary, Target, median};

const NAMESPACES: usize = 200;
/// Label sets of a namespace.
const APPS: usize = 8;
/// Endpoints of a namespace.
const REPLICAS: usize = 50;
const POLICIES: usize = 5_000;
/// Changes of each kind that are timed.
const CHANGES: usize = 40;

/// Measures the first plan, and one change of each kind.
pub(crate) fn measure(summary: &mut Summary) -> Result<(), Box<dyn Error>> {
    let mut inputs = Inputs {
        endpoints: endpoints()?,
        policies: policies()?.into_iter().collect(),
        host: vec!["10.255.0.1".parse()?],
    };
    let mut firsts = Vec::new();
    let mut resolver = Resolver::new(Numbers::fresh(0));
    for _ in 0..5 {
        resolver = Resolver::new(Numbers::fresh(0));
        firsts.push(time(&mut resolver, &inputs)? / 1e3);
    }
    let plan = resolver.plan();
    let entries: usize = plan
        .policies
        .values()
        .map(|policy| policy.compiled.entries.len())
        .sum();
    let world = format!(
        "{} endpoints of {} label sets in {NAMESPACES} namespaces, {POLICIES} policies, {} classes, \
         {entries} entries",
        plan.endpoints.len(),
        NAMESPACES * APPS,
        inputs.policies.prefixes().len(),
    );
    summary.put(
        "resolve",
        "first_seconds",
        median(&firsts),
        Target::AtMost(1.0),
        &format!("inputs -> plan, median of 5; {world}"),
    );
    for (key, kind) in KINDS {
        let mut times = Vec::new();
        for number in 0..CHANGES {
            kind(&mut inputs, number)?;
            times.push(time(&mut resolver, &inputs)?);
            // The plan after it forgets what is gone.
            time(&mut resolver, &inputs)?;
        }
        times.sort_by(f64::total_cmp);
        let method = format!(
            "changed inputs -> plan, in one thread; median of {CHANGES}, the worst {:.1}; {world}",
            times.last().copied().unwrap_or_default()
        );
        let target = Target::AtMost(10.0);
        summary.put("resolve", key, median(&times), target, &method);
    }
    Ok(())
}

type Change = fn(&mut Inputs, usize) -> Result<(), Box<dyn Error>>;

const KINDS: [(&str, Change); 4] = [
    ("update_label_ms", relabel),
    ("update_policy_ms", change_policy),
    ("update_endpoint_added_ms", add),
    ("update_endpoint_removed_ms", remove),
];

/// Milliseconds.
fn time(resolver: &mut Resolver, inputs: &Inputs) -> Result<f64, Box<dyn Error>> {
    let begun = Instant::now();
    resolver.resolve(inputs)?;
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

/// A pod gets the label set of another app of its namespace, or one that nobody has.
fn relabel(inputs: &mut Inputs, number: usize) -> Result<(), Box<dyn Error>> {
    let place = (number * 257) % inputs.endpoints.len();
    let app = if number.is_multiple_of(2) {
        (number / 2) % APPS
    } else {
        APPS + number
    };
    inputs.endpoints[place] = endpoint(place / REPLICAS, place % REPLICAS, app)?;
    Ok(())
}

fn change_policy(inputs: &mut Inputs, number: usize) -> Result<(), Box<dyn Error>> {
    let changed = number * 113 % POLICIES;
    let text = policy(changed).replace("port: '8", "port: '9");
    let new =
        parse(&format!("{changed}.yaml"), &text).map_err(|findings| findings[0].to_string())?;
    let kept = inputs
        .policies
        .shared()
        .filter(|policy| policy.reference.name != format!("p{changed}"));
    inputs.policies = kept.cloned().chain(new.into_iter().map(Arc::new)).collect();
    Ok(())
}

fn add(inputs: &mut Inputs, number: usize) -> Result<(), Box<dyn Error>> {
    let new = endpoint(number * 7 % NAMESPACES, REPLICAS + number, number % APPS)?;
    inputs.endpoints.push(new);
    Ok(())
}

fn remove(inputs: &mut Inputs, number: usize) -> Result<(), Box<dyn Error>> {
    let place = (number * 263) % inputs.endpoints.len();
    inputs.endpoints.swap_remove(place);
    Ok(())
}

fn endpoints() -> Result<Vec<Guarded>, Box<dyn Error>> {
    (0..NAMESPACES * REPLICAS)
        .map(|place| endpoint(place / REPLICAS, place % REPLICAS, place % REPLICAS % APPS))
        .collect()
}

fn endpoint(namespace: usize, replica: usize, app: usize) -> Result<Guarded, Box<dyn Error>> {
    let number = namespace * 256 + replica;
    let tier = ["front", "middle", "back"][app % 3];
    let text = format!(
        "apiVersion: flowd.io/v1\nkind: Endpoint\nmetadata: {{name: app{app}-{replica}, namespace: \
         ns{namespace}, labels: {{app: app{app}, tier: {tier}, team: team{}}}}}\nspec:\n  addresses: \
         [10.{}.{}.{}, \"fd00::{number:x}\"]\n  attach: {{interface: v{number}}}\n  ports: [{{name: \
         http, port: 8080}}]\n",
        namespace % 20,
        number >> 16,
        number >> 8 & 255,
        number & 255,
    );
    let spec = endpoints::parse("e.yaml", &text)
        .map_err(|findings| findings[0].to_string())?
        .remove(0);
    let addresses = match &spec.addresses {
        endpoints::Addresses::Declared(addresses) => addresses.as_slice().into(),
        endpoints::Addresses::Discover => [].into(),
    };
    Ok(Guarded {
        device: format!("v{number}").into(),
        ifindex: 10 + u32::try_from(number)?,
        addresses,
        namespace: None,
        spec: Arc::new(spec),
    })
}

fn policies() -> Result<Vec<Arc<Policy>>, Box<dyn Error>> {
    let mut policies = Vec::new();
    for number in 0..POLICIES {
        let read = parse(&format!("{number}.yaml"), &policy(number))
            .map_err(|findings| findings[0].to_string())?;
        policies.extend(read.into_iter().map(Arc::new));
    }
    Ok(policies)
}

/// Most are of one namespace, with peers and ports; some name addresses, some namespaces, few are of
/// all namespaces.
fn policy(number: usize) -> String {
    let (namespace, of_namespace) = (number % NAMESPACES, number / NAMESPACES);
    let (app, other) = (of_namespace % APPS, (of_namespace * 3 + 1) % APPS);
    let port = 8_000 + number % 900;
    let ports = format!("toPorts: [{{ports: [{{port: '{port}', protocol: TCP}}]}}]");
    let document = |kind: &str, within: &str, spec: &str| {
        format!(
            "apiVersion: cilium.io/v2\nkind: {kind}\nmetadata: {{name: p{number}{within}}}\nspec: \
             {{endpointSelector: {{matchLabels: {{app: app{app}}}}}, {spec}}}\n"
        )
    };
    let within = format!(", namespace: ns{namespace}");
    let own = |spec: &str| document("CiliumNetworkPolicy", &within, spec);
    match number {
        // A handful for everybody.
        0..10 => document(
            "CiliumClusterwideNetworkPolicy",
            "",
            &format!(
                "egress: [{{toEndpoints: [{{matchLabels: {{'k8s:io.kubernetes.pod.namespace': ns{number}, app: app0}}}}], toPorts: [{{ports: [{{port: '53', protocol: ANY}}]}}]}}]"
            ),
        ),
        _ if number % 20 == 3 => own(&format!(
            "egress: [{{toCIDR: [198.{}.{}.0/24], {ports}}}]",
            18 + number % 2,
            number / 20
        )),
        _ if number % 20 == 7 => own(&format!(
            "ingress: [{{fromEndpoints: [{{matchLabels: {{'k8s:io.kubernetes.pod.namespace': ns{}}}}}], {ports}}}]",
            (namespace + 1) % NAMESPACES
        )),
        _ if number % 20 == 11 => own(&format!(
            "ingressDeny: [{{fromEndpoints: [{{matchLabels: {{tier: back}}}}], {ports}}}], ingress: [{{fromEntities: [cluster]}}]"
        )),
        _ if number.is_multiple_of(2) => own(&format!(
            "ingress: [{{fromEndpoints: [{{matchLabels: {{app: app{other}}}}}], {ports}}}]"
        )),
        _ => own(&format!(
            "egress: [{{toEndpoints: [{{matchLabels: {{app: app{other}}}}}], {ports}}}, {{toEntities: [host]}}]"
        )),
    }
}
