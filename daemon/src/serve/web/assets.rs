//! The page itself, built into the binary.

use std::fmt::Write;

use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use super::error;

#[derive(RustEmbed)]
#[folder = "../web/dist"]
#[allow_missing = true]
struct Dist;

/// Content types by ending.
const TYPES: [(&str, &str); 10] = [
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("json", "application/json"),
    ("map", "application/json"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("ico", "image/x-icon"),
    ("woff2", "font/woff2"),
    ("txt", "text/plain; charset=utf-8"),
];

/// Any path that is no route.
pub(super) async fn asset(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return error(StatusCode::METHOD_NOT_ALLOWED, "only GET here");
    }
    serve(uri.path().trim_start_matches('/'), &headers)
}

/// One file; a browser that has it already gets nothing.
pub(super) fn serve(path: &str, headers: &HeaderMap) -> Response {
    let Some(file) = Dist::get(path) else {
        let text = if Dist::get("index.html").is_some() {
            "there is nothing here"
        } else {
            "the page was not built into this flowd; run `npm run build` in web/ and build again"
        };
        return error(StatusCode::NOT_FOUND, text);
    };
    let hash = file.metadata.sha256_hash();
    let tag = hash[..16].iter().fold(String::from("\""), |mut tag, byte| {
        // Writing to a string does not fail.
        let _ = write!(tag, "{byte:02x}");
        tag
    }) + "\"";
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|value| value.as_bytes() == tag.as_bytes());
    let common = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        (header::CONTENT_TYPE, content_type(path).to_owned()),
    ];
    if known {
        (StatusCode::NOT_MODIFIED, common).into_response()
    } else {
        (common, file.data.into_owned()).into_response()
    }
}

fn content_type(path: &str) -> &'static str {
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
    TYPES
        .iter()
        .find(|(known, _)| *known == ending)
        .map_or("application/octet-stream", |(_, kind)| kind)
}
