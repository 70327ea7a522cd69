//! What is refused, and what it is told.

mod common;

use axum::http::{Method, StatusCode};
use common::{Server, meter, request};
use serde_json::{Value, json};

fn problem(title: &str, status: u16, detail: &str) -> Value {
    json!({ "title": title, "status": status, "detail": detail })
}

#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let server = Server::of(meter());
    let refused = |parameter, detail| {
        let mut json = problem("Bad Request", 400, detail);
        json["parameter"] = Value::from(parameter);
        json
    };
    let cases = [
        (
            "sort=size",
            refused(
                "sort",
                "unknown sort key `size`: expected bytes, packets, rate, \
            first, last, source, destination, protocol or label",
            ),
        ),
        (
            "order=up",
            refused("order", "unknown order \"up\": expected asc or desc"),
        ),
        (
            "limit=10001",
            refused("limit", "limit \"10001\" is not a number from 0 to 10000"),
        ),
        (
            "limit=-1",
            refused("limit", "limit \"-1\" is not a number from 0 to 10000"),
        ),
        (
            "limit=",
            refused("limit", "limit \"\" is not a number from 0 to 10000"),
        ),
    ];
    for (query, expected) in cases {
        for path in ["flows", "connections", "hosts"] {
            let answer = server.get(&format!("/api/{path}?{query}")).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST);
            assert_eq!(answer.headers["content-type"], "application/problem+json");
            assert_eq!(answer.json(), expected, "{path}?{query}");
        }
    }
}

#[tokio::test]
async fn a_bad_filter_is_refused_with_its_position() {
    let answer = Server::of(meter()).get("/api/flows?filter=src+foo").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        answer.json(),
        json!({
            "title": "Bad Request", "status": 400, "parameter": "filter", "position": 5,
            "detail": "filter, column 5: expected `host`, `net`, `port` or an address, found `foo`",
            "hint": "an example: src net 10.0.0.0/8 and (port 80-90 or udp)",
        })
    );
}

#[tokio::test]
async fn unknown_and_repeated_parameters_are_refused() {
    let server = Server::of(meter());
    for path in [
        "/api/flows?colour=red",
        "/api/flows?limit=1&limit=2",
        "/api/hosts?interface=eth0",
        "/api/interfaces?filter=tcp",
        "/api/accounting?limit=1",
        "/api/metrics/realtime?sort=bytes",
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(
            answer.text.contains("the query of the URL cannot be read"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_unknown_interface_is_not_found() {
    let server = Server::of(meter());
    for path in [
        "metrics/realtime",
        "stats/summary",
        "flows",
        "connections",
        "interfaces",
        "accounting",
        "stream",
    ] {
        let answer = server.get(&format!("/api/{path}?interface=wg0")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        let mut expected = problem("Not Found", 404, "there is no interface \"wg0\"");
        expected["parameter"] = Value::from("interface");
        expected["known"] = json!(["eth0", "eth1"]);
        assert_eq!(answer.json(), expected, "{path}");
    }
}

#[tokio::test]
async fn other_paths_and_methods_are_problems() {
    let server = Server::of(meter());
    let answer = server.get("/api/nothing?a=b").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let mut expected = problem("Not Found", 404, "there is nothing at /api/nothing");
    expected["hint"] = Value::from("/api/openapi.json lists every path");
    assert_eq!(answer.json(), expected);
    for path in ["/api/flows", "/api/stream", "/api/openapi.json", "/"] {
        let answer = server.ask(request("POST", path)).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers["allow"], "GET,HEAD");
        let detail = "this path is only read: the method must be GET or HEAD";
        assert_eq!(
            answer.json(),
            problem("Method Not Allowed", 405, detail),
            "{path}"
        );
    }
}

#[tokio::test]
async fn head_has_the_headers_alone() {
    let server = Server::of(meter());
    for path in ["/", "/health", "/api/flows", "/api/openapi.json"] {
        let whole = server.get(path).await;
        let head = server.ask(request(Method::HEAD.as_str(), path)).await;
        assert_eq!((head.status, &*head.text), (StatusCode::OK, ""), "{path}");
        assert_eq!(
            head.headers["content-type"], whole.headers["content-type"],
            "{path}"
        );
    }
}

#[tokio::test]
async fn no_query_makes_it_panic() {
    let server = Server::of(meter());
    let long = "a".repeat(60_000);
    let nested = "(".repeat(5_000);
    for query in [
        &*long,
        &nested,
        "%",
        "%ff=%ff",
        "%00",
        "=",
        "&&",
        "\u{7f}",
        "interface=%ff",
    ] {
        for path in ["flows", "hosts", "accounting", "stream"] {
            for uri in [
                format!("/api/{path}?{query}"),
                format!("/api/{path}?filter={query}"),
            ] {
                let Ok(uri) = uri.parse::<axum::http::Uri>() else {
                    continue;
                };
                let answer = server.open(request("GET", &uri.to_string())).await;
                assert_ne!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
            }
        }
    }
}
