//! The timeline of a running daemon: what became of policies and workloads, in one order with the
//! flows they judged, in Hubble's words and in ours.

mod support;

use flowd_proto::{
    flow::{AgentEvent, AgentEventType, agent_event::Notification},
    flowd::v1::{AppliedStep, ChangeKind, TimelineEvent, timeline_event::What},
};
use flowd_testbed::traffic::{TcpEcho, tcp_connect};
use support::{PATIENCE, SILENCE, Scene, eventually, flow_of, policy, text, when};

const PORT: u16 = 8080;

/// The number of the first event that `is`, at `from` or later.
fn position(events: &[TimelineEvent], from: u64, is: impl Fn(&What) -> bool) -> Option<u64> {
    let mut later = events.iter().filter(|event| event.number >= from);
    later
        .find(|event| event.what.as_ref().is_some_and(&is))
        .map(|event| event.number)
}

fn policy_is(change: ChangeKind, name: &str) -> impl Fn(&What) -> bool {
    move |what| matches!(what, What::Policy(one) if one.change() == change && one.name == name)
}

fn endpoint_is(change: ChangeKind, name: &str) -> impl Fn(&What) -> bool {
    move |what| matches!(what, What::Endpoint(one) if one.change() == change && one.name == name)
}

/// What happens, and how its event is known.
type Chapter<'a> = (&'a str, &'a dyn Fn(&What) -> bool);

#[test]
fn what_happens_is_told_in_the_order_it_happened() {
    let mut scene = Scene::new();
    let [frontend, backend] = ["frontend", "backend"].map(|name| scene.pod(name));
    let _server = TcpEcho::start(&backend.namespace, backend.ipv4, PORT).expect("a server");
    scene.launch();
    let only = |peer: &str| {
        let rule = format!("ingress: [{{fromEndpoints: [{{matchLabels: {{app: {peer}}}}}]}}]");
        policy("web", "backend", &rule)
    };
    scene.enforce("web", &only("nobody"));
    tcp_connect(&frontend.namespace, backend.ipv4, PORT, SILENCE).expect("a try");
    let denied = scene.flow(&flow_of("tcp").to(&backend).port(PORT).dropped());
    scene.enforce("web", &only("frontend"));
    tcp_connect(&frontend.namespace, backend.ipv4, PORT, PATIENCE).expect("a try");
    scene.lift("web");
    let api = scene.api();
    let shop = |name| policy(name, "backend", "ingress: [{}]");
    let kept = api.apply(&shop("kept"), 60).expect("applied");
    api.confirm(&kept.confirmation).expect("confirmed");
    api.apply(&shop("undone"), 1).expect("applied");
    let file = scene.flowd.endpoints().join("shop.frontend.yaml");
    std::fs::remove_file(file).expect("removed");
    let events = eventually("the change is undone and the workload gone", || {
        let events = api.timeline();
        let undone = position(
            &events,
            0,
            |what| matches!(what, What::Applied(one) if one.step() == AppliedStep::Reverted),
        );
        let gone = position(&events, 0, endpoint_is(ChangeKind::Removed, "frontend"));
        let end = position(&events, 0, policy_is(ChangeKind::Removed, "undone"));
        let all = undone.is_some() && gone.is_some() && end.is_some();
        when(all, "not yet").map(|_| events)
    });

    // Numbers are dense and flows only grow.
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event.number, index as u64);
    }
    assert!(events.is_sorted_by_key(|event| event.flows_before));
    assert!(matches!(events[0].what, Some(What::Started(_))));
    let applied =
        |step| move |what: &What| matches!(what, What::Applied(one) if one.step() == step);
    let story: [Chapter<'_>; 10] = [
        (
            "frontend appears",
            &endpoint_is(ChangeKind::Added, "frontend"),
        ),
        ("policy comes", &policy_is(ChangeKind::Added, "web")),
        ("enforced", &|what| {
            matches!(what, What::Enforced(one)
            if one.name == "backend" && one.policies == ["CiliumNetworkPolicy/shop/web"])
        }),
        ("policy changes", &policy_is(ChangeKind::Changed, "web")),
        (
            "generation",
            &|what| matches!(what, What::Generation(one) if one.error.is_empty()),
        ),
        ("policy goes", &policy_is(ChangeKind::Removed, "web")),
        ("applied", &applied(AppliedStep::Applied)),
        ("confirmed", &applied(AppliedStep::Confirmed)),
        ("undone", &applied(AppliedStep::Reverted)),
        (
            "undone policy goes",
            &policy_is(ChangeKind::Removed, "undone"),
        ),
    ];
    let mut from = 0;
    for (what, is) in story {
        let found = position(&events, from, is);
        from = found.unwrap_or_else(|| panic!("{what}: not after {from} in {events:#?}")) + 1;
    }
    // The denied flow was judged between the policy that came and the one that changed.
    let flows = api.flows(flowd_proto::flow::FlowFilter::default());
    let seq = flows.iter().position(|flow| flow.uuid == denied.uuid);
    let seq = seq.expect("it is still there") as u64;
    let before = |is: &dyn Fn(&What) -> bool| {
        let number = position(&events, 0, is).expect("told");
        events[usize::try_from(number).expect("small")].flows_before
    };
    assert!(before(&policy_is(ChangeKind::Added, "web")) <= seq);
    assert!(before(&policy_is(ChangeKind::Changed, "web")) > seq);
    hubbles_words(&scene, &api.agent_events());
}

/// The same in Hubble's messages, and as flowctl prints them.
fn hubbles_words(scene: &Scene, events: &[AgentEvent]) {
    use AgentEventType as Type;
    let count = |kind| events.iter().filter(|event| event.r#type() == kind).count();
    for kind in [
        Type::AgentStarted,
        Type::PolicyUpdated,
        Type::PolicyDeleted,
        Type::EndpointCreated,
        Type::EndpointDeleted,
        Type::EndpointRegenerateSuccess,
        Type::IpcacheUpserted,
        Type::IpcacheDeleted,
        Type::AgentEventUnknown,
    ] {
        assert!(count(kind) > 0, "{kind:?} in {events:#?}");
    }
    let updated = events.iter().find_map(|event| match &event.notification {
        Some(Notification::PolicyUpdate(policy)) => Some(policy),
        _ => None,
    });
    let updated = updated.expect("a policy");
    assert!(
        updated.revision > 0 && updated.rule_count == 1,
        "{updated:?}"
    );
    let named = |label: &String| label.contains("io.cilium.k8s.policy.name=web");
    assert!(updated.labels.iter().any(named), "{updated:?}");

    let lines = scene.lines(&["observe", "agent-events", "--all"]);
    assert_eq!(lines.len(), events.len());
    assert!(
        lines[0].contains(": AGENT_STARTED (start time: "),
        "{lines:?}"
    );
    let created = "ENDPOINT_CREATED (id: ";
    assert!(lines.iter().any(|line| line.contains(created)), "{lines:?}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("generation-enforced"))
    );
    let json = scene.lines(&["observe", "agent-events", "--last", "1", "-o", "json"]);
    assert!(
        json.len() == 1 && json[0].starts_with("{\"agent_event\":{"),
        "{json:?}"
    );
    let debug = scene.run_flowctl(&["observe", "debug-events"]);
    assert!(debug.status.success() && text(&debug.stdout).is_empty());
}
