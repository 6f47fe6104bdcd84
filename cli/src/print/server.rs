//! What servers say of themselves in Hubble's words: `hubble status`.

use std::io::{self, Write};
use std::time::Duration;

use flowd_proto::flowd::v1::StatusResponse;
use flowd_proto::observer::ServerStatusResponse;

use super::{Paint, clean, columns, readable, status};

/// The answers of one server.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its address.
    pub server: String,
    /// What its health service says; `None` when it has none.
    pub health: Option<bool>,
    /// In flowd's words, when it is flowd.
    pub flowd: Option<StatusResponse>,
    /// In Hubble's words.
    pub hubble: ServerStatusResponse,
}

impl Asked {
    /// Whether all is well there.
    pub fn healthy(&self) -> bool {
        let nodes = self.hubble.num_unavailable_nodes.unwrap_or_default() == 0;
        let serving = self.health.unwrap_or(true);
        nodes && serving && self.flowd.as_ref().is_none_or(|flowd| flowd.healthy)
    }

    fn health_word(&self) -> &'static str {
        match self.health {
            Some(true) => "Ok",
            Some(false) => "Not serving",
            None => "Unavailable",
        }
    }

    fn flows(&self) -> String {
        readable::share(self.hubble.num_flows, self.hubble.max_flows)
    }

    fn rate(&self) -> String {
        let seconds = Duration::from_nanos(self.hubble.uptime_ns).as_secs_f64();
        match (self.hubble.flows_rate, seconds) {
            (rate, _) if rate > 0.0 => format!("{rate:.2}"),
            (_, 0.0) => "N/A".to_owned(),
            (_, seconds) => format!("{:.2}", self.hubble.seen_flows as f64 / seconds),
        }
    }

    fn nodes(&self) -> Option<String> {
        let connected = self.hubble.num_connected_nodes?;
        let unavailable = self.hubble.num_unavailable_nodes.unwrap_or_default();
        Some(format!("{connected}/{}", connected + unavailable))
    }
}

/// For people: flowd in its own words, another server as `hubble` prints it.
pub fn compact(asked: &Asked, paint: Paint) -> io::Result<String> {
    if let Some(flowd) = &asked.flowd {
        return status::flowd(flowd, paint);
    }
    let mut text = format!(
        "Healthcheck (via {}): {}\nCurrent/Max Flows: {}\nFlows/s: {}\n",
        clean(&asked.server),
        asked.health_word(),
        asked.flows(),
        asked.rate()
    );
    if let Some(nodes) = asked.nodes() {
        text.push_str(&format!("Connected Nodes: {nodes}\n"));
    }
    let unavailable = asked.hubble.num_unavailable_nodes.unwrap_or_default();
    if unavailable > 0 {
        text.push_str(&format!("Unavailable Nodes: {unavailable}\n"));
        for name in &asked.hubble.unavailable_nodes {
            text.push_str(&format!("  - {}\n", clean(name)));
        }
    }
    Ok(text)
}

/// Names of the facts in tables and dictionaries.
const FACTS: [&str; 7] = [
    "SERVER",
    "HEALTHCHECK",
    "VERSION",
    "UPTIME",
    "CURRENT/MAX FLOWS",
    "FLOWS/S",
    "CONNECTED NODES",
];

fn facts(asked: &Asked) -> [String; 7] {
    let health = match asked.healthy() {
        true => asked.health_word().to_owned(),
        false => "NOT HEALTHY".to_owned(),
    };
    [
        clean(&asked.server).into_owned(),
        health,
        clean(&asked.hubble.version).into_owned(),
        readable::duration(Duration::from_nanos(asked.hubble.uptime_ns)),
        asked.flows(),
        asked.rate(),
        asked.nodes().unwrap_or_else(|| "N/A".to_owned()),
    ]
}

/// Key and value on each line.
pub fn dict(asked: &Asked) -> String {
    let facts = facts(asked);
    let lines = FACTS.iter().zip(facts);
    lines
        .map(|(name, fact)| format!("{name:>17}: {fact}\n"))
        .collect()
}

/// Aligned columns, a line for each server.
pub fn table(asked: &[Asked]) -> io::Result<String> {
    let mut rows = columns();
    writeln!(rows, "{}", FACTS.join("\t"))?;
    for asked in asked {
        writeln!(rows, "{}", facts(asked).join("\t"))?;
    }
    let rows = rows
        .into_inner()
        .map_err(|error| io::Error::other(error.to_string()))?;
    Ok(String::from_utf8_lossy(&rows).into_owned())
}
