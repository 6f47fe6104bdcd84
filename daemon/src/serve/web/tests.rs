//! The page and its interface, request by request.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tower::ServiceExt;

use super::*;
use crate::access::rights::find;
use crate::flow::Happening;
use crate::flow::testing::{World, dropped, open, reply};

const TOKEN: &str = "a-long-token";

struct Page {
    world: World,
    routes: Router,
}

impl Page {
    fn new() -> Self {
        let mut world = World::new(1_000);
        world.tell(&[open(), reply(), dropped()]);
        let routes = routes(world.sources.clone(), TOKEN);
        Self { world, routes }
    }

    async fn send(&self, request: Request<Body>) -> Response {
        self.routes.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str, cookie: &str) -> Response {
        let request = Request::get(path).header(header::COOKIE, cookie);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn log_in(&self, token: &str) -> Response {
        let body = json!({ "token": token }).to_string();
        let request = Request::post("/api/v1/login")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body));
        self.send(request.unwrap()).await
    }

    async fn cookie(&self) -> String {
        cookie_of(&self.log_in(TOKEN).await)
    }
}

fn cookie_of(response: &Response) -> String {
    let set = response.headers()[header::SET_COOKIE].to_str().unwrap();
    assert!(
        set.contains("HttpOnly") && set.contains("SameSite=Strict"),
        "{set}"
    );
    set.split(';').next().unwrap().to_owned()
}

async fn body(response: Response) -> Value {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn nothing_is_told_without_a_login() {
    let page = Page::new();
    for (path, call) in CALLS {
        assert!(find(call).is_some(), "{call} has no right");
        for cookie in ["", "flowd_session=", "flowd_session=0123", "other=1"] {
            let response = page.get(path, cookie).await;
            assert_eq!(
                response.status(),
                StatusCode::UNAUTHORIZED,
                "{path} {cookie}"
            );
            assert!(body(response).await["error"].is_string());
        }
    }
    for wrong in ["", "a-long-toke", "a-long-token2", "A-long-token"] {
        assert_eq!(page.log_in(wrong).await.status(), StatusCode::UNAUTHORIZED);
    }
    let nonsense = Request::post("/api/v1/login").body(Body::from("token"));
    let response = page.send(nonsense.unwrap()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let closed = routes(page.world.sources.clone(), "");
    let empty = Request::get("/?token=").body(Body::empty()).unwrap();
    let response = closed.oneshot(empty).await.unwrap();
    assert!(response.headers().get(header::SET_COOKIE).is_none());
}

#[tokio::test]
async fn the_token_opens_by_form_and_by_link() {
    let page = Page::new();
    let cookie = page.cookie().await;
    assert_eq!(
        page.get("/api/v1/status", &cookie).await.status(),
        StatusCode::OK
    );
    let response = page.get(&format!("/?token={TOKEN}"), "").await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(response.headers()[header::LOCATION], "/");
    let cookie = cookie_of(&response);
    let response = page.get("/api/v1/status", &format!("a=b; {cookie}")).await;
    let status = body(response).await;
    assert_eq!(status["node_name"], "node-a");
    assert_eq!(status["ledger"]["events_received"], "3");
}

#[tokio::test]
async fn flows_are_listed_as_asked() {
    let page = Page::new();
    let cookie = page.cookie().await;
    for (query, expected) in [
        ("", 3),
        ("?last=2", 2),
        ("?verdict=DROPPED", 1),
        ("?verdict=dropped,FORWARDED", 3),
        ("?ip=10.0.0.2", 2),
        ("?port=8080&namespace=shop", 2),
        ("?pod=shop/frontend&reply=true", 1),
        ("?drop_reason=default_denied", 1),
        ("?label=app%3Dbackend&protocol=udp", 0),
        ("?identity=2&direction=ingress", 1),
        ("?since=2030-01-01T00:00:00Z", 0),
    ] {
        let response = page.get(&format!("/api/v1/flows{query}"), &cookie).await;
        assert_eq!(response.status(), StatusCode::OK, "{query}");
        let flows = body(response).await;
        assert_eq!(
            flows.as_array().unwrap().len(),
            expected,
            "{query}: {flows}"
        );
    }
    for query in [
        "?verdict=FINE",
        "?ip=x",
        "?lats=1",
        "?since=now",
        "?identity=-1",
    ] {
        let response = page.get(&format!("/api/v1/flows{query}"), &cookie).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
        assert!(body(response).await["error"].is_string(), "{query}");
    }
}

/// The next event of a stream: its id and data.
async fn event(stream: &mut axum::body::BodyDataStream) -> (String, Value) {
    let bytes = timeout(Duration::from_secs(30), stream.next())
        .await
        .unwrap();
    let text = String::from_utf8(bytes.unwrap().unwrap().to_vec()).unwrap();
    let line = |name: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(name));
        found
            .unwrap_or_else(|| panic!("no {name} in {text}"))
            .trim()
            .to_owned()
    };
    (line("id:"), serde_json::from_str(&line("data:")).unwrap())
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was() {
    let mut page = Page::new();
    let cookie = page.cookie().await;
    let response = page.get("/api/v1/flows/stream?last=2", &cookie).await;
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "text/event-stream"
    );
    let mut stream = response.into_body().into_data_stream();
    let (id, batch) = event(&mut stream).await;
    assert_eq!(
        (id.as_str(), batch["flows"].as_array().unwrap().len()),
        ("2", 2)
    );
    assert_eq!(batch["lost"], 0);
    page.world.tell(&[open()]);
    let (id, batch) = event(&mut stream).await;
    assert_eq!(
        (id.as_str(), batch["flows"].as_array().unwrap().len()),
        ("3", 1)
    );
    drop(stream);
    page.world.tell(&[open(), dropped()]);
    let request = Request::get("/api/v1/flows/stream?verdict=DROPPED&last=0")
        .header(header::COOKIE, &cookie)
        .header("last-event-id", "3");
    let response = page.send(request.body(Body::empty()).unwrap()).await;
    let (id, batch) = event(&mut response.into_body().into_data_stream()).await;
    assert_eq!(
        (id.as_str(), batch["flows"].as_array().unwrap().len()),
        ("5", 1)
    );
}

#[tokio::test]
async fn a_page_that_is_too_slow_is_told_what_it_missed() {
    let mut page = Page::new();
    let cookie = page.cookie().await;
    let response = page.get("/api/v1/flows/stream?last=0", &cookie).await;
    let mut stream = response.into_body().into_data_stream();
    page.world.tell(&vec![open(); 700]);
    let (id, batch) = event(&mut stream).await;
    assert_eq!(id, "702");
    assert_eq!(batch["flows"].as_array().unwrap().len(), 500);
    assert_eq!(batch["lost"], 200);
}

#[tokio::test]
async fn the_page_is_guarded_and_cached() {
    let page = Page::new();
    let response = page.get("/nothing-here.js", "").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert_eq!(
        response.headers()[header::X_CONTENT_TYPE_OPTIONS],
        "nosniff"
    );
    let response = page.get("/", "").await;
    if response.status() == StatusCode::NOT_FOUND {
        let text = body(response).await["error"].to_string();
        assert!(text.contains("npm run build"), "{text}");
        return;
    }
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "text/html; charset=utf-8"
    );
    let tag = response.headers()[header::ETAG].clone();
    let request = Request::get("/").header(header::IF_NONE_MATCH, tag);
    let response = page.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn the_timeline_stands_among_the_flows() {
    let mut page = Page::new();
    let cookie = page.cookie().await;
    let timeline = page.world.log().timeline().clone();
    let started = |version: &str| Happening::Started {
        version: version.to_owned(),
    };
    timeline.tell(1, started("between"));
    page.world.tell(&[open()]);
    timeline.tell(2, started("after"));
    let ask = |path: &str, id: &str| {
        let request = Request::get(path)
            .header(header::COOKIE, &cookie)
            .header("last-event-id", id);
        page.send(request.body(Body::empty()).unwrap())
    };
    let told = |batch: &Value| -> Vec<(u64, String)> {
        let events = batch["events"].as_array().cloned().unwrap_or_default();
        let each = events.iter().map(|placed| {
            let version = &placed["event"]["started"]["version"];
            (
                placed["at"].as_u64().unwrap(),
                version.as_str().unwrap().to_owned(),
            )
        });
        each.collect()
    };
    let response = ask("/api/v1/flows/stream?last=2&events=true", "").await;
    let mut stream = response.into_body().into_data_stream();
    let (id, batch) = event(&mut stream).await;
    assert_eq!(id, "3.2");
    assert_eq!(
        told(&batch),
        [(1, "between".to_owned()), (2, "after".to_owned())]
    );
    assert_eq!(batch["start"]["from_seq"], "2");
    timeline.tell(3, started("alone"));
    let (id, batch) = event(&mut stream).await;
    assert_eq!(
        (id.as_str(), told(&batch)),
        ("3.3", vec![(0, "alone".to_owned())])
    );
    assert!(batch.get("start").is_none());
    drop(stream);

    // Who comes back is told what is new; who did not ask is told of no event.
    let response = ask("/api/v1/flows/stream?events=true", "3.2").await;
    let (_, batch) = event(&mut response.into_body().into_data_stream()).await;
    assert_eq!(told(&batch), [(0, "alone".to_owned())]);
    assert_eq!(batch["flows"], json!([]));
    let response = ask("/api/v1/flows/stream", "").await;
    let (_, batch) = event(&mut response.into_body().into_data_stream()).await;
    assert_eq!(told(&batch), []);
}

#[tokio::test]
async fn a_flow_explains_itself_on_the_page() {
    let page = Page::new();
    let cookie = page.cookie().await;
    let uuid = page.world.sources.boot.uuid(0);
    let response = page.get(&format!("/api/v1/why?uuid={uuid}"), &cookie).await;
    assert_eq!(response.status(), StatusCode::OK);
    let answer = body(response).await;
    let end = &answer["ends"][0];
    assert_eq!(
        (&end["verdict"], &end["basis"]),
        (&json!("FORWARDED"), &json!("FLOW"))
    );
    assert_eq!(end["rules"][0]["path"], "spec.egress[1]");
    let asked = "source=10.0.0.1&destination=10.0.0.2&protocol=TCP&port=8080&direction=egress";
    let response = page.get(&format!("/api/v1/why?{asked}"), &cookie).await;
    assert_eq!(body(response).await["ends"][0], answer["ends"][0]);
    for (query, status) in [
        ("", StatusCode::BAD_REQUEST),
        ("uuid=x", StatusCode::BAD_REQUEST),
        ("uuid=x&source=y", StatusCode::BAD_REQUEST),
        (
            "source=10.0.0.1&destination=10.0.0.2",
            StatusCode::BAD_REQUEST,
        ),
        (
            "uuid=00000000-0000-4000-8000-000000000000",
            StatusCode::NOT_FOUND,
        ),
    ] {
        let response = page.get(&format!("/api/v1/why?{query}"), &cookie).await;
        assert_eq!(response.status(), status, "{query}");
        assert!(body(response).await["error"].is_string(), "{query}");
    }
}

#[tokio::test]
async fn the_limits_of_requests_hold_on_the_page_too() {
    let page = Page::new();
    let cookie = page.cookie().await;
    let mut limits = page.world.sources.gate.limits().section();
    limits.requests_per_second = 1;
    page.world.sources.gate.limits().set(&limits);
    let mut last = StatusCode::OK;
    for _ in 0..1_100 {
        last = page.get("/api/v1/status", &cookie).await.status();
        if last != StatusCode::OK {
            break;
        }
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}
