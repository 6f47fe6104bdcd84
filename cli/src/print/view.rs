//! The words of a flow that every text format prints: who, what, verdict, summary.

use flowd_proto::flow::{
    AuthType, Endpoint, Flow, LostEvent, LostEventSource, Policy, SocketTranslationPoint, Verdict,
    layer7,
};
use flowd_proto::flowd::v1::{FlowExtension, PolicyRef, RuleRef};
use flowd_proto::reason::hubble_words;
use flowd_proto::relay::{NodeState, NodeStatusEvent};

use super::rules::place;
use super::{Ink, Style, clean, words};

/// A flow on its way to the screen. Everything it returns is safe to print.
#[derive(Debug)]
pub struct FlowView<'a> {
    flow: &'a Flow,
    style: Style,
    extension: Option<FlowExtension>,
}

/// One end of a flow.
struct End<'a> {
    address: &'a str,
    mac: &'a str,
    endpoint: Option<&'a Endpoint>,
    service: Option<&'a flowd_proto::flow::Service>,
    names: &'a [String],
    port: u32,
}

impl<'a> FlowView<'a> {
    /// Looks at a flow.
    pub fn new(flow: &'a Flow, style: Style) -> Self {
        Self {
            flow,
            style,
            extension: flow.extension(),
        }
    }

    /// When.
    pub fn time(&self) -> String {
        self.style.time.show(self.flow.time)
    }

    /// Source, without its identity.
    pub fn source(&self) -> String {
        let (port, _) = self.flow.ports().unwrap_or_default();
        self.host(End {
            address: self.flow.ip.as_ref().map_or("", |ip| &ip.source),
            mac: self
                .flow
                .ethernet
                .as_ref()
                .map_or("", |ethernet| &ethernet.source),
            endpoint: self.flow.source.as_ref(),
            service: self.flow.source_service.as_ref(),
            names: &self.flow.source_names,
            port,
        })
    }

    /// Destination, without its identity.
    pub fn destination(&self) -> String {
        let (_, port) = self.flow.ports().unwrap_or_default();
        self.host(End {
            address: self.flow.ip.as_ref().map_or("", |ip| &ip.destination),
            mac: self
                .flow
                .ethernet
                .as_ref()
                .map_or("", |ethernet| &ethernet.destination),
            endpoint: self.flow.destination.as_ref(),
            service: self.flow.destination_service.as_ref(),
            names: &self.flow.destination_names,
            port,
        })
    }

    /// Identity of the source, in parentheses.
    pub fn source_identity(&self) -> String {
        self.identity(self.flow.source.as_ref())
    }

    /// Identity of the destination, in parentheses.
    pub fn destination_identity(&self) -> String {
        self.identity(self.flow.destination.as_ref())
    }

    fn identity(&self, endpoint: Option<&Endpoint>) -> String {
        let number = endpoint.map_or(0, |endpoint| endpoint.identity);
        self.style
            .paint
            .ink(Ink::Identity, words::identity(number, self.style.numeric))
            .to_string()
    }

    fn host(&self, end: End<'_>) -> String {
        let paint = self.style.paint;
        if self.flow.ip.is_none() {
            return paint.ink(Ink::Host, clean(end.mac)).to_string();
        }
        let name = self.name(&end).unwrap_or_else(|| end.address.to_owned());
        let name = clean(&name);
        if end.port == 0 {
            return paint.ink(Ink::Host, name).to_string();
        }
        let host = if name.contains(':') {
            format!("[{name}]")
        } else {
            name.into_owned()
        };
        format!(
            "{}:{}",
            paint.ink(Ink::Host, host),
            paint.ink(Ink::Port, end.port)
        )
    }

    fn name(&self, end: &End<'_>) -> Option<String> {
        if !self.style.names {
            return None;
        }
        let endpoint = end
            .endpoint
            .filter(|endpoint| !endpoint.pod_name.is_empty());
        if let Some(endpoint) = endpoint {
            return Some(join(&endpoint.namespace, &endpoint.pod_name));
        }
        if let Some(service) = end.service.filter(|service| !service.name.is_empty()) {
            return Some(join(&service.namespace, &service.name));
        }
        (!end.names.is_empty()).then(|| end.names.join(","))
    }

    /// What kind of event.
    pub fn kind(&self) -> String {
        let flow = self.flow;
        if let Some(record) = flow.l7.as_ref().and_then(|l7| l7.record.as_ref()) {
            let side = match flow.l7.as_ref().map(|l7| l7.r#type()) {
                Some(flowd_proto::flow::L7FlowType::Request) => "request",
                Some(flowd_proto::flow::L7FlowType::Response) => "response",
                Some(flowd_proto::flow::L7FlowType::Sample) => "sample",
                Some(flowd_proto::flow::L7FlowType::UnknownL7Type) | None => "unknown",
            };
            return match record {
                layer7::Record::Dns(dns) => {
                    format!("dns-{side} {}", clean(&dns.observation_source))
                }
                layer7::Record::Http(_) => format!("http-{side}"),
                layer7::Record::Kafka(_) => format!("kafka-{side}"),
            };
        }
        let Some(event) = flow.event_type else {
            return "UNKNOWN".to_owned();
        };
        match event.r#type {
            words::TRACE => words::trace_point(event.sub_type),
            words::DROP => hubble_words(event.sub_type).into_owned(),
            words::POLICY_VERDICT => format!(
                "policy-verdict:{} {}",
                words::match_type(flow.policy_match_type),
                flow.traffic_direction().as_str_name()
            ),
            words::CAPTURE => flow.debug_capture_point().as_str_name().to_owned(),
            words::TRACE_SOCK => match flow.sock_xlate_point() {
                SocketTranslationPoint::SockXlatePointUnknown => "UNKNOWN",
                SocketTranslationPoint::SockXlatePointPreDirectionFwd => "pre-xlate-fwd",
                SocketTranslationPoint::SockXlatePointPostDirectionFwd => "post-xlate-fwd",
                SocketTranslationPoint::SockXlatePointPreDirectionRev => "pre-xlate-rev",
                SocketTranslationPoint::SockXlatePointPostDirectionRev => "post-xlate-rev",
            }
            .to_owned(),
            _ => "UNKNOWN".to_owned(),
        }
    }

    /// The verdict and, if asked for, the policies behind it.
    pub fn verdict(&self) -> String {
        let verdict = self.flow.verdict();
        let event = self.flow.event_type.map(|event| event.r#type);
        let judged = event == Some(words::POLICY_VERDICT);
        let text = match verdict {
            Verdict::Forwarded if judged => "ALLOWED",
            Verdict::Dropped if judged => "DENIED",
            Verdict::Audit if judged => "AUDITED",
            Verdict::Unknown
            | Verdict::Forwarded
            | Verdict::Dropped
            | Verdict::Error
            | Verdict::Audit
            | Verdict::Redirected
            | Verdict::Traced
            | Verdict::Translated => verdict.as_str_name(),
        };
        let by = if judged || event == Some(words::DROP) {
            self.by(verdict)
        } else {
            String::new()
        };
        format!("{}{by}", self.style.paint.ink(Ink::of(verdict), text))
    }

    fn by(&self, verdict: Verdict) -> String {
        if !self.style.policy_names {
            return String::new();
        }
        let denied = matches!(verdict, Verdict::Dropped | Verdict::Audit);
        let causes = self
            .extension
            .as_ref()
            .map_or(&[][..], |e| &e.default_denied_by);
        // Hubble's field has no room to tell a deny from a default deny, so it may name these too.
        if denied && !causes.is_empty() {
            return format!(" DEFAULT DENY BY {}", listed(causes.iter().map(cause)));
        }
        let rules = self.extension.as_ref().map_or(&[][..], |e| &e.rules);
        if !rules.is_empty() {
            return format!(" BY {}", listed(rules.iter().map(rule)));
        }
        let named = match verdict {
            Verdict::Forwarded | Verdict::Redirected => self.flow.allowed_by(),
            Verdict::Dropped | Verdict::Audit => self.flow.denied_by(),
            Verdict::Unknown | Verdict::Error | Verdict::Traced | Verdict::Translated => &[],
        };
        if named.is_empty() {
            return String::new();
        }
        format!(" BY {}", listed(named.iter().map(policy)))
    }

    /// What shadow policies would have done with it.
    pub fn shadow(&self) -> Option<String> {
        let extension = self.extension.as_ref()?;
        super::shadow::verdict(extension, self.style)
    }

    /// The kernel's own word for why it dropped it, where it did.
    pub fn kernel_reason(&self) -> Option<String> {
        let reason = &self.extension.as_ref()?.kernel_reason;
        (!reason.is_empty()).then(|| clean(reason).into_owned())
    }

    /// What stands in parentheses at the end.
    pub fn summary(&self) -> String {
        let trace = self.flow.ip_trace_id.map_or(0, |trace| trace.trace_id);
        let prefix = if trace == 0 {
            String::new()
        } else {
            format!("IP Trace ID: {trace}; ")
        };
        let suffix = match self.flow.auth_type() {
            AuthType::Disabled => String::new(),
            AuthType::Spire => "; Auth: SPIRE".to_owned(),
            AuthType::TestAlwaysFail => "; Auth: TEST_ALWAYS_FAIL".to_owned(),
        };
        format!("{prefix}{}{suffix}", clean(&self.flow.summary))
    }

    /// How many packets it speaks for, when more than one.
    pub fn times(&self) -> Option<u64> {
        self.extension
            .as_ref()
            .map(|e| e.packets_told)
            .filter(|packets| *packets > 1)
    }

    /// The process at the workload's end, where it is asked for and known.
    pub fn process(&self) -> Option<String> {
        let process = self.extension.as_ref()?.process.as_ref()?;
        let name = clean(&process.name);
        self.style
            .process
            .then(|| format!("{name}[{}]", process.pid))
    }
}

fn join(namespace: &str, name: &str) -> String {
    if namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}/{name}")
    }
}

fn listed(names: impl Iterator<Item = String>) -> String {
    clean(&names.collect::<Vec<_>>().join(", ")).into_owned()
}

fn policy(policy: &Policy) -> String {
    format!("{} ({})", policy.name, policy.kind)
}

/// A rule as its author finds it: the policy, and where in it.
fn rule(rule: &RuleRef) -> String {
    format!("{} ({}) {}", rule.name, rule.kind, place(rule))
}

fn cause(policy: &PolicyRef) -> String {
    format!("{} ({})", policy.name, policy.kind)
}

/// Where events were lost and how many: the source, and the rest.
pub fn lost_line(lost: &LostEvent) -> (&'static str, String) {
    let source = LostEventSource::try_from(lost.source).map_or("UNKNOWN", |s| s.as_str_name());
    let cpu = lost
        .cpu
        .map(|cpu| format!("CPU({cpu}) "))
        .unwrap_or_default();
    (source, format!("{cpu}{}", lost.num_events_lost))
}

/// What a relay says about its nodes; `None` for what is no trouble.
pub fn node_status_line(status: &NodeStatusEvent) -> Option<String> {
    let count = status.node_names.len();
    let names = clean(&status.node_names.join(", ")).into_owned();
    match status.state_change() {
        NodeState::NodeUnavailable => Some(format!("{count} nodes are unavailable: {names}")),
        NodeState::NodeError => Some(format!(
            "{count} nodes have errors: {names}: {}",
            clean(&status.message)
        )),
        NodeState::UnknownNodeState | NodeState::NodeConnected | NodeState::NodeGone => None,
    }
}
