//! Everything but `GetFlows`.

use flowd_proto::flowd::v1::flowd_client::FlowdClient;
use flowd_proto::flowd::v1::{ExplainRequest, StatusRequest};
use flowd_proto::observer::{GetNamespacesRequest, GetNodesRequest, ServerStatusRequest};
use flowd_proto::peer::NotifyRequest;
use flowd_proto::peer::peer_client::PeerClient;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::*;
use crate::config::access::LimitsSection;
use crate::serve::status::{EndpointState, EndpointStatus, Mode, Status};

#[tokio::test]
async fn streams_are_bounded_and_given_back() {
    let served = Served::new(10, Options::default()).await;
    served.world.sources.gate.limits().set(&LimitsSection {
        streams: 1,
        ..LimitsSection::default()
    });
    let follow = || GetFlowsRequest {
        follow: true,
        ..GetFlowsRequest::default()
    };
    let first = served.observer().get_flows(follow()).await.unwrap();
    let status = served.refused(follow()).await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("1 streams"), "{status}");
    drop(first);
    let again = async {
        while served.observer().get_flows(follow()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test]
async fn the_server_tells_of_itself() {
    let served = Served::with_ten().await;
    let mut observer = served.observer();
    let status = observer
        .server_status(ServerStatusRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (status.num_flows, status.max_flows, status.seen_flows),
        (10, 1_000, 10)
    );
    let nodes = observer
        .get_nodes(GetNodesRequest {})
        .await
        .unwrap()
        .into_inner()
        .nodes;
    assert_eq!(nodes[0].name, "node-a");
    assert_eq!(
        nodes[0].state(),
        flowd_proto::relay::NodeState::NodeConnected
    );
    let namespaces = observer
        .get_namespaces(GetNamespacesRequest {})
        .await
        .unwrap();
    let namespaces = namespaces.into_inner().namespaces;
    assert_eq!(namespaces.len(), 1);
    assert_eq!(namespaces[0].namespace, "shop");
    for service in ["", HEALTH_SERVICE] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let health = HealthClient::new(served.channel.clone())
            .check(request)
            .await
            .unwrap();
        assert_eq!(health.into_inner().status, 1, "{service:?}");
    }
    let mut peers = PeerClient::new(served.channel.clone());
    let mut peers = peers.notify(NotifyRequest {}).await.unwrap().into_inner();
    let peer = timeout(PATIENCE, peers.message())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!((peer.name.as_str(), peer.r#type), ("node-a", 1));
}

#[tokio::test]
async fn status_and_reasons_are_served() {
    let served = Served::with_ten().await;
    served.world.sources.status.store(Status {
        endpoints: vec![EndpointStatus {
            id: 7,
            namespace: "shop".into(),
            name: "frontend".into(),
            identity: 5000,
            interface: "veth-front".into(),
            ifindex: 12,
            state: EndpointState::Failed("no such device".into()),
            mode: Mode::Enforce,
            mode_source: crate::modes::ModeSource::EndpointFile,
            desired_generation: 2,
            enforced_generation: 1,
            ingress_enforced: true,
            egress_enforced: false,
            policies: vec![],
            addresses: vec![],
        }],
        ..Status::default()
    });
    let mut client = FlowdClient::new(served.channel.clone());
    let status = client.status(StatusRequest {}).await.unwrap().into_inner();
    assert!(!status.healthy);
    assert_eq!(status.problems.len(), 1);
    assert_eq!(status.endpoints[0].detail, "no such device");
    assert_eq!(status.ledger.unwrap().log_next_seq, 10);
    let explain = |reason: &str| ExplainRequest {
        reason: reason.to_owned(),
    };
    let all = client
        .explain(explain(""))
        .await
        .unwrap()
        .into_inner()
        .reasons;
    let reasons = flowd_abi::DropReason::ALL.len() + flowd_abi::ForwardReason::ALL.len();
    assert_eq!(all.len(), reasons);
    let one = client
        .explain(explain("POLICY_DENY"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(one.reasons[0].reason, "rule_denied");
    let status = client.explain(explain("weather")).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn both_reflections_list_the_services() {
    use tonic_reflection::pb::{v1, v1alpha};
    let served = Served::with_ten().await;
    let wanted = [
        "flowd.v1.Flowd",
        "grpc.health.v1.Health",
        "observer.Observer",
        "peer.Peer",
    ];
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(
            String::new(),
        )),
    };
    let mut client =
        v1::server_reflection_client::ServerReflectionClient::new(served.channel.clone());
    let mut answers = client
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(v1::server_reflection_response::MessageResponse::ListServicesResponse(list)) = answer
    else {
        panic!("{answer:?}");
    };
    for name in wanted {
        assert!(
            list.service.iter().any(|service| service.name == name),
            "{name}"
        );
    }
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
                "flow.Flow".to_owned(),
            ),
        ),
    };
    let mut client =
        v1alpha::server_reflection_client::ServerReflectionClient::new(served.channel.clone());
    let mut answers = client
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    assert!(matches!(
        answer,
        Some(v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(_))
    ));
}

#[tokio::test]
async fn loopback_tcp_serves_the_same() {
    let mut world = World::new(10);
    world.tell(&[numbered(1)]);
    let listener = listen::loopback("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let routes = routes(&world.sources, &Options::default()).await.unwrap();
    let sources = world.sources.clone();
    let server =
        tokio::spawn(async move { serve(Door::Loopback(listener), routes, &sources).await });
    let channel = Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut stream = ObserverClient::new(channel)
        .get_flows(GetFlowsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(port(&flow_of(next(&mut stream).await.unwrap())), 1);
    assert_eq!(next(&mut stream).await, None);
    drop(stream);
    world.stopper.stop();
    timeout(PATIENCE, server).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn debug_events_are_an_empty_stream() {
    use flowd_proto::observer::GetDebugEventsRequest;
    let served = Served::with_ten().await;
    let debug = served
        .observer()
        .get_debug_events(GetDebugEventsRequest::default())
        .await
        .unwrap();
    assert_eq!(debug.into_inner().message().await.unwrap(), None);
}

#[tokio::test]
async fn agent_events_are_the_timeline() {
    use crate::flow::Happening;
    use crate::flow::happening::{Change, GenerationFacts, PolicyFacts};
    use flowd_proto::flow::{AgentEventType, agent_event::Notification};
    use flowd_proto::flowd::v1::GetEventsRequest;
    use flowd_proto::flowd::v1::get_events_response::Response as Answer;
    use flowd_proto::flowd::v1::timeline_client::TimelineClient;
    use flowd_proto::observer::GetAgentEventsRequest;

    let served = Served::with_ten().await;
    let timeline = served.world.sources.log.timeline();
    let policy = PolicyFacts {
        name: "web".into(),
        labels: vec!["k8s:io.cilium.k8s.policy.name=web".into()],
        rules: 2,
        generation: 7,
        ..PolicyFacts::default()
    };
    timeline.tell(1, Happening::Policy(Change::Removed, policy));
    let request = GetAgentEventsRequest {
        follow: true,
        number: 1,
        ..GetAgentEventsRequest::default()
    };
    let mut agent = served.observer().get_agent_events(request).await.unwrap();
    let agent = agent.get_mut();
    let first = agent.message().await.unwrap().unwrap();
    assert_eq!(first.node_name, "node-a");
    assert_eq!(first.time.unwrap().unix_nanos(), 1);
    let event = first.agent_event.unwrap();
    assert_eq!(event.r#type(), AgentEventType::PolicyDeleted);
    let Some(Notification::PolicyUpdate(update)) = event.notification else {
        panic!("{event:?}");
    };
    assert_eq!((update.revision, update.rule_count), (7, 2));
    // What Hubble has no message for comes to a follower by its name.
    let generation = GenerationFacts {
        generation: 7,
        ..GenerationFacts::default()
    };
    timeline.tell(2, Happening::Generation(generation));
    let next = timeout(PATIENCE, agent.message()).await.unwrap().unwrap();
    let event = next.unwrap().agent_event.unwrap();
    assert_eq!(event.r#type(), AgentEventType::AgentEventUnknown);
    let Some(Notification::Unknown(unknown)) = event.notification else {
        panic!("{event:?}");
    };
    assert_eq!(unknown.r#type, "generation-enforced");
    assert!(
        unknown.notification.contains("\"generation\":7"),
        "{unknown:?}"
    );
    // Our own form says where among the flows it stands.
    let mut ours = TimelineClient::new(served.channel.clone());
    let request = GetEventsRequest::default();
    let mut ours = ours.get_events(request).await.unwrap().into_inner();
    let mut told = Vec::new();
    while let Some(response) = ours.message().await.unwrap() {
        let Some(Answer::Event(event)) = response.response else {
            panic!("{response:?}");
        };
        told.push((event.number, event.flows_before));
    }
    assert_eq!(told, [(0, 10), (1, 10)]);
}

#[tokio::test]
async fn relays_and_clients_are_told_what_is_configured() {
    let options = Options {
        address: "10.0.0.1:4245".to_owned(),
        tls_server_name: Some("node-a.default.hubble-grpc.cilium.io".to_owned()),
        hubble_server_version: Some("1.17.0".to_owned()),
        ..Options::default()
    };
    let served = Served::new(10, options).await;
    let mut peers = PeerClient::new(served.channel.clone());
    let mut peers = peers.notify(NotifyRequest {}).await.unwrap().into_inner();
    let peer = timeout(PATIENCE, peers.message()).await.unwrap().unwrap();
    let peer = peer.unwrap();
    assert_eq!(peer.address, "10.0.0.1:4245");
    let name = "node-a.default.hubble-grpc.cilium.io";
    assert_eq!(peer.tls.unwrap().server_name, name);
    let mut observer = served.observer();
    let nodes = observer.get_nodes(GetNodesRequest {}).await.unwrap();
    let version = |metadata: &tonic::metadata::MetadataMap| {
        let value = metadata.get("hubble-server-version");
        value.map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(version(nodes.metadata()).as_deref(), Some("1.17.0"));
    let tls = nodes.into_inner().nodes.remove(0).tls.unwrap();
    assert!(tls.enabled && tls.server_name == name);
    let flows = observer
        .get_flows(GetFlowsRequest::default())
        .await
        .unwrap();
    assert_eq!(version(flows.metadata()).as_deref(), Some("1.17.0"));

    let plain = Served::new(10, Options::default()).await;
    let mut observer = plain.observer();
    let status = observer.server_status(ServerStatusRequest {}).await;
    assert_eq!(version(status.unwrap().metadata()), None);
}
