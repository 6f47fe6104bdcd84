//! A collector that is away for a moment, one that does not want everything, and counted flows.

use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::Service;

use super::*;
use crate::config::export::{AggregateSection, FileTarget, OtlpTarget};
use crate::flow::testing::{World, dropped, open, reply};

type Requests = mpsc::UnboundedReceiver<ExportLogsServiceRequest>;

/// Answers in turn what it was told to, then takes everything.
#[derive(Clone)]
struct Collector {
    answers: Arc<Mutex<Vec<Result<i64, Status>>>>,
    seen: mpsc::UnboundedSender<ExportLogsServiceRequest>,
}

impl NamedService for Collector {
    const NAME: &'static str = "opentelemetry.proto.collector.logs.v1.LogsService";
}

impl Service<http::Request<Body>> for Collector {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        assert!(request.uri().path().ends_with("LogsService/Export"));
        let own = self.clone();
        Box::pin(async move {
            let codec =
                ProstCodec::<ExportLogsServiceResponse, ExportLogsServiceRequest>::default();
            Ok(Grpc::new(codec).unary(own, request).await)
        })
    }
}

impl UnaryService<ExportLogsServiceRequest> for Collector {
    type Response = ExportLogsServiceResponse;
    type Future = BoxFuture<Response<Self::Response>, Status>;

    fn call(&mut self, request: Request<ExportLogsServiceRequest>) -> Self::Future {
        let own = self.clone();
        Box::pin(async move {
            let next = own.answers.lock().pop().unwrap_or(Ok(0));
            let rejected_log_records = next?;
            own.seen.send(request.into_inner()).unwrap();
            Ok(Response::new(ExportLogsServiceResponse {
                partial_success: Some(ExportLogsPartialSuccess {
                    rejected_log_records,
                    error_message: "too old".into(),
                }),
            }))
        })
    }
}

async fn collector(mut answers: Vec<Result<i64, Status>>) -> (String, Requests) {
    answers.reverse();
    let (seen, requests) = mpsc::unbounded_channel();
    let service = Collector {
        answers: Arc::new(Mutex::new(answers)),
        seen,
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    let server = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(incoming));
    (address, requests)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_gets_everything_once_and_what_it_rejects_is_counted() {
    let away = || Err(Status::unavailable("restarting"));
    let (endpoint, mut requests) = collector(vec![away(), away(), Ok(0), Ok(1)]).await;
    let mut world = World::new(100);
    let section = ExportSection {
        name: "otel".into(),
        otlp: Some(OtlpTarget {
            endpoint,
            ..OtlpTarget::default()
        }),
        ..ExportSection::default()
    };
    world.tell(&[open(), reply(), dropped()]);
    let exports = Exporters::default();
    assert!(
        exports
            .apply(std::slice::from_ref(&section), &world.sources)
            .is_empty()
    );
    let first = requests.recv().await.unwrap();
    let records = &first.resource_logs[0].scope_logs[0].log_records;
    assert_eq!(records.len(), 3);
    assert_eq!(records[2].severity_text, "WARN");
    let named = |key: &str| records[2].attributes.iter().any(|pair| pair.key == key);
    assert!(named("flow.drop_reason") && named("source.address") && named("flow.uuid"));
    world.tell(&[open(), open()]);
    requests.recv().await.unwrap();
    exports.stop();
    let state = exports.states();
    assert!(state.is_empty(), "they have ended: {state:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flows_are_counted_together_within_a_bound_and_none_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("counted.jsonl");
    let mut section = ExportSection {
        name: "counted".into(),
        file: Some(FileTarget {
            path: path.clone(),
            max_bytes: 1 << 20,
            max_age: None,
            max_files: 1,
            compress: false,
        }),
        aggregate: Some(AggregateSection {
            fields: vec!["l4.TCP.source_port".into(), "verdict".into()],
            interval: 3_600,
            max_keys: 3,
        }),
        ..ExportSection::default()
    };
    let mut world = World::new(1_000);
    let exports = Exporters::default();
    for round in 0..20_u16 {
        let event = flowd_abi::Event {
            local_port: 1_000 + round % 5,
            ..open()
        };
        world.tell(&[event]);
    }
    assert!(
        exports
            .apply(std::slice::from_ref(&section), &world.sources)
            .is_empty()
    );
    while exports.states()[0].counts.position() < 20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Another interval is another exporter under the same name: it goes on, and nothing is lost.
    section.aggregate.as_mut().unwrap().interval = 60;
    assert!(
        exports
            .apply(std::slice::from_ref(&section), &world.sources)
            .is_empty()
    );
    let counts = exports.states()[0].counts.clone();
    exports.stop();
    let text = std::fs::read_to_string(&path).unwrap();
    let count = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["flow"]["time"].is_string(), "{line}");
        assert!(line["flow"].get("uuid").is_none(), "{line}");
        line["flow"]["aggregate"]["egress_flow_count"]
            .as_u64()
            .unwrap()
    };
    assert_eq!(text.lines().map(count).sum::<u64>(), 20, "{text}");
    assert!(text.lines().count() > 5, "told early: {text}");
    assert_eq!((counts.exported(), counts.lost()), (20, 0));
}

#[test]
fn a_section_that_cannot_work_is_told_why() {
    for (yaml, part) in [
        ("{name: a}", "either file or otlp"),
        ("{name: a, otlp: {endpoint: 'x:1'}}", "neither http://"),
        (
            "{name: a, otlp: {endpoint: 'http://x:1', tls: {}}}",
            "write https://",
        ),
        (
            "{name: a, otlp: {endpoint: 'http://x:1', token_file: /t}}",
            "anybody on the way reads the token",
        ),
        (
            "{name: a, otlp: {endpoint: 'https://x:1', tls: {key: /k}}}",
            "given together",
        ),
        (
            "{name: a, otlp: {endpoint: 'https://x:1', tls: {server_name: a b}}}",
            "no name that a certificate",
        ),
        (
            "{name: a, otlp: {endpoint: 'https://x:1', headers: {a b: c}}}",
            "no name of a header",
        ),
        (
            "{name: a, otlp: {endpoint: 'https://x:1', headers: {grpc-timeout: 1S}}}",
            "leave it out",
        ),
        ("{name: a, file: {path: /x, max_bytes: 1}}", "at least 4096"),
        (
            "{name: a, file: {path: /x}, allow: [{source_pood: [x]}]}",
            "allow[0]",
        ),
        ("{name: a, file: {path: /x}, deny: [{source_ip: [x]}]}", "x"),
        ("{name: a, file: {path: /x}, fields: [nonsense]}", "fields"),
        ("{name: a, file: {path: /x}, end: tomorrow}", "end:"),
    ] {
        let section: ExportSection = serde_saphyr::from_str(yaml).unwrap();
        let context = filter::Context {
            directory: Default::default(),
            boot: crate::observe::uuid::Boot::fixed(0),
            scope: Default::default(),
        };
        let error = Plan::compile(&section, &context).unwrap_err();
        assert!(error.contains(part), "{yaml}: {error}");
    }
}
