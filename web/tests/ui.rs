//! The page asks nothing of anybody else.

mod common;

use axum::http::StatusCode;
use common::{Server, meter};

/// What ends an address in a source of the page.
const ENDS: [char; 7] = ['"', '\'', '`', '?', '<', ')', ' '];

#[tokio::test]
async fn the_parts_have_their_types() {
    let server = Server::of(meter());
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/text.js", "text/javascript; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.headers["content-type"], kind, "{path}");
    }
}

#[tokio::test]
async fn nothing_comes_from_elsewhere() {
    let server = Server::of(meter());
    for path in ["/", "/app.js", "/text.js", "/style.css", "/icon.svg"] {
        // The name of an XML namespace is no address.
        let text = server.get(path).await.text;
        let text = text.replace("http://www.w3.org/2000/svg", "");
        for sign in [
            "://",
            "\"//",
            "url(",
            "@import",
            "innerHTML",
            "<style",
            "style=\"",
        ] {
            assert!(!text.contains(sign), "{path} has {sign}");
        }
    }
}

#[tokio::test]
async fn what_it_names_is_there() {
    let server = Server::of(meter());
    for part in ["/", "/app.js"] {
        let text = server.get(part).await.text;
        let pieces = text
            .split(['"', '`', '('])
            .filter(|piece| piece.starts_with('/'));
        let paths = pieces.map(|piece| piece.split(ENDS).next().unwrap());
        let paths: Vec<_> = paths
            .map(|path| path.split("${").next().unwrap())
            .filter(|path| path.len() > 1 && path[1..].starts_with(char::is_alphabetic))
            .collect();
        assert!(paths.len() > 3, "{part} names {paths:?}");
        for path in paths {
            let status = server.open(common::request("GET", path)).await.status();
            assert_eq!(status, StatusCode::OK, "{part} names {path}");
        }
    }
}
