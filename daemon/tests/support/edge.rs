//! A node between two outside hosts, for policies for the node itself.

use std::{net::IpAddr, process::Command};

use flowd_proto::flow::Flow;
use flowd_testbed::{
    GATEWAY_V4, GATEWAY_V6, Namespace, World,
    traffic::{Conversation, Outcome, TcpEcho, ping, tcp_connect},
};

use super::{PATIENCE, SILENCE, Scene, put};

pub(crate) const SSH: u16 = 22;
pub(crate) const WEB: u16 = 8080;

/// A node between two outside hosts, guarded on both its devices.
pub(crate) struct Edge {
    pub(crate) scene: Scene,
    pub(crate) outside: World,
    pub(crate) elsewhere: World,
    _servers: Vec<TcpEcho>,
}

pub(crate) fn any() -> IpAddr {
    "::".parse().expect("an address")
}

/// Its addresses, seen from outside.
pub(crate) fn node_addresses() -> [IpAddr; 2] {
    [GATEWAY_V4.into(), GATEWAY_V6.into()]
}

/// A policy for every node.
pub(crate) fn policy(rules: &str) -> String {
    format!(
        "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {{name: edge}}\n\
         spec:\n  nodeSelector: {{matchLabels: {{role: edge}}}}\n  {rules}\n"
    )
}

/// Lets nobody in but by the port of ssh.
pub(crate) fn ssh_only() -> String {
    policy(
        "ingress: [{fromEntities: [world], toPorts: [{ports: [{port: \"22\", protocol: TCP}]}]}]",
    )
}

/// Lets nobody in.
pub(crate) fn nobody() -> String {
    policy("ingress: [{}]")
}

impl Edge {
    pub(crate) fn new() -> Self {
        let scene = Scene::configured("");
        let [outside, elsewhere] =
            ["outside", "elsewhere"].map(|name| scene.bed.world(name).expect("a host"));
        let edge = Self {
            _servers: [SSH, WEB]
                .map(|port| TcpEcho::start(scene.bed.node(), any(), port).expect("listens"))
                .into(),
            scene,
            outside,
            elsewhere,
        };
        let devices = format!("[{}, {}]", edge.outside.interface, edge.elsewhere.interface);
        edge.configure(&devices);
        edge
    }

    pub(crate) fn configure(&self, devices: &str) {
        let config = format!("host: {{devices: {devices}, labels: {{role: edge}}}}\n");
        put(&self.scene.directory.path().join("flowd.yaml"), &config);
    }

    pub(crate) fn launched() -> Self {
        let mut edge = Self::new();
        edge.scene.launch();
        edge
    }

    pub(crate) fn node(&self) -> &Namespace {
        self.scene.bed.node()
    }

    pub(crate) fn reaches(&self, port: u16) -> [bool; 2] {
        node_addresses().map(|address| connects(&self.outside.namespace, address, port))
    }

    pub(crate) fn talk(&self, port: u16) -> Conversation {
        Conversation::open(&self.outside.namespace, GATEWAY_V4, port, PATIENCE).expect("open")
    }

    pub(crate) fn offline(&self, switch: &str) {
        let flowd = &self.scene.flowd;
        let output = Command::new(env!("CARGO_BIN_EXE_flowd"))
            .args(["break-glass", switch, "--state"])
            .arg(flowd.state())
            .arg("--bpffs")
            .arg(flowd.bpffs())
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{output:?}");
    }
}

pub(crate) fn connects(from: &Namespace, to: IpAddr, port: u16) -> bool {
    tcp_connect(from, to, port, SILENCE).expect("a try") == Outcome::Connected
}

/// Of one ping.
pub(crate) fn answers(from: &Namespace, to: IpAddr) -> u32 {
    ping(from, to, 1).expect("it runs")
}

pub(crate) fn reason(flow: &Flow) -> String {
    flow.extension().expect("flowd's own words").reason
}
