//! Flows to a collector of OTLP over TLS: who is trusted, as whom we come, and what is said where one
//! of them does not fit.

mod support;

use std::{
    collections::BTreeSet,
    convert::Infallible,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, mpsc::channel},
    task::{Context, Poll},
    thread,
};

use flowd_proto::{flow::FlowFilter, flowd::v1::ExporterStatus};
use flowd_testbed::traffic::{TcpEcho, tcp_connect};
use opentelemetry_proto::tonic::{
    collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse},
    common::v1::any_value::Value,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use support::{Authority, PATIENCE, Scene, eventually, put, when};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::BoxFuture,
    server::{Grpc, NamedService, UnaryService},
    transport::{Server, server::Connected},
};
use tonic_prost::ProstCodec;
use tower::Service;

/// What a collector was sent by those who showed the right token, by tenant.
#[derive(Debug, Default)]
struct Seen {
    token: String,
    flows: BTreeSet<(String, String)>,
}

/// A collector that wants TLS 1.3, a client certificate and a token.
#[derive(Clone)]
struct Collector(Arc<Mutex<Seen>>);

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
        let header = |name: &str| {
            let value = request.metadata().get(name);
            value
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        let (shown, tenant) = (header("authorization"), header("x-scope-orgid"));
        let mut seen = self.0.lock().expect("nobody panicked");
        if shown != format!("Bearer {}", seen.token) {
            return Box::pin(async { Err(Status::unauthenticated("this token is not known")) });
        }
        let logs = request.into_inner().resource_logs.into_iter();
        let scopes = logs.flat_map(|logs| logs.scope_logs);
        for record in scopes.flat_map(|scope| scope.log_records) {
            let uuid = record
                .attributes
                .into_iter()
                .find(|pair| pair.key == "flow.uuid");
            if let Some(Value::StringValue(uuid)) = uuid.and_then(|pair| pair.value?.value) {
                seen.flows.insert((tenant.clone(), uuid));
            }
        }
        Box::pin(async { Ok(Response::new(ExportLogsServiceResponse::default())) })
    }
}

/// A connection of a client whose certificate was accepted.
struct Secured(TlsStream<TcpStream>);

impl Connected for Secured {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

fn acceptor(files: &Path) -> TlsAcceptor {
    let pem = |name: &str| fs::read(files.join(name)).expect("read");
    let certificate = |name: &str| CertificateDer::from_pem_slice(&pem(name)).expect("PEM");
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.crt")).expect("a CA");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(
            vec![certificate("collector.crt")],
            PrivateKeyDer::from_pem_slice(&pem("collector.key")).expect("a key"),
        )
        .expect("a pair");
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Serves until the test ends; where.
fn serve(collector: Collector, files: &Path) -> SocketAddr {
    let acceptor = acceptor(files);
    let (told, address) = channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            told.send(listener.local_addr().expect("its address"))
                .expect("somebody waits");
            let (sender, secured) = mpsc::channel(1);
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    // Who is not let in is told by TLS itself.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        sender
                            .send(io::Result::Ok(Secured(stream)))
                            .await
                            .expect("served");
                    }
                }
            });
            let incoming = tokio_stream::wrappers::ReceiverStream::new(secured);
            let server = Server::builder().add_service(collector);
            server
                .serve_with_incoming(incoming)
                .await
                .expect("it serves");
        });
    });
    address.recv().expect("it listens")
}

fn config(files: &Path, address: SocketAddr) -> String {
    let (files, port) = (files.display(), address.port());
    let exporter = |name: &str, tls: &str| {
        format!(
            "  - name: {name}
    otlp:
      endpoint: https://localhost:{port}
      token_file: {files}/token
      headers: {{X-Scope-OrgID: {name}}}
      tls: {{{tls}}}
"
        )
    };
    let ca = format!("ca: [{files}/ca.crt]");
    let own = format!("certificate: {files}/flowd.crt, key: {files}/flowd.key");
    let all = [
        exporter("good", &format!("{ca}, {own}")),
        exporter("other-ca", &format!("ca: [{files}/trusted.crt], {own}")),
        exporter("no-certificate", &ca),
        exporter(
            "other-name",
            &format!("{ca}, {own}, server_name: elsewhere.test"),
        ),
    ];
    format!("export:\n{}", all.concat())
}

fn exporter(scene: &Scene, name: &str) -> ExporterStatus {
    let all = scene.api().status().expect("a status").exporters;
    all.into_iter()
        .find(|one| one.name == name)
        .expect("it is listed")
}

/// The problem of an exporter is in the status, in the log and in the metrics.
fn told(scene: &Scene, name: &str, problem: &str) {
    eventually("its problem is told", || {
        let status = exporter(scene, name);
        when(status.problem.contains(problem), status)
    });
    let log = scene.flowd.log().expect("a log");
    assert!(log.contains(problem), "{problem}: {log}");
    let stuck = scene
        .flowd
        .metrics()
        .expect("metrics")
        .sum("flowd_export_stuck", &[("exporter", name)]);
    assert_eq!(stuck as u64, 1, "{name}");
    let lines = support::text(&scene.run_flowctl(&["status"]).stdout);
    assert!(lines.contains(problem), "{lines}");
}

/// The collector has from this exporter all that the API tells, but for these.
fn all_there(scene: &Scene, seen: &Mutex<Seen>, name: &str, missing: u64) {
    eventually("the collector has what the API tells", || {
        let flows = scene.api().flows(FlowFilter::default());
        let told: BTreeSet<_> = flows
            .into_iter()
            .map(|flow| (name.to_owned(), flow.uuid))
            .collect();
        let seen = &seen.lock().expect("nobody panicked").flows;
        let there = seen.iter().filter(|(tenant, _)| tenant == name);
        let there: BTreeSet<_> = there.cloned().collect();
        let good = there.is_subset(&told) && (told.len() - there.len()) as u64 == missing;
        when(
            good && !there.is_empty(),
            (told.len(), there.len(), missing),
        )
    });
}

#[test]
fn a_collector_behind_tls_gets_all_and_what_does_not_fit_is_told() {
    let mut scene =
        Scene::with(|builder, directory| builder.arg("--config").arg(directory.join("flowd.yaml")));
    let files: PathBuf = scene.directory.path().join("files");
    fs::create_dir(&files).expect("made");
    let authority = Authority::new(&files, "ca");
    authority.sign("collector", "localhost", 2100);
    authority.sign("flowd", "node-a.test", 2100);
    put(
        &files.join("trusted.crt"),
        &Authority::new(&files, "other").pem(),
    );
    put(&files.join("token"), "alpha-token\n");
    let seen = Arc::new(Mutex::new(Seen {
        token: "alpha-token".to_owned(),
        ..Seen::default()
    }));
    let address = serve(Collector(Arc::clone(&seen)), &files);
    put(
        &scene.directory.path().join("flowd.yaml"),
        &config(&files, address),
    );
    let [web, db] = ["web", "db"].map(|name| scene.pod(name));
    scene.launch();
    let any: std::net::IpAddr = "::".parse().expect("an address");
    let _server = TcpEcho::start(&db.namespace, any, 8080).expect("listens");
    let connect = || {
        let tried = tcp_connect(&web.namespace, db.ipv4, 8080, PATIENCE).expect("tried");
        assert!(tried.is_connected());
    };
    (0..10).for_each(|_| connect());
    all_there(&scene, &seen, "good", 0);
    assert_eq!(exporter(&scene, "good").problem, "");
    told(
        &scene,
        "other-ca",
        "its CA is unknown; name the CA in otlp.tls.ca",
    );
    // The right CA at last: it goes on by itself, and nothing is missing.
    put(&files.join("trusted.crt"), &authority.pem());
    told(&scene, "no-certificate", "it wants a client certificate");
    told(&scene, "other-name", "it is not for elsewhere.test");

    all_there(&scene, &seen, "other-ca", 0);

    // A token that is not good any more, and the next one, which is not asked for twice.
    eventually("nothing is under way", || {
        let lags = ["good", "other-ca"].map(|name| exporter(&scene, name).lag);
        when(lags == [0, 0], lags)
    });
    seen.lock().expect("nobody panicked").token = "beta-token".to_owned();
    connect();
    told(&scene, "good", "Unauthenticated: this token is not known");
    put(&files.join("token"), "beta-token\n");
    eventually("it goes on by itself", || {
        connect();
        let status = exporter(&scene, "good");
        when(status.problem.is_empty(), status)
    });
    eventually("nothing is under way", || {
        let lag = exporter(&scene, "good").lag;
        when(lag == 0, lag)
    });
    let rejected = exporter(&scene, "good").rejected;
    assert!(rejected > 0);
    all_there(&scene, &seen, "good", rejected);
    let log = scene.flowd.log().expect("a log");
    assert!(
        !log.contains("alpha-token") && !log.contains("beta-token"),
        "no token is told: {log}"
    );
}
