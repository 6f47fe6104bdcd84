//! `flowctl list`: nodes and namespaces.

use std::io::Write;
use std::time::Duration;

use flowd_proto::observer::observer_client::ObserverClient;
use flowd_proto::observer::{GetNamespacesRequest, GetNodesRequest, Namespace, Node};
use flowd_proto::relay::NodeState;
use tabwriter::TabWriter;

use super::{channel, print, print_json, unary};
use crate::args::{List, ListOutput, ServerArgs};
use crate::failure::Failure;
use crate::print::{clean, columns, readable};

pub(super) async fn run(server: &ServerArgs, what: List) -> Result<(), Failure> {
    let mut client = ObserverClient::new(channel(server).await?);
    match what {
        List::Nodes { output } => {
            let answer = client
                .get_nodes(unary(server, GetNodesRequest {}))
                .await?
                .into_inner();
            match output {
                ListOutput::Json => print_json(&answer),
                ListOutput::Table | ListOutput::Wide => {
                    print(&nodes(&answer.nodes, output == ListOutput::Wide)?)
                }
            }
        }
        List::Namespaces { output } => {
            let request = unary(server, GetNamespacesRequest {});
            let answer = client.get_namespaces(request).await?.into_inner();
            match output {
                ListOutput::Json => print_json(&answer),
                ListOutput::Table | ListOutput::Wide => {
                    print(&namespaces(&answer.namespaces, output == ListOutput::Wide)?)
                }
            }
        }
    }
}

fn aligned(rows: TabWriter<Vec<u8>>) -> Result<Vec<u8>, Failure> {
    rows.into_inner()
        .map_err(|error| Failure::Runtime(format!("cannot align: {error}")))
}

fn nodes(nodes: &[Node], wide: bool) -> Result<Vec<u8>, Failure> {
    let mut rows = columns();
    write!(rows, "NAME\tSTATUS\tAGE\tFLOWS/S\tCURRENT/MAX-FLOWS")?;
    writeln!(
        rows,
        "{}",
        if wide { "\tVERSION\tADDRESS\tTLS" } else { "" }
    )?;
    for node in nodes {
        let status = match node.state() {
            NodeState::NodeConnected => "Connected",
            NodeState::NodeUnavailable => "Unavailable",
            NodeState::NodeGone => "Gone",
            NodeState::NodeError => "Error",
            NodeState::UnknownNodeState => "Unknown",
        };
        let up = Duration::from_nanos(node.uptime_ns);
        let rate = match up.as_secs_f64() {
            0.0 => "N/A".to_owned(),
            seconds => format!("{:.2}", node.seen_flows as f64 / seconds),
        };
        let name = clean(&node.name);
        let held = readable::share(node.num_flows, node.max_flows);
        write!(
            rows,
            "{name}\t{status}\t{}\t{rate}\t{held}",
            readable::duration(up)
        )?;
        if wide {
            let tls = match &node.tls {
                Some(tls) if tls.enabled => "Enabled",
                Some(_) | None => "Disabled",
            };
            write!(
                rows,
                "\t{}\t{}\t{tls}",
                clean(&node.version),
                clean(&node.address)
            )?;
        }
        writeln!(rows)?;
    }
    aligned(rows)
}

fn namespaces(namespaces: &[Namespace], wide: bool) -> Result<Vec<u8>, Failure> {
    let mut rows = columns();
    writeln!(rows, "NAMESPACE{}", if wide { "\tCLUSTER" } else { "" })?;
    for Namespace { cluster, namespace } in namespaces {
        write!(rows, "{}", clean(namespace))?;
        if wide {
            write!(rows, "\t{}", clean(cluster))?;
        }
        writeln!(rows)?;
    }
    aligned(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_as_columns() {
        let node = Node {
            name: "k8s1".into(),
            version: "flowd v0.1.0".into(),
            address: "unix:///run/flowd/flowd.sock".into(),
            state: NodeState::NodeConnected.into(),
            uptime_ns: 3_600_000_000_000,
            num_flows: 2_031,
            max_flows: 4_095,
            seen_flows: 7_200,
            tls: None,
        };
        let text = |wide| {
            String::from_utf8(nodes(std::slice::from_ref(&node), wide).expect("ok")).expect("ok")
        };
        assert_eq!(
            text(false),
            "NAME   STATUS      AGE   FLOWS/S   CURRENT/MAX-FLOWS\n\
             k8s1   Connected   1h    2.00      2,031/4,095 (49.60%)\n"
        );
        assert!(text(true).contains("flowd v0.1.0   unix:///run/flowd/flowd.sock   Disabled\n"));
    }

    #[test]
    fn namespaces_as_a_column() {
        let shop = Namespace {
            cluster: "default".into(),
            namespace: "shop".into(),
        };
        assert_eq!(
            namespaces(std::slice::from_ref(&shop), false).expect("ok"),
            b"NAMESPACE\nshop\n"
        );
        assert_eq!(
            namespaces(&[shop], true).expect("ok"),
            b"NAMESPACE   CLUSTER\nshop        default\n"
        );
    }
}
