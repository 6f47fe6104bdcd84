//! The policy of the demo, from its text to verdicts.

use std::collections::BTreeMap;

use flowd_abi::{Action, Direction, protocol};
use flowd_policy::{
    Compiled, MatchType, PolicySet, RuleTable, Subject, Target, World, cidr, compile, labels, parse,
};

const SHOP: &str = r#"
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: backend
  namespace: shop
spec:
  endpointSelector:
    matchLabels:
      app: backend
  ingress:
    - fromEndpoints:
        - matchLabels:
            app: frontend
      toPorts:
        - ports:
            - port: "8080"
              protocol: TCP
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: out
  namespace: shop
spec:
  endpointSelector: {}
  egress:
    - toCIDRSet:
        - cidr: 192.0.2.0/24
          except: [192.0.2.128/25]
"#;

const FRONTEND: u32 = 256;
const BACKEND: u32 = 257;

struct Shop {
    compiled: Compiled,
    rules: RuleTable,
    world: World,
}

fn shop() -> Shop {
    let policies: PolicySet = parse("shop.yaml", SHOP).unwrap().into_iter().collect();
    let mut world = World::new();
    world.insert(
        FRONTEND,
        labels::for_endpoint("shop", [("app", "frontend")]).unwrap(),
    );
    world.insert(
        BACKEND,
        labels::for_endpoint("shop", [("app", "backend")]).unwrap(),
    );
    world.set_classes(
        (0x0100_0000..)
            .zip(policies.prefixes())
            .collect::<BTreeMap<_, _>>(),
    );
    let mut rules = RuleTable::new();
    let backend = world.identities()[&BACKEND].clone();
    let subject = Subject::Endpoint { labels: &backend };
    let compiled = compile(&policies, subject, &mut world, &mut rules).unwrap();
    Shop {
        compiled,
        rules,
        world,
    }
}

#[test]
fn frontend_reaches_backend_on_8080_and_nothing_else() {
    let Shop {
        compiled, rules, ..
    } = shop();
    let ingress = compiled.direction(Direction::Ingress).unwrap();
    let target = |identity, protocol, port| Target {
        identity,
        class: 0,
        protocol,
        port,
    };
    let hit = ingress
        .lookup(target(FRONTEND, protocol::TCP, 8080))
        .unwrap();
    assert_eq!(
        (hit.action, hit.match_type),
        (Action::Allow, MatchType::L3L4)
    );
    let [rule] = rules.get(hit.rule).unwrap() else {
        panic!("one rule")
    };
    assert_eq!(
        rule.to_string(),
        "CiliumNetworkPolicy/shop/backend spec.ingress[0] (shop.yaml:12)"
    );
    for (identity, protocol, port) in [
        (FRONTEND, protocol::TCP, 8081),
        (FRONTEND, protocol::UDP, 8080),
        (BACKEND, protocol::TCP, 8080),
        (2, protocol::TCP, 8080),
    ] {
        assert_eq!(ingress.lookup(target(identity, protocol, port)), None);
    }
    let names: Vec<String> = ingress
        .default_deny
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["CiliumNetworkPolicy/shop/backend"]);
}

#[test]
fn an_exception_is_no_part_of_its_block() {
    let Shop {
        compiled, world, ..
    } = shop();
    let egress = compiled.direction(Direction::Egress).unwrap();
    let reaches = |address: &str| {
        let class = cidr::class_of(world.classes(), address.parse().unwrap());
        let target = Target {
            identity: 2,
            class,
            protocol: protocol::TCP,
            port: 443,
        };
        egress.lookup(target).is_some()
    };
    assert!(reaches("192.0.2.1"));
    assert!(!reaches("192.0.2.129"));
    assert!(!reaches("198.51.100.1"));
}

#[test]
fn compiling_again_gives_the_same() {
    let (first, second) = (shop().compiled, shop().compiled);
    assert_eq!(first, second);
    assert_eq!(first.digest(), second.digest());
    assert_ne!(first.digest(), Compiled::default().digest());
}
