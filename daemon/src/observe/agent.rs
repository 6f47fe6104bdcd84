//! An event of the timeline in the words of `flowd.v1`, and in Hubble's.
//!
//! What Hubble has no message for is sent as its `AGENT_EVENT_UNKNOWN`, with a name and our own
//! message as JSON: a stock client prints it.

use flowd_proto::Timestamp;
use flowd_proto::flow::{
    AgentEvent, AgentEventType, AgentEventUnknown, EndpointRegenNotification,
    EndpointUpdateNotification, IpCacheNotification, PolicyUpdateNotification,
    ServiceDeleteNotification, ServiceUpsertNotification, ServiceUpsertNotificationAddr,
    TimeNotification, agent_event::Notification,
};
use flowd_proto::flowd::v1::{
    AddressEvent, AppliedEvent, AppliedStep, BreakGlassEvent, ChangeKind, DaemonStarted,
    EndpointEnforced, EndpointEvent, GenerationEvent, PolicyEvent, ServiceEvent, TimelineEvent,
    timeline_event::What,
};

use super::flow::timestamp;
use crate::flow::happening::{
    AddressFacts, AppliedFacts, Change, EndpointFacts, EnforcedFacts, Happening, PolicyFacts,
    ServiceFacts, Step,
};
use crate::flow::timeline::Event;

/// The event as `flowd.v1` has it.
pub fn timeline_event(event: &Event) -> TimelineEvent {
    TimelineEvent {
        number: event.number,
        flows_before: event.flows_before,
        time: Some(timestamp(event.time)),
        what: Some(what(&event.what)),
    }
}

/// The event as Hubble has it.
pub fn agent_event(event: &Event) -> AgentEvent {
    use AgentEventType as Type;
    let (kind, notification) = match &event.what {
        Happening::Started { .. } => (
            Type::AgentStarted,
            Notification::AgentStart(TimeNotification {
                time: Some(timestamp(event.time)),
            }),
        ),
        Happening::Policy(change, policy) => (
            match change {
                Change::Added | Change::Changed => Type::PolicyUpdated,
                Change::Removed => Type::PolicyDeleted,
            },
            Notification::PolicyUpdate(policy_update(policy)),
        ),
        Happening::Endpoint(Change::Added, endpoint) => (
            Type::EndpointCreated,
            Notification::EndpointUpdate(endpoint_update(endpoint)),
        ),
        Happening::Endpoint(Change::Removed, endpoint) => (
            Type::EndpointDeleted,
            Notification::EndpointUpdate(endpoint_update(endpoint)),
        ),
        Happening::Enforced(enforced) => (
            if enforced.error.is_empty() {
                Type::EndpointRegenerateSuccess
            } else {
                Type::EndpointRegenerateFailure
            },
            Notification::EndpointRegenerate(EndpointRegenNotification {
                id: u64::from(enforced.id),
                labels: enforced.labels.clone(),
                error: enforced.error.clone(),
            }),
        ),
        Happening::Address(address) => (
            if address.identity.is_some() {
                Type::IpcacheUpserted
            } else {
                Type::IpcacheDeleted
            },
            Notification::IpcacheUpdate(ipcache_update(address)),
        ),
        Happening::Service(Change::Removed, service) => (
            Type::ServiceDeleted,
            Notification::ServiceDelete(ServiceDeleteNotification { id: service.id }),
        ),
        Happening::Service(Change::Added | Change::Changed, service) => (
            Type::ServiceUpserted,
            Notification::ServiceUpsert(service_upsert(service)),
        ),
        Happening::Endpoint(Change::Changed, _) => unknown("endpoint-changed", event),
        Happening::Generation(facts) if facts.error.is_empty() => {
            unknown("generation-enforced", event)
        }
        Happening::Generation(_) => unknown("generation-not-enforced", event),
        Happening::BreakGlass(facts) if facts.on => unknown("break-glass-on", event),
        Happening::BreakGlass(_) => unknown("break-glass-off", event),
        Happening::Applied(facts) => unknown(
            match facts.step {
                Step::Applied => "policies-applied",
                Step::Confirmed => "change-confirmed",
                Step::Reverted => "change-reverted",
                Step::Deleted => "policy-deleted-through-api",
            },
            event,
        ),
    };
    AgentEvent {
        r#type: kind as i32,
        notification: Some(notification),
    }
}

/// That a reader was too slow for events, in the one form Hubble leaves for it.
pub fn events_lost(count: u64) -> AgentEvent {
    AgentEvent {
        r#type: AgentEventType::AgentEventUnknown as i32,
        notification: Some(Notification::Unknown(AgentEventUnknown {
            r#type: "events-lost".to_owned(),
            notification: format!("{{\"count\":{count}}}"),
        })),
    }
}

fn unknown(name: &str, event: &Event) -> (AgentEventType, Notification) {
    // Nothing in it can fail to be JSON.
    let json = serde_json::to_string(&timeline_event(event)).unwrap_or_default();
    let unknown = AgentEventUnknown {
        r#type: name.to_owned(),
        notification: json,
    };
    (
        AgentEventType::AgentEventUnknown,
        Notification::Unknown(unknown),
    )
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn what(happening: &Happening) -> What {
    match happening {
        Happening::Started { version } => What::Started(DaemonStarted {
            version: version.clone(),
        }),
        Happening::Policy(change, facts) => What::Policy(policy_event(*change, facts)),
        Happening::Endpoint(change, facts) => What::Endpoint(endpoint_event(*change, facts)),
        Happening::Enforced(facts) => What::Enforced(enforced_event(facts)),
        Happening::Generation(facts) => What::Generation(GenerationEvent {
            generation: facts.generation,
            endpoints: count(facts.endpoints),
            failed: count(facts.failed),
            error: facts.error.clone(),
        }),
        Happening::Applied(facts) => What::Applied(applied_event(facts)),
        Happening::Address(facts) => What::Address(AddressEvent {
            address: facts.address.to_string(),
            identity: facts.identity,
            old_identity: facts.before,
            namespace: facts.namespace.clone(),
            name: facts.name.clone(),
        }),
        Happening::Service(change, facts) => What::Service(ServiceEvent {
            change: change_kind(*change),
            id: facts.id,
            namespace: facts.namespace.clone(),
            name: facts.name.clone(),
            addresses: facts.addresses.clone(),
        }),
        Happening::BreakGlass(facts) => What::BreakGlass(BreakGlassEvent {
            on: facts.on,
            since: seconds(facts.since),
        }),
    }
}

/// A time, where there is one.
fn seconds(unix: u64) -> Option<Timestamp> {
    (unix > 0).then(|| Timestamp::from_unix_nanos(unix.saturating_mul(1_000_000_000)))
}

fn change_kind(change: Change) -> i32 {
    match change {
        Change::Added => ChangeKind::Added as i32,
        Change::Changed => ChangeKind::Changed as i32,
        Change::Removed => ChangeKind::Removed as i32,
    }
}

fn policy_event(change: Change, facts: &PolicyFacts) -> PolicyEvent {
    PolicyEvent {
        change: change_kind(change),
        kind: facts.kind.clone(),
        namespace: facts.namespace.clone(),
        name: facts.name.clone(),
        labels: facts.labels.clone(),
        file: facts.file.clone(),
        line: facts.line,
        rules: count(facts.rules),
        generation: facts.generation,
    }
}

fn endpoint_event(change: Change, facts: &EndpointFacts) -> EndpointEvent {
    EndpointEvent {
        change: change_kind(change),
        id: facts.id,
        namespace: facts.namespace.clone(),
        name: facts.name.clone(),
        labels: facts.labels.clone(),
        identity: facts.identity,
        addresses: facts.addresses.iter().map(ToString::to_string).collect(),
        interface: facts.interface.clone(),
        mode: facts.mode.to_owned(),
        changed: facts.changed.iter().map(ToString::to_string).collect(),
    }
}

fn enforced_event(facts: &EnforcedFacts) -> EndpointEnforced {
    EndpointEnforced {
        id: facts.id,
        namespace: facts.namespace.clone(),
        name: facts.name.clone(),
        labels: facts.labels.clone(),
        generation: facts.generation,
        mode: facts.mode.to_owned(),
        policies: facts.policies.clone(),
        error: facts.error.clone(),
    }
}

fn applied_event(facts: &AppliedFacts) -> AppliedEvent {
    let step = match facts.step {
        Step::Applied => AppliedStep::Applied,
        Step::Confirmed => AppliedStep::Confirmed,
        Step::Reverted => AppliedStep::Reverted,
        Step::Deleted => AppliedStep::Deleted,
    };
    AppliedEvent {
        step: step as i32,
        objects: facts.objects.clone(),
        confirmation: facts.confirmation.clone(),
        undone_at: seconds(facts.undone_at),
    }
}

fn policy_update(policy: &PolicyFacts) -> PolicyUpdateNotification {
    PolicyUpdateNotification {
        labels: policy.labels.clone(),
        revision: u64::from(policy.generation),
        rule_count: i64::try_from(policy.rules).unwrap_or(i64::MAX),
    }
}

fn endpoint_update(endpoint: &EndpointFacts) -> EndpointUpdateNotification {
    EndpointUpdateNotification {
        id: u64::from(endpoint.id),
        labels: endpoint.labels.clone(),
        error: String::new(),
        pod_name: endpoint.name.clone(),
        namespace: endpoint.namespace.clone(),
    }
}

fn ipcache_update(facts: &AddressFacts) -> IpCacheNotification {
    let bits = if facts.address.is_ipv4() { 32 } else { 128 };
    IpCacheNotification {
        cidr: format!("{}/{bits}", facts.address),
        identity: facts.identity.or(facts.before).unwrap_or_default(),
        old_identity: facts.before,
        namespace: facts.namespace.clone(),
        pod_name: facts.name.clone(),
        ..IpCacheNotification::default()
    }
}

fn service_upsert(service: &ServiceFacts) -> ServiceUpsertNotification {
    ServiceUpsertNotification {
        id: u64::from(service.id),
        backend_addresses: service
            .addresses
            .iter()
            .map(|address| ServiceUpsertNotificationAddr {
                ip: address.clone(),
                port: 0,
            })
            .collect(),
        name: service.name.clone(),
        namespace: service.namespace.clone(),
        ..ServiceUpsertNotification::default()
    }
}
