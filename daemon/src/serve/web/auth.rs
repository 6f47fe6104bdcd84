//! The door: a token in, a session cookie out.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Json, Redirect, Response};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::access::limits::StreamPermit;
use crate::access::rights::find;
use crate::access::{Gate, Grant, Reason, Role};

use super::{CALLS, Shared, assets, error};

const COOKIE: &str = "flowd_session";

/// Sessions at once; the oldest is logged out by one more.
const MAX_SESSIONS: usize = 32;

/// The token, and who has shown it.
pub(super) struct Sessions {
    token: String,
    gate: Gate,
    open: Mutex<VecDeque<(String, Grant)>>,
}

impl Sessions {
    pub(super) fn new(token: &str, gate: Gate) -> Self {
        Self {
            token: token.to_owned(),
            gate,
            open: Mutex::new(VecDeque::new()),
        }
    }

    /// A session for whoever has the page's token, which sees everything, or a token of the
    /// configuration, which sees what its role does. An empty token opens for nobody.
    fn open(&self, token: &str) -> Option<String> {
        let grant = if !self.token.is_empty() && same(self.token.as_bytes(), token.as_bytes()) {
            Grant {
                client: "page".to_owned(),
                role: Role::Operator,
            }
        } else {
            match self.gate.by_token(token) {
                Ok(grant) => grant,
                Err(refusal) => {
                    self.gate
                        .refuse(&"somebody at the page", "/api/v1/login", refusal);
                    return None;
                }
            }
        };
        self.gate.record(&grant, "/api/v1/login", "ok", "");
        let session = Uuid::new_v4().simple().to_string();
        let mut open = self.open.lock();
        if open.len() >= MAX_SESSIONS {
            open.pop_front();
        }
        open.push_back((session.clone(), grant));
        Some(session)
    }

    /// Who a session belongs to.
    fn grant(&self, session: &str) -> Option<Grant> {
        let mut found = None;
        for (open, grant) in self.open.lock().iter() {
            if same(open.as_bytes(), session.as_bytes()) {
                found = Some(grant.clone());
            }
        }
        found
    }
}

/// Compares in a time that does not depend on where the first difference is.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).fold(0, |difference, (a, b)| {
            std::hint::black_box(difference | (a ^ b))
        }) == 0
}

fn session_of(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .find_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

fn set_cookie(session: &str) -> [(header::HeaderName, String); 1] {
    let cookie = format!("{COOKIE}={session}; Path=/; HttpOnly; SameSite=Strict");
    [(header::SET_COOKIE, cookie)]
}

/// Lets through who has a session.
pub(super) async fn require_session(
    State(shared): State<Shared>,
    mut request: Request,
    next: Next,
) -> Response {
    let session = session_of(request.headers());
    let Some(grant) = session.and_then(|session| shared.sessions.grant(session)) else {
        return error(
            StatusCode::UNAUTHORIZED,
            "log in first, with the token that flowd printed at start",
        );
    };
    let path = request.uri().path();
    let gate = &shared.sources.gate;
    let permit = match allow(gate, &grant, path) {
        Ok(permit) => permit,
        Err(response) => return *response,
    };
    let about = request.uri().query().unwrap_or_default();
    gate.record(&grant, path, "ok", about);
    request.extensions_mut().insert(grant);
    request.extensions_mut().insert(Arc::new(permit));
    next.run(request).await
}

/// Holds a request of the page to the rights and limits of the call it stands for.
fn allow(gate: &Gate, grant: &Grant, path: &str) -> Result<Option<StreamPermit>, Box<Response>> {
    let call = CALLS.iter().find(|(page, _)| *page == path);
    let Some(call) = call.and_then(|(_, call)| find(call)) else {
        let text = "nobody has a right to this path; that is a mistake in flowd";
        return Err(Box::new(error(StatusCode::FORBIDDEN, text)));
    };
    gate.allow(grant, call).map_err(|refusal| {
        if refusal.reason == Reason::NoRight {
            return Box::new(error(StatusCode::FORBIDDEN, refusal.text));
        }
        let mut response = error(StatusCode::TOO_MANY_REQUESTS, refusal.text);
        if refusal.reason == Reason::RequestRate {
            let second = HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, second);
        }
        Box::new(response)
    })
}

#[derive(Deserialize)]
pub(super) struct Login {
    token: String,
}

/// `POST /api/v1/login`.
pub(super) async fn login(
    State(shared): State<Shared>,
    body: Result<Json<Login>, axum::extract::rejection::JsonRejection>,
) -> Response {
    let Ok(Json(login)) = body else {
        return error(StatusCode::BAD_REQUEST, "a login is {\"token\": \"…\"}");
    };
    match shared.sessions.open(login.token.trim()) {
        Some(session) => (set_cookie(&session), Json(json!({ "ok": true }))).into_response(),
        None => error(StatusCode::UNAUTHORIZED, "this is not the token"),
    }
}

#[derive(Deserialize)]
pub(super) struct Link {
    token: Option<String>,
}

/// `GET /`: the page; a link with the token logs in and goes on without it.
pub(super) async fn index(
    State(shared): State<Shared>,
    Query(link): Query<Link>,
    headers: HeaderMap,
) -> Response {
    let shared: Arc<Sessions> = shared.sessions;
    match link.token.and_then(|token| shared.open(&token)) {
        Some(session) => (set_cookie(&session), Redirect::to("/")).into_response(),
        None => assets::serve("index.html", &headers),
    }
}
