//! Names, kinds, verdicts and policies, and what must never reach a terminal.

use super::*;

fn denied(extension: FlowExtension) -> Flow {
    Flow {
        extensions: Some(extension.pack()),
        ..syn()
    }
}

#[test]
fn drops_name_who_and_how_often() {
    let rule = Flow {
        event_type: Some(CiliumEventType {
            r#type: 1,
            sub_type: 181,
        }),
        ingress_denied_by: vec![
            Policy {
                name: "db".into(),
                kind: "CiliumNetworkPolicy".into(),
                ..Policy::default()
            },
            Policy {
                name: "no-db".into(),
                kind: "K".into(),
                ..Policy::default()
            },
        ],
        ..denied(FlowExtension {
            event: EventKind::Drops.into(),
            packets_told: 12,
            ..FlowExtension::default()
        })
    };
    assert!(
        line(rule.clone()).ends_with(
            "Policy denied by denylist DROPPED BY db (CiliumNetworkPolicy), no-db (K) \
             (TCP Flags: SYN) x12\n"
        ),
        "{}",
        line(rule)
    );
    let by_rule = denied(FlowExtension {
        rules: vec![RuleRef {
            kind: "CiliumNetworkPolicy".into(),
            name: "no-metadata".into(),
            index: 2,
            direction: TrafficDirection::Egress.into(),
            action: RuleAction::Deny.into(),
            ..RuleRef::default()
        }],
        ..FlowExtension::default()
    });
    assert!(
        line(by_rule.clone())
            .contains(" DROPPED BY no-metadata (CiliumNetworkPolicy) egressDeny[2] ("),
        "{}",
        line(by_rule)
    );
    let causes = FlowExtension {
        packets_told: 1,
        default_denied_by: vec![PolicyRef {
            kind: "CiliumNetworkPolicy".into(),
            namespace: "shop".into(),
            name: "backend".into(),
            ..PolicyRef::default()
        }],
        ..FlowExtension::default()
    };
    let default = Flow {
        ingress_denied_by: vec![Policy {
            name: "backend".into(),
            ..Policy::default()
        }],
        ..denied(causes)
    };
    assert!(line(default.clone()).ends_with(
        "Policy denied DROPPED DEFAULT DENY BY backend (CiliumNetworkPolicy) (TCP Flags: SYN)\n"
    ));
    let quiet = Style {
        policy_names: false,
        ..STYLE
    };
    assert!(
        shown(Output::Compact, quiet, &[answer(default)])
            .ends_with("Policy denied DROPPED (TCP Flags: SYN)\n")
    );
    // A policy of the other direction did not decide.
    let other = Flow {
        egress_denied_by: vec![Policy {
            name: "x".into(),
            ..Policy::default()
        }],
        ..syn()
    };
    assert_eq!(line(other), line(syn()));
}

#[test]
fn hosts_are_named_in_hubbles_order() {
    let host = |flow: Flow, style| {
        let view = FlowView::new(&flow, style);
        format!("{} {}", view.source(), view.destination())
    };
    let named = Flow {
        source_service: Some(Service {
            name: "api".into(),
            namespace: "shop".into(),
        }),
        source_names: vec!["hidden.example".into()],
        destination_names: vec!["a.example".into(), "b.example".into()],
        ..syn()
    };
    assert_eq!(
        host(named.clone(), STYLE),
        "shop/api:31793 a.example,b.example:8080"
    );
    let numeric = Style {
        numeric: true,
        names: false,
        ..STYLE
    };
    assert_eq!(host(named, numeric), "1.1.1.1:31793 2.2.2.2:8080");
    assert!(shown(Output::Compact, numeric, &[answer(syn())]).contains("(ID:4) ->"));

    let six = Flow {
        ip: Some(Ip {
            source: "fd00::1".into(),
            destination: "::1".into(),
            ..Ip::default()
        }),
        ..syn()
    };
    assert_eq!(host(six.clone(), STYLE), "[fd00::1]:31793 [::1]:8080");
    let ping = layer4::Protocol::IcmPv4(IcmPv4 { r#type: 8, code: 0 });
    let ping = Flow {
        l4: Some(Layer4 {
            protocol: Some(ping),
        }),
        ..six
    };
    assert_eq!(host(ping, STYLE), "fd00::1 ::1");
    let frame = Flow {
        ip: None,
        l4: None,
        ethernet: Some(Ethernet {
            source: "aa:01".into(),
            destination: "bb:02".into(),
        }),
        ..syn()
    };
    assert_eq!(host(frame, STYLE), "aa:01 bb:02");
}

#[test]
fn kinds_verdicts_and_summaries() {
    let kind = |r#type, sub_type| {
        let event_type = Some(CiliumEventType { r#type, sub_type });
        FlowView::new(
            &Flow {
                event_type,
                ..syn()
            },
            STYLE,
        )
        .kind()
    };
    assert_eq!(kind(4, 5), "from-endpoint");
    assert_eq!(kind(4, 99), "99");
    assert_eq!(kind(1, 132), "Invalid source ip");
    assert_eq!(kind(1, 250), "250, 0");
    assert_eq!(kind(5, 0), "policy-verdict:none INGRESS");
    assert_eq!(kind(3, 0), "DBG_CAPTURE_POINT_UNKNOWN");
    assert_eq!(kind(42, 0), "UNKNOWN");
    let dns = Flow {
        l7: Some(Layer7 {
            r#type: L7FlowType::Response.into(),
            record: Some(layer7::Record::Dns(Dns {
                observation_source: "proxy".into(),
                ..Dns::default()
            })),
            ..Layer7::default()
        }),
        ..syn()
    };
    assert_eq!(FlowView::new(&dns, STYLE).kind(), "dns-response proxy");

    let verdict = |verdict: Verdict, r#type| {
        let event_type = Some(CiliumEventType {
            r#type,
            sub_type: 0,
        });
        let flow = Flow {
            verdict: verdict.into(),
            event_type,
            ..syn()
        };
        FlowView::new(&flow, STYLE).verdict()
    };
    assert_eq!(verdict(Verdict::Dropped, 5), "DENIED");
    assert_eq!(verdict(Verdict::Audit, 5), "AUDITED");
    assert_eq!(verdict(Verdict::Redirected, 5), "REDIRECTED");
    assert_eq!(verdict(Verdict::Audit, 4), "AUDIT");

    let noted = Flow {
        ip_trace_id: Some(IpTraceId {
            trace_id: 9,
            ip_option_type: 136,
        }),
        auth_type: AuthType::Spire.into(),
        ..syn()
    };
    let summary = FlowView::new(&noted, STYLE).summary();
    assert_eq!(summary, "IP Trace ID: 9; TCP Flags: SYN; Auth: SPIRE");
}

#[test]
fn names_cannot_drive_the_terminal() {
    let evil = "\u{1b}]0;pwned\u{7}\r\nJan".to_owned();
    let flow = Flow {
        source: Some(Endpoint {
            pod_name: evil.clone(),
            ..Endpoint::default()
        }),
        destination_names: vec![evil.clone()],
        ingress_denied_by: vec![Policy {
            name: evil.clone(),
            ..Policy::default()
        }],
        summary: evil.clone(),
        ..syn()
    };
    let hostile = GetFlowsResponse {
        node_name: evil,
        ..answer(flow)
    };
    for output in [Output::Compact, Output::Dict, Output::Table, Output::Json] {
        let text = shown(output, NODE, std::slice::from_ref(&hostile));
        assert!(
            !text.contains(['\u{1b}', '\r', '\u{7}']),
            "{output:?}: {text:?}"
        );
    }
    assert_eq!(shown(Output::Compact, NODE, &[hostile]).lines().count(), 1);
}

#[test]
fn missing_parts_are_no_trouble() {
    let text = line(Flow::default());
    assert_eq!(
        text,
        "N/A:  (unknown) <>  (unknown) UNKNOWN VERDICT_UNKNOWN ()\n"
    );
    assert_eq!(
        shown(Output::Compact, STYLE, &[GetFlowsResponse::default()]),
        ""
    );
}

#[test]
fn only_trouble_with_nodes_is_told() {
    let status = |state: NodeState| NodeStatusEvent {
        state_change: state.into(),
        node_names: vec!["node-b".into()],
        message: "tired".into(),
    };
    let line = |state| node_status_line(&status(state));
    let unavailable = line(NodeState::NodeUnavailable);
    assert_eq!(
        unavailable.as_deref(),
        Some("1 nodes are unavailable: node-b")
    );
    assert_eq!(
        line(NodeState::NodeError).as_deref(),
        Some("1 nodes have errors: node-b: tired")
    );
    assert_eq!(line(NodeState::NodeConnected), None);
    assert_eq!(line(NodeState::NodeGone), None);
}

#[test]
fn a_process_is_told_when_asked_for_and_known() {
    let named = denied(FlowExtension {
        process: Some(Process {
            pid: 4711,
            name: "curl".into(),
            ..Process::default()
        }),
        ..FlowExtension::default()
    });
    let asking = Style {
        process: true,
        ..STYLE
    };
    let told = |style, flow: &Flow| shown(Output::Compact, style, &[answer(flow.clone())]);
    assert!(told(asking, &named).ends_with("(TCP Flags: SYN) curl[4711]\n"));
    assert!(told(STYLE, &named).ends_with("(TCP Flags: SYN)\n"));
    assert!(told(asking, &syn()).ends_with("(TCP Flags: SYN)\n"));
}
