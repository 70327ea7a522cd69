//! The page for people, whose sources are built in.
//!
//! It asks nothing but this server, and asks it only what anyone may: the paths under `/api`.

use crate::State;
use axum::{Router, http::header::CONTENT_TYPE, routing::get};

/// Path, media type and text of every part of the page.
const PARTS: [(&str, &str, &str); 5] = [
    (
        "/",
        "text/html; charset=utf-8",
        include_str!("../ui/index.html"),
    ),
    (
        "/app.js",
        "text/javascript; charset=utf-8",
        include_str!("../ui/app.js"),
    ),
    (
        "/text.js",
        "text/javascript; charset=utf-8",
        include_str!("../ui/text.js"),
    ),
    (
        "/style.css",
        "text/css; charset=utf-8",
        include_str!("../ui/style.css"),
    ),
    ("/icon.svg", "image/svg+xml", include_str!("../ui/icon.svg")),
];

/// A path for each part.
pub(crate) fn router() -> Router<State> {
    PARTS
        .into_iter()
        .fold(Router::new(), |router, (path, kind, text)| {
            router.route(
                path,
                get(move || async move { ([(CONTENT_TYPE, kind)], text) }),
            )
        })
}
