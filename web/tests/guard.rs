//! Who may ask.

mod common;

use axum::http::{StatusCode, header};
use common::{Server, empty_meter, request};
use netweir_web::Settings;

fn server() -> Server {
    let settings = Settings {
        allowed_hosts: vec!["Weir.Example".to_owned()],
        ..Settings::default()
    };
    Server::with(empty_meter(), settings)
}

#[tokio::test]
async fn only_names_that_must_be_ours_are_served() {
    let server = server();
    let cases = [
        ("127.0.0.1:8080", StatusCode::OK),
        ("192.0.2.7", StatusCode::OK),
        ("[::1]:8080", StatusCode::OK),
        ("LOCALHOST", StatusCode::OK),
        ("localhost.:80", StatusCode::OK),
        ("weir.example:443", StatusCode::OK),
        ("evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("localhost.evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("127.0.0.1.evil.example:80", StatusCode::MISDIRECTED_REQUEST),
        ("sub.weir.example", StatusCode::MISDIRECTED_REQUEST),
        ("", StatusCode::BAD_REQUEST),
        ("a b", StatusCode::BAD_REQUEST),
    ];
    for (host, expected) in cases {
        for path in ["/", "/health", "/api/flows", "/nothing"] {
            let mut request = request("GET", path);
            let value = host.parse().unwrap();
            request.headers_mut().insert(header::HOST, value);
            let status = server.ask(request).await.status;
            let expected = match (path, expected) {
                ("/nothing", StatusCode::OK) => StatusCode::NOT_FOUND,
                _ => expected,
            };
            assert_eq!(status, expected, "{host} {path}");
        }
    }
}

#[tokio::test]
async fn there_is_exactly_one_host() {
    let server = server();
    let mut none = request("GET", "/health");
    none.headers_mut().remove(header::HOST);
    assert_eq!(server.ask(none).await.status, StatusCode::BAD_REQUEST);
    let mut two = request("GET", "/health");
    let other = "localhost".parse().unwrap();
    two.headers_mut().append(header::HOST, other);
    assert_eq!(server.ask(two).await.status, StatusCode::BAD_REQUEST);
    let target = request("GET", "http://evil.example/health");
    assert_eq!(
        server.ask(target).await.status,
        StatusCode::MISDIRECTED_REQUEST
    );
}

#[tokio::test]
async fn foreign_pages_may_link_but_not_ask() {
    let server = server();
    for (mode, expected) in [
        ("no-cors", StatusCode::FORBIDDEN),
        ("navigate", StatusCode::OK),
    ] {
        let mut request = request("GET", "/api/flows");
        let headers = request.headers_mut();
        headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
        headers.insert("sec-fetch-mode", mode.parse().unwrap());
        assert_eq!(server.ask(request).await.status, expected, "{mode}");
    }
}

/// Browsers that do not send `Sec-Fetch-Site` (it is sent to trustworthy addresses alone) send `Origin`.
#[tokio::test]
async fn the_origin_of_a_page_has_to_be_ours() {
    let server = server();
    for (host, origin, expected) in [
        ("127.0.0.1:3000", "http://127.0.0.1:3000", StatusCode::OK),
        ("LOCALHOST", "http://localhost", StatusCode::OK),
        ("localhost:80", "http://localhost", StatusCode::OK),
        ("[::1]:3000", "http://[::1]:3000", StatusCode::OK),
        // Behind a proxy that speaks TLS.
        ("weir.example", "https://weir.example", StatusCode::OK),
        (
            "weir.example",
            "https://weir.example:8443",
            StatusCode::FORBIDDEN,
        ),
        (
            "127.0.0.1:3000",
            "http://127.0.0.1:3001",
            StatusCode::FORBIDDEN,
        ),
        (
            "127.0.0.1:3000",
            "http://192.0.2.1:3000",
            StatusCode::FORBIDDEN,
        ),
        (
            "127.0.0.1:3000",
            "http://evil.example",
            StatusCode::FORBIDDEN,
        ),
        ("127.0.0.1:3000", "null", StatusCode::FORBIDDEN),
        ("127.0.0.1:3000", "127.0.0.1:3000", StatusCode::FORBIDDEN),
        ("127.0.0.1:3000", "", StatusCode::FORBIDDEN),
    ] {
        let mut request = request("GET", "/api/flows");
        let headers = request.headers_mut();
        headers.insert(header::HOST, host.parse().unwrap());
        headers.insert(header::ORIGIN, origin.parse().unwrap());
        assert_eq!(server.ask(request).await.status, expected, "{origin}");
    }
    let mut two = request("GET", "/api/flows");
    two.headers_mut()
        .insert(header::HOST, "localhost".parse().unwrap());
    for origin in ["http://localhost", "http://evil.example"] {
        two.headers_mut()
            .append(header::ORIGIN, origin.parse().unwrap());
    }
    assert_eq!(server.ask(two).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn every_answer_is_protected() {
    let server = server();
    for path in [
        "/",
        "/app.js",
        "/api/flows",
        "/api/nothing",
        "/api/flows?limit=x",
    ] {
        let headers = server.get(path).await.headers;
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';"),
            "{path}"
        );
    }
}
