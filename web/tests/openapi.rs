//! The description of the paths.

#![expect(clippy::unwrap_used, reason = "a failure shall say where it is")]

mod common;

use axum::http::StatusCode;
use common::{Server, meter};
use netweir_web::openapi;
use serde_json::Value;
use std::collections::BTreeSet;

const PATHS: [&str; 10] = [
    "/api/accounting",
    "/api/connections",
    "/api/flows",
    "/api/hosts",
    "/api/interfaces",
    "/api/metrics/realtime",
    "/api/quic",
    "/api/stats/summary",
    "/api/stream",
    "/health",
];

fn document() -> Value {
    serde_json::from_str(&openapi()).unwrap()
}

/// Every `$ref` within.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                found.insert(reference.clone());
            }
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn it_lists_every_path_and_every_path_is_there() {
    let document = document();
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, PATHS);
    let server = Server::of(meter());
    for path in PATHS {
        let answer = server.open(common::request("GET", path)).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let operation = &document["paths"][path]["get"];
        assert!(operation["summary"].is_string(), "{path}");
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        for parameter in parameters {
            assert!(parameter["description"].is_string(), "{path} {parameter}");
            assert_eq!(parameter["in"], "query");
        }
    }
}

#[tokio::test]
async fn every_schema_that_is_named_is_there() {
    let document = document();
    let mut named = BTreeSet::new();
    references(&document, &mut named);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let there = schemas
        .keys()
        .map(|name| format!("#/components/schemas/{name}"));
    assert_eq!(named, there.collect());
    let expected = [
        "Accounting",
        "Balance",
        "ClassTraffic",
        "Connection",
        "Connections",
        "Count",
        "Difference",
        "Flow",
        "Flows",
        "Health",
        "Host",
        "Hosts",
        "Interface",
        "InterfaceAccounting",
        "InterfaceDirection",
        "Interfaces",
        "Problem",
        "Quic",
        "QuicAccounting",
        "QuicCid",
        "QuicClose",
        "QuicConnection",
        "QuicCounted",
        "QuicHandshake",
        "QuicMove",
        "QuicParameter",
        "QuicPlace",
        "QuicRoute",
        "QuicShare",
        "QuicSpin",
        "QuicSummary",
        "QuicTraffic",
        "QuicVersionShare",
        "Realtime",
        "Speed",
        "Summary",
        "Tick",
        "Time",
        "Traffic",
        "Volume",
    ];
    assert_eq!(schemas.keys().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn it_is_served_as_it_is() {
    let answer = Server::of(meter()).get("/api/openapi.json").await;
    assert_eq!(answer.text, openapi());
}
