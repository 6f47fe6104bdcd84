//! Policies that once were, or easily could be, judged differently by the two engines.

use crate::check::agree;

fn policy(spec: &str) -> String {
    format!(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n\
         metadata: {{name: case, namespace: shop}}\nspec:\n  endpointSelector: {{}}\n{spec}"
    )
}

macro_rules! cases {
    ($($name:ident: $spec:literal,)+) => {
        $(
            #[test]
            fn $name() {
                let asked = agree(&policy($spec)).unwrap();
                assert!(asked.total() > 1_000);
            }
        )+
    };
}

cases! {
    deny_any_peer_beats_allow_of_one:
        "  ingress: [{fromEndpoints: [{matchLabels: {app: web}}]}]\n\
         \x20 ingressDeny: [{toPorts: [{ports: [{port: '80'}]}]}]\n",
    deny_of_one_beats_allow_any_port:
        "  ingress: [{toPorts: [{ports: [{port: '80'}]}]}]\n\
         \x20 ingressDeny: [{fromEndpoints: [{matchLabels: {app: web}}]}]\n",
    deny_world_beats_allow_of_a_block:
        "  egress: [{toCIDR: [10.0.0.0/8]}]\n  egressDeny: [{toEntities: [world]}]\n",
    deny_of_a_block_beats_allow_world:
        "  egress: [{toEntities: [world]}]\n  egressDeny: [{toCIDR: [10.1.0.0/16]}]\n",
    an_exception_may_be_allowed_by_another_rule:
        "  egress:\n  - toCIDRSet: [{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}]\n\
         \x20 - toCIDR: [10.1.2.0/24]\n",
    a_range_with_a_denied_middle:
        "  ingress: [{toPorts: [{ports: [{port: '1', endPort: 65535, protocol: TCP}]}]}]\n\
         \x20 ingressDeny: [{toPorts: [{ports: [{port: '79', endPort: 81, protocol: TCP}]}]}]\n",
    two_halves_denied_under_a_whole_allowed:
        "  ingress: [{toPorts: [{ports: [{port: '0', protocol: TCP}]}]}]\n\
         \x20 ingressDeny: [{toPorts: [{ports: [{port: '1', endPort: 32767, protocol: TCP}, \
         {port: '32768', endPort: 65535, protocol: TCP}]}]}]\n",
    icmp_echo_reply_is_not_every_type:
        "  ingress: [{icmps: [{fields: [{type: 0}]}]}]\n",
    only_deny_without_default_deny:
        "  enableDefaultDeny: {ingress: false}\n  ingressDeny: [{fromEntities: [world]}]\n",
    an_allow_of_all_outranks_the_default_allow:
        "  enableDefaultDeny: {ingress: false}\n  ingress: [{fromEntities: [all]}]\n",
    empty_peers_select_nobody:
        "  ingress: [{fromEndpoints: [], toPorts: [{ports: [{port: '80'}]}]}]\n",
    an_empty_rule_allows_nobody:
        "  ingress: [{}]\n  egress: [{}]\n",
    default_deny_of_a_direction_without_rules:
        "  enableDefaultDeny: {egress: true}\n  ingress: [{fromEntities: [all]}]\n",
}
