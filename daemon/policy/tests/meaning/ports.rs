//! Which protocols and ports a rule is about.

use flowd_abi::{
    Direction,
    protocol::{ICMP, ICMPV6, SCTP, TCP, UDP},
};

use crate::{WEB, asked, ingress};

#[test]
fn ports_and_protocols() {
    let api = &["shop/api"];
    let ports = |ports: &str| {
        ingress(&format!(
            "ingress: [{{fromEndpoints: [{{}}], toPorts: [{{ports: [{ports}]}}]}}]"
        ))
    };
    ports("{port: '80'}")
        .allows(api, WEB)
        .allows(api, (UDP, 80))
        .allows(api, (SCTP, 80))
        .denies(api, (ICMP, 80))
        .denies(api, (TCP, 81));
    ports("{port: '80', protocol: tcp}")
        .allows(api, WEB)
        .denies(api, (UDP, 80));
    ports("{port: '0', protocol: UDP}")
        .allows(api, (UDP, 9))
        .denies(api, (TCP, 9));
    ports("{port: '0'}")
        .allows(api, (SCTP, 9))
        .denies(api, (ICMP, 8))
        .denies(api, (47, 0));
    ports("{port: '80', endPort: 90}")
        .allows(api, (TCP, 80))
        .allows(api, (TCP, 90))
        .denies(api, (TCP, 91));
    ports("{port: '80', endPort: 0}")
        .allows(api, WEB)
        .denies(api, (TCP, 81));
    ports("{port: '80', endPort: 70}")
        .allows(api, WEB)
        .denies(api, (TCP, 75))
        .denies(api, (TCP, 81));
    ports("{port: '0', endPort: 70}").allows(api, (TCP, 75));
    ingress("ingress: [{fromEndpoints: [{}]}]")
        .allows(api, (47, 0))
        .allows(api, (ICMP, 8));
    ingress("ingress: [{fromEndpoints: [{}], toPorts: []}]").allows(api, (ICMP, 8));
}

#[test]
fn named_ports() {
    let api = &["shop/api"];
    for (direction, far) in [("ingress", "from"), ("egress", "to")] {
        let named = |name: &str, protocol: &str| {
            let side = if far == "from" {
                Direction::Ingress
            } else {
                Direction::Egress
            };
            let fields = format!(
                "{direction}: [{{{far}Endpoints: [{{}}], toPorts: [{{ports: [{{port: {name}, protocol: {protocol}}}]}}]}}]"
            );
            asked("CiliumNetworkPolicy", side, &fields)
        };
        named("web", "TCP")
            .allows(api, WEB)
            .denies(api, (TCP, 81))
            .denies(api, (UDP, 80));
        named("WEB", "ANY").allows(api, WEB).denies(api, (UDP, 80));
        named("dns", "ANY")
            .allows(api, (UDP, 53))
            .denies(api, (TCP, 53));
        named("nobody", "ANY").denies(api, WEB);
    }
}

#[test]
fn icmp_types() {
    let api = &["shop/api"];
    let types = |fields: &str| ingress(&format!("ingress: [{{icmps: [{{fields: [{fields}]}}]}}]"));
    types("{type: 8}")
        .allows(api, (ICMP, 8))
        .denies(api, (ICMP, 0))
        .denies(api, (ICMPV6, 8));
    types("{type: EchoRequest}").allows(api, (ICMP, 8));
    types("{type: EchoReply}")
        .allows(api, (ICMP, 0))
        .denies(api, (ICMP, 8));
    types("{family: IPv6, type: EchoRequest}")
        .allows(api, (ICMPV6, 128))
        .denies(api, (ICMP, 8));
    types("{type: 8}").denies(api, (TCP, 8));
}
