//! Agent and debug events, one line each, in the order of words `hubble observe agent-events` has.

use std::io::{self, Write};

use flowd_proto::flow::{AgentEvent, agent_event::Notification};
use flowd_proto::observer::{GetAgentEventsResponse, GetDebugEventsResponse};

use super::{Ink, Paint, TimeFormat, clean};

/// How events are printed.
#[derive(Clone, Copy, Debug)]
pub struct EventLine {
    /// How to print times.
    pub time: TimeFormat,
    /// Print the node's name.
    pub node_name: bool,
    /// One JSON object a line.
    pub json: bool,
    /// Colours.
    pub paint: Paint,
}

impl EventLine {
    /// Prints an agent event.
    pub fn agent(&self, response: &GetAgentEventsResponse, out: &mut dyn Write) -> io::Result<()> {
        if self.json {
            return json(response, out);
        }
        let Some(event) = &response.agent_event else {
            return Ok(());
        };
        let (kind, details) = words(event);
        let bad = ["FAILURE", "not-enforced", "break-glass-on"];
        let ink = if bad.iter().any(|end| kind.ends_with(end)) {
            Ink::Bad
        } else {
            Ink::Good
        };
        let kind = self.paint.ink(ink, &kind);
        let (head, details) = (
            self.head(response.time, &response.node_name),
            clean(&details).into_owned(),
        );
        writeln!(out, "{head}: {kind} ({details})")
    }

    /// Prints a debug event.
    pub fn debug(&self, response: &GetDebugEventsResponse, out: &mut dyn Write) -> io::Result<()> {
        if self.json {
            return json(response, out);
        }
        let Some(event) = &response.debug_event else {
            return Ok(());
        };
        let head = self.head(response.time, &response.node_name);
        let kind = event.r#type().as_str_name();
        writeln!(out, "{head}: {kind} ({})", clean(&event.message))
    }

    fn head(&self, time: Option<flowd_proto::Timestamp>, node: &str) -> String {
        let time = self.time.show(time);
        if self.node_name {
            format!("{time} [{}]", clean(node))
        } else {
            time
        }
    }
}

fn json<T: serde::Serialize>(response: &T, out: &mut dyn Write) -> io::Result<()> {
    let mut line = serde_json::to_vec(response).map_err(io::Error::other)?;
    line.push(b'\n');
    out.write_all(&line)
}

/// The name of an event and what is to be said of it.
fn words(event: &AgentEvent) -> (String, String) {
    let kind = event.r#type().as_str_name().to_owned();
    let details = match &event.notification {
        None => String::new(),
        // Our own events: their name says more than that Hubble has none.
        Some(Notification::Unknown(unknown)) => {
            return (unknown.r#type.clone(), unknown.notification.clone());
        }
        Some(Notification::AgentStart(start)) => {
            format!("start time: {}", TimeFormat::Rfc3339.show(start.time))
        }
        Some(Notification::PolicyUpdate(policy)) => format!(
            "labels: [{}], revision: {}, count: {}",
            policy.labels.join(", "),
            policy.revision,
            policy.rule_count
        ),
        Some(Notification::EndpointRegenerate(endpoint)) => {
            let error = match endpoint.error.as_str() {
                "" => String::new(),
                error => format!(", error: {error}"),
            };
            let labels = endpoint.labels.join(", ");
            format!("id: {}, labels: [{labels}]{error}", endpoint.id)
        }
        Some(Notification::EndpointUpdate(endpoint)) => format!(
            "id: {}, namespace: {}, pod name: {}",
            endpoint.id, endpoint.namespace, endpoint.pod_name
        ),
        Some(Notification::IpcacheUpdate(address)) => {
            let before = address
                .old_identity
                .map_or_else(String::new, |old| format!(", old identity: {old}"));
            format!(
                "cidr: {}, identity: {}{before}, namespace: {}, pod name: {}",
                address.cidr, address.identity, address.namespace, address.pod_name
            )
        }
        Some(Notification::ServiceUpsert(service)) => {
            let backends: Vec<&str> = service
                .backend_addresses
                .iter()
                .map(|address| address.ip.as_str())
                .collect();
            format!(
                "id: {}, name: {}, namespace: {}, backends: [{}]",
                service.id,
                service.name,
                service.namespace,
                backends.join(", ")
            )
        }
        Some(Notification::ServiceDelete(service)) => format!("id: {}", service.id),
    };
    (kind, details)
}
