//! The description of the paths.

#![expect(clippy::unwrap_used, reason = "a failure shall say where it is")]

mod common;

use axum::http::StatusCode;
use common::{Server, meter};
use netweir_web::openapi;
use serde_json::Value;
use std::collections::BTreeSet;

const PATHS: [&str; 15] = [
    "/api/accounting",
    "/api/connections",
    "/api/flows",
    "/api/heads",
    "/api/hosts",
    "/api/interfaces",
    "/api/labels",
    "/api/metrics/realtime",
    "/api/quic",
    "/api/rules",
    "/api/rules/test",
    "/api/rules/{number}",
    "/api/stats/summary",
    "/api/stream",
    "/health",
];

/// Every type, by its name.
const SCHEMAS: [&str; 56] = [
    "Accounting",
    "Balance",
    "ClassTraffic",
    "Connection",
    "Connections",
    "Count",
    "Decision",
    "Difference",
    "Flow",
    "Flows",
    "Head",
    "HeadAccounting",
    "Heads",
    "Health",
    "Host",
    "Hosts",
    "InlineAccounting",
    "Interface",
    "InterfaceAccounting",
    "InterfaceDirection",
    "Interfaces",
    "Label",
    "Labels",
    "ListedRule",
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
    "Rule",
    "RuleChange",
    "RuleHits",
    "RuleMatch",
    "RuleTest",
    "RuleText",
    "Rules",
    "RulesText",
    "Speed",
    "Summary",
    "Tick",
    "Time",
    "Traffic",
    "Volume",
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
        let wanted = match path {
            // What it answers is looked at by the tests of rules.
            "/api/rules/{number}" => continue,
            "/api/rules/test" => "/api/rules/test?source=1.1.1.1&destination=2.2.2.2",
            path => path,
        };
        let answer = server.open(common::request("GET", wanted)).await;
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

/// What changes something takes the token, and nothing else does.
#[tokio::test]
async fn the_token_is_told_of() {
    let document = document();
    let scheme = &document["components"]["securitySchemes"]["token"];
    assert_eq!(
        (&scheme["type"], &scheme["scheme"]),
        (&"http".into(), &"bearer".into())
    );
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let takes_token = operation["security"][0]["token"].is_array();
            assert_eq!(takes_token, method != "get", "{method} {path}");
            let has_body = operation["requestBody"].is_object();
            assert_eq!(
                has_body,
                ["post", "put"].contains(&&**method),
                "{method} {path}"
            );
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
    assert_eq!(schemas.keys().collect::<Vec<_>>(), SCHEMAS);
}

#[tokio::test]
async fn it_is_served_as_it_is() {
    let answer = Server::of(meter()).get("/api/openapi.json").await;
    assert_eq!(answer.text, openapi());
}
