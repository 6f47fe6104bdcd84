//! The door: a token in, a session cookie out.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Json, Redirect, Response};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{Shared, assets, error};

const COOKIE: &str = "flowd_session";

/// Sessions at once; the oldest is logged out by one more.
const MAX_SESSIONS: usize = 32;

/// The token, and who has shown it.
pub(super) struct Sessions {
    token: String,
    open: Mutex<VecDeque<String>>,
}

impl Sessions {
    pub(super) fn new(token: &str) -> Self {
        Self {
            token: token.to_owned(),
            open: Mutex::new(VecDeque::new()),
        }
    }

    /// A session for whoever has the token. An empty token opens for nobody.
    fn open(&self, token: &str) -> Option<String> {
        if self.token.is_empty() || !same(self.token.as_bytes(), token.as_bytes()) {
            return None;
        }
        let session = Uuid::new_v4().simple().to_string();
        let mut open = self.open.lock();
        if open.len() >= MAX_SESSIONS {
            open.pop_front();
        }
        open.push_back(session.clone());
        Some(session)
    }

    fn knows(&self, session: &str) -> bool {
        self.open.lock().iter().fold(false, |known, open| {
            known | same(open.as_bytes(), session.as_bytes())
        })
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
    request: Request,
    next: Next,
) -> Response {
    if session_of(request.headers()).is_some_and(|session| shared.sessions.knows(session)) {
        next.run(request).await
    } else {
        error(
            StatusCode::UNAUTHORIZED,
            "log in first, with the token that flowd printed at start",
        )
    }
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
