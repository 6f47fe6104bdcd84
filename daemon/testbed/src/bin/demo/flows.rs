//! The flows flowd stored, as `flowctl observe -o json` prints them.

use std::net::IpAddr;

use anyhow::{Result, bail};
use flowd_testbed::Flowd;
use serde_json::Value;

use crate::plan::What;

/// Flows read back at most, the newest.
const MOST_FLOWS: &str = "20000";

/// What the demo asks of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) verdict: String,
    /// flowd's name of the reason.
    pub(crate) reason: String,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: String,
    pub(crate) port: Option<u64>,
    /// Policies whose rules allowed or denied it.
    pub(crate) by: Vec<String>,
    /// Policies that switched the workload to default deny.
    pub(crate) default_denied_by: Vec<String>,
}

impl Flow {
    /// Whether it is a try of `what`, in the direction of the request.
    pub(crate) fn is(&self, what: What) -> bool {
        match what {
            What::Http(port) | What::Tcp(port) => {
                self.protocol == "TCP" && self.port == Some(port.into())
            }
            What::Udp(port) => self.protocol == "UDP" && self.port == Some(port.into()),
            What::Ping => self.protocol.starts_with("ICMP"),
        }
    }
}

/// Asks flowd for its flows; `None` where no `flowctl` is built.
pub(crate) fn read(flowd: &Flowd) -> Result<Option<Vec<Flow>>> {
    let Ok(mut flowctl) = flowd.flowctl() else {
        return Ok(None);
    };
    let output = flowctl
        .args(["observe", "--last", MOST_FLOWS, "-o", "json"])
        .output()?;
    if !output.status.success() {
        bail!(
            "flowctl observe failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    Ok(Some(lines.lines().filter_map(flow).collect()))
}

/// Reads one line; `None` for what is no flow between two addresses.
fn flow(line: &str) -> Option<Flow> {
    let answer: Value = serde_json::from_str(line).ok()?;
    let flow = answer.get("flow")?;
    let address = |side: &str| flow["IP"][side].as_str()?.parse().ok();
    let (protocol, layer) = flow["l4"].as_object()?.iter().next()?;
    let by = [
        "egress_allowed_by",
        "ingress_allowed_by",
        "egress_denied_by",
        "ingress_denied_by",
    ];
    Some(Flow {
        verdict: flow["verdict"].as_str()?.to_owned(),
        reason: flow["extensions"]["reason"]
            .as_str()
            .unwrap_or("")
            .to_owned(),
        source: address("source")?,
        destination: address("destination")?,
        protocol: protocol.clone(),
        port: layer["destination_port"].as_u64(),
        by: by.into_iter().flat_map(|list| names(&flow[list])).collect(),
        default_denied_by: names(&flow["extensions"]["default_denied_by"]).collect(),
    })
}

fn names(policies: &Value) -> impl Iterator<Item = String> {
    let policies = policies.as_array().map_or(&[][..], Vec::as_slice);
    policies
        .iter()
        .filter_map(|policy| Some(policy["name"].as_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drop_tells_its_tuple_and_its_policies() {
        let line = r#"{"flow":{"verdict":"DROPPED","IP":{"source":"10.77.1.5","destination":"10.77.1.3"},
            "l4":{"TCP":{"source_port":40000,"destination_port":8080}},"extensions":{"reason":"default_denied",
            "default_denied_by":[{"kind":"CiliumNetworkPolicy","name":"backend"}]}}}"#;
        let flow = flow(line).unwrap();
        assert!(flow.is(What::Http(8080)) && !flow.is(What::Http(80)) && !flow.is(What::Udp(8080)));
        assert_eq!(
            (flow.by.len(), flow.default_denied_by),
            (0, vec!["backend".to_owned()])
        );
    }

    #[test]
    fn losses_are_no_flows() {
        assert_eq!(flow(r#"{"lost_events":{"num_events_lost":3}}"#), None);
    }
}
