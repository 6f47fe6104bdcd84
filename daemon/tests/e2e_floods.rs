//! A client that floods requests is limited, at the real doors with real clients: it is told how
//! and why, so are the record, the status and the metrics; others lose nothing meanwhile.

mod support;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Instant,
};

use flowd_proto::{
    flow::Flow,
    flowd::v1::EventKind,
    observer::{
        GetFlowsRequest, ServerStatusRequest, get_flows_response::ResponseTypes,
        observer_client::ObserverClient,
    },
};
use flowd_testbed::traffic::{TcpEcho, tcp_connect};
use ring::digest::{SHA256, digest};
use support::{PATIENCE, Scene, eventually, flow_of, when};
use tokio::runtime::{Builder, Runtime};
use tonic::{
    Code, Request, Status, Streaming,
    metadata::MetadataValue,
    transport::{Channel, Endpoint},
};

/// Requests of a client in a second, and those it may save up.
const RATE: u32 = 50;
const SAVED: u32 = 2 * RATE;
const STREAMS: usize = 3;
/// Requests of the flood.
const FLOOD: u32 = 600;
const AT_ONCE: u32 = 8;
/// Connections made meanwhile.
const CONNECTIONS: usize = 20;
const PORT: u16 = 8080;

fn config(files: &Path) -> String {
    let hash = |token: &str| -> String {
        let bytes = digest(&SHA256, token.as_bytes());
        bytes
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    };
    let tokens = ["flooder", "calm"].map(|name| format!("{name} sha256:{}\n", hash(name)));
    fs::write(files.join("tokens"), tokens.concat()).expect("written");
    let files = files.display();
    format!(
        "limits: {{requests_per_second: {RATE}, streams_per_client: {STREAMS}}}
audit: {{file: {files}/audit.jsonl}}
access:
  tokens: {files}/tokens
  clients: [{{token: flooder, role: observer}}, {{token: calm, role: observer}}]
"
    )
}

fn scene() -> Scene {
    Scene::with(|builder, directory| {
        let path = directory.join("flowd.yaml");
        fs::write(&path, config(directory)).expect("written");
        builder.arg("--config").arg(path)
    })
}

/// A client of gRPC over TCP that shows a token.
#[derive(Clone)]
struct Client {
    channel: Channel,
    token: &'static str,
}

impl Client {
    async fn connect(address: SocketAddr, token: &'static str) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let channel = endpoint.connect().await.expect("it connects");
        Self { channel, token }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let value: MetadataValue<_> = format!("Bearer {}", self.token).parse().expect("text");
        request.metadata_mut().insert("authorization", value);
        request
    }

    async fn ask(&self) -> Result<(), Status> {
        let mut client = ObserverClient::new(self.channel.clone());
        let request = self.request(ServerStatusRequest::default());
        client.server_status(request).await.map(drop)
    }

    async fn follow(&self) -> Result<Streaming<flowd_proto::observer::GetFlowsResponse>, Status> {
        let mut client = ObserverClient::new(self.channel.clone());
        let request = GetFlowsRequest {
            follow: true,
            whitelist: vec![flow_of("tcp").port(PORT).0],
            ..GetFlowsRequest::default()
        };
        Ok(client.get_flows(self.request(request)).await?.into_inner())
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Asks as fast as it can; how it was refused, and how often it was not.
fn flood(address: SocketAddr) -> (u32, Vec<Status>) {
    runtime().block_on(async {
        let client = Client::connect(address, "flooder").await;
        let tasks = (0..AT_ONCE).map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let (mut good, mut refused) = (0, Vec::new());
                for _ in 0..FLOOD / AT_ONCE {
                    match client.ask().await {
                        Ok(()) => good += 1,
                        Err(status) => refused.push(status),
                    }
                }
                (good, refused)
            })
        });
        let (mut good, mut refused) = (0, Vec::new());
        for task in tasks.collect::<Vec<_>>() {
            let part = task.await.expect("it ends");
            good += part.0;
            refused.extend(part.1);
        }
        (good, refused)
    })
}

/// What a follower is told, until it is dropped.
fn follow(address: SocketAddr) -> Receiver<ResponseTypes> {
    let (sender, receiver) = channel();
    let (ready, started) = channel();
    thread::spawn(move || {
        runtime().block_on(async {
            let client = Client::connect(address, "calm").await;
            let mut stream = client.follow().await.expect("it follows");
            ready.send(()).expect("somebody waits");
            while let Ok(Some(answer)) = stream.message().await {
                let told = answer.response_types.expect("an answer");
                if sender.send(told).is_err() {
                    return;
                }
            }
        });
    });
    started.recv().expect("it follows");
    receiver
}

/// Lines of the record that have all of these.
fn on_record(audit: &Path, parts: &[&str]) -> u64 {
    let record = fs::read_to_string(audit).unwrap_or_default();
    let lines = record.lines();
    lines
        .filter(|line| parts.iter().all(|part| line.contains(part)))
        .count() as u64
}

/// The record, the status and the metrics have exactly so many refusals.
fn counted(scene: &Scene, reason: &str, audit: &Path, refused: u64) {
    eventually("all of it is on record", || {
        let metrics = scene.flowd.metrics().map_err(|error| error.to_string())?;
        let lost = metrics.sum("flowd_audit_lost_total", &[]) as u64;
        let lines = on_record(audit, &["token flooder", &format!("\"{reason}\"")]);
        when(lines + lost == refused, (lines, lost, refused))
    });
    assert_eq!(
        on_record(audit, &["token calm", &format!("\"{reason}\"")]),
        0
    );
    let status = scene.api().status().expect("a status");
    let told = status.refused.into_iter().find(|one| one.reason == reason);
    let told = told.expect("it is listed");
    assert_eq!(told.count, refused);
    assert!(told.client.contains("token flooder"), "{told:?}");
    let metrics = scene.flowd.metrics().expect("metrics");
    let sum = metrics.sum("flowd_refused_total", &[("reason", reason)]);
    assert_eq!(sum as u64, refused);
    let log = scene.flowd.log().expect("a log");
    assert!(log.contains(reason), "{log}");
}

#[test]
fn a_flood_over_grpc_is_told_its_limit_and_others_lose_nothing() {
    let mut scene = scene();
    let [web, db] = ["web", "db"].map(|name| scene.pod(name));
    scene.launch();
    let audit = scene.directory.path().join("audit.jsonl");
    let any: std::net::IpAddr = "::".parse().expect("an address");
    let _server = TcpEcho::start(&db.namespace, any, PORT).expect("listens");
    let address = scene.flowd.grpc_address().expect("an address");
    let told = follow(address);
    let begin = Instant::now();
    let flooding = thread::spawn(move || flood(address));
    let calm = runtime();
    let client = calm.block_on(Client::connect(address, "calm"));
    for _ in 0..CONNECTIONS {
        let tried = tcp_connect(&web.namespace, db.ipv4, PORT, PATIENCE).expect("tried");
        assert!(tried.is_connected());
        calm.block_on(client.ask()).expect("others are answered");
    }
    let (good, refused) = flooding.join().expect("it ends");
    let seconds = u32::try_from(begin.elapsed().as_secs()).expect("seconds") + 1;

    assert_eq!(good + u32::try_from(refused.len()).expect("few"), FLOOD);
    assert!(good <= SAVED + RATE * seconds, "{good} in {seconds} s");
    assert!(!refused.is_empty());
    for status in &refused {
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert!(
            status.message().contains("limits.requests_per_second"),
            "{status}"
        );
        let again = status.metadata().get("grpc-retry-pushback-ms");
        assert_eq!(again.expect("when to ask again"), "1000");
    }
    counted(&scene, "request_rate", &audit, refused.len() as u64);

    // Each connection has two ends, and the follower is told of both.
    let mut opened = 0;
    while opened < 2 * CONNECTIONS {
        match told.recv_timeout(PATIENCE).expect("it goes on") {
            ResponseTypes::Flow(flow) => opened += usize::from(is_open(&flow)),
            ResponseTypes::LostEvents(lost) => panic!("{lost:?}"),
            ResponseTypes::NodeStatus(_) => {}
        }
    }
    calls_are_counted(&scene, good, refused.len(), opened);
    streams_are_bounded(&scene, address, &audit, &client, &calm);
}

/// The metrics have each call, its code and its messages.
fn calls_are_counted(scene: &Scene, good: u32, refused: usize, told: usize) {
    let metrics = scene.flowd.metrics().expect("metrics");
    let of = |family: &str, method: &str, more: &[(&str, &str)]| {
        let service = [
            ("grpc_service", "observer.Observer"),
            ("grpc_method", method),
        ];
        metrics.sum(
            &format!("grpc_server_{family}"),
            &[&service[..], more].concat(),
        ) as usize
    };
    let good = usize::try_from(good).expect("few") + CONNECTIONS;
    let code = |code| of("handled_total", "ServerStatus", &[("grpc_code", code)]);
    assert_eq!((code("OK"), code("ResourceExhausted")), (good, refused));
    let unary = [("grpc_type", "unary")];
    let of_status = |family| of(family, "ServerStatus", &unary);
    assert_eq!(of_status("started_total"), good + refused);
    assert_eq!(of_status("handling_seconds_count"), good + refused);
    assert_eq!(of_status("msg_sent_total"), good);
    assert!(of_status("msg_received_total") >= good);
    let stream = [("grpc_type", "server_stream")];
    assert!(of("msg_sent_total", "GetFlows", &stream) >= told);
}

fn is_open(flow: &Flow) -> bool {
    let event = flow.extension().map(|extension| extension.event());
    event == Some(EventKind::Open)
}

/// One stream too many is refused, to whom it is one too many; one that ends makes room.
fn streams_are_bounded(
    scene: &Scene,
    address: SocketAddr,
    audit: &Path,
    calm: &Client,
    runtime: &Runtime,
) {
    let client = runtime.block_on(Client::connect(address, "flooder"));
    let follow = || {
        eventually("its rate allows it", || {
            match runtime.block_on(client.follow()) {
                Err(status) if status.message().contains("requests a second") => {
                    Err(status.to_string())
                }
                answer => Ok(answer),
            }
        })
    };
    let mut open: Vec<_> = (0..STREAMS)
        .map(|_| follow().expect("there is room"))
        .collect();
    let refused = follow().expect_err("one too many");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(
        refused.message().contains("limits.streams_per_client"),
        "{refused}"
    );
    counted(scene, "streams_of_client", audit, 1);
    let other = runtime.block_on(calm.follow());
    assert!(other.is_ok(), "{other:?}");
    open.pop();
    eventually("there is room again", || {
        runtime
            .block_on(client.follow())
            .map(drop)
            .map_err(|status| status.to_string())
    });
}

/// One request of HTTP: the status, the headers and the body.
fn http(address: SocketAddr, head: &str, body: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).expect("it connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    let length = body.len();
    write!(
        stream,
        "{head}Host: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("read");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (
        status.expect("a status"),
        head.to_ascii_lowercase(),
        body.to_owned(),
    )
}

/// The cookie of a login with this token.
fn log_in(address: SocketAddr, token: &str) -> String {
    let body = format!("{{\"token\": \"{token}\"}}");
    let (status, head, _) = http(address, "POST /api/v1/login HTTP/1.1\r\n", &body);
    assert_eq!(status, 200, "{head}");
    let cookie = head
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "));
    cookie
        .and_then(|cookie| cookie.split(';').next())
        .expect("a cookie")
        .to_owned()
}

fn get(address: SocketAddr, cookie: &str) -> (u16, String, String) {
    let head = format!("GET /api/v1/status HTTP/1.1\r\nCookie: {cookie}\r\n");
    http(address, &head, "")
}

#[test]
fn a_flood_over_http_is_told_its_limit_and_others_are_answered() {
    let mut scene = scene();
    scene.launch();
    let audit: PathBuf = scene.directory.path().join("audit.jsonl");
    let address = scene.flowd.web_address().expect("an address");
    let [flooder, calm] = ["flooder", "calm"].map(|token| log_in(address, token));
    let mut refused = Vec::new();
    let flooding = thread::spawn(move || {
        let answers = (0..FLOOD).map(|_| get(address, &flooder));
        refused.extend(answers.filter(|(status, ..)| *status != 200));
        refused
    });
    while !flooding.is_finished() {
        let (status, _, body) = get(address, &calm);
        assert_eq!(status, 200, "{body}");
        // As often as a page asks, so that its own limit is not in question.
        thread::sleep(support::SILENCE);
    }
    let refused = flooding.join().expect("it ends");
    assert!(!refused.is_empty());
    for (status, head, body) in &refused {
        assert_eq!(*status, 429, "{head}");
        assert!(head.contains("\r\nretry-after: 1"), "{head}");
        assert!(body.contains("limits.requests_per_second"), "{body}");
    }
    counted(&scene, "request_rate", &audit, refused.len() as u64);
}
