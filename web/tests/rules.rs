//! Rules: reading is open, changing takes the token.

#![expect(clippy::unwrap_used, reason = "a failure shall say where it is")]

mod common;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use common::{Answer, Server, empty_meter, request};
use netweir_flow::rule::{Numbered, RuleSet};
use netweir_web::{Changed, KnownRules, RuleBook, RuleOrder, RuleRefusal, Settings, Token};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const TOKEN: &str = "0123456789abcdef";

/// Rules in memory. Four are the most.
#[derive(Debug)]
struct Few {
    known: Mutex<KnownRules>,
    in_force: bool,
}

impl RuleBook for Few {
    fn known(&self) -> Result<Arc<KnownRules>, RuleRefusal> {
        Ok(Arc::new(self.known.lock().unwrap().clone()))
    }

    fn change(&self, order: RuleOrder) -> Result<Changed, RuleRefusal> {
        let mut known = self.known.lock().unwrap();
        let mut rules = known.set.rules().to_vec();
        let numbered = |number, rule| Numbered { number, rule };
        let concerned = match order {
            RuleOrder::Add(rule) => {
                let number = rules.iter().map(|rule| rule.number).max().unwrap_or(0) + 1;
                rules.push(numbered(number, *rule));
                vec![rules.last().unwrap().clone()]
            }
            RuleOrder::Replace(others) => {
                rules = (1..)
                    .zip(others)
                    .map(|(n, rule)| numbered(n, rule))
                    .collect();
                rules.clone()
            }
            RuleOrder::Remove(number) => {
                let (removed, kept) = rules.into_iter().partition(|rule| rule.number == number);
                rules = kept;
                removed
            }
        };
        if concerned.is_empty() && !rules.is_empty() {
            return Err(RuleRefusal::Unknown(9));
        }
        if rules.len() > 4 {
            return Err(RuleRefusal::Untakeable("too many".into()));
        }
        for (id, rule) in (1..).zip(&rules) {
            known.labels.entry(rule.rule.label.clone()).or_insert(id);
        }
        known.set = RuleSet::new(rules);
        Ok(Changed {
            rules: concerned,
            known: Arc::new(known.clone()),
            in_force: self.in_force,
        })
    }
}

fn server_with(token: Option<&str>, in_force: bool) -> Server {
    let rules = Few {
        known: Mutex::default(),
        in_force,
    };
    let settings = Settings {
        rules: Some(Arc::new(rules)),
        token: token.map(|token| Token::new(token).unwrap()),
        ..Settings::default()
    };
    Server::with(empty_meter(), settings)
}

fn server() -> Server {
    server_with(Some(TOKEN), true)
}

/// A request that bears the token, with a body of JSON.
fn writing(method: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
    let mut request = request(method, path);
    let headers = request.headers_mut();
    headers.insert(
        header::AUTHORIZATION,
        format!("Bearer {TOKEN}").parse().unwrap(),
    );
    headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    *request.body_mut() = body.into();
    request
}

async fn add(server: &Server, rule: Value) -> Answer {
    server
        .ask(writing("POST", "/api/rules", rule.to_string()))
        .await
}

#[tokio::test]
async fn a_rule_is_added_told_asked_and_removed() {
    let server = server();
    assert_eq!(server.get("/api/rules").await.json(), json!({"rules": []}));
    let wide = json!({"label": "net", "source": "10.0.0.0/8", "priority": -1, "vlan": 0});
    let narrow = json!({
        "label": "web", "source": "10.1.0.0/16", "destination_port": 443, "protocol": "TCP",
        "both_ways": true, "action": "sample 10", "direction": null,
    });
    assert_eq!(add(&server, wide).await.status, StatusCode::CREATED);
    let added = add(&server, narrow).await;
    assert_eq!(added.status, StatusCode::CREATED);
    let told = json!({
        "number": 2, "label": "web", "label_id": 2, "action": "sample 10", "priority": 0,
        "source": "10.1.0.0/16", "destination": null, "protocol": "tcp", "source_port": null,
        "destination_port": "443", "both_ways": true, "interface": null, "direction": null,
        "vlan": null, "backend": null,
    });
    assert_eq!(added.json(), json!({"rules": [told], "in_force": true}));
    let all = server.get("/api/rules").await.json();
    let mut listed = told.clone();
    listed["hits"] = Value::Null;
    assert_eq!(all["rules"][0], listed);
    assert_eq!(
        (&all["rules"][1]["number"], &all["rules"][1]["vlan"]),
        (&json!(1), &json!(0))
    );

    let query = "source=10.1.2.3&source_port=5000&destination=10.9.8.7&destination_port=443";
    let answer = server.get(&format!("/api/rules/test?{query}")).await.json();
    assert_eq!(
        (&answer["number"], &answer["label"], &answer["action"]),
        (&json!(2), &json!("web"), &json!("sample 10"))
    );
    let matching = answer["matching"].as_array().unwrap();
    let why = |place: usize| (&matching[place]["reason"], &matching[place]["prefix_bits"]);
    assert_eq!(why(0), (&json!("decides"), &json!(16)));
    assert_eq!(why(1), (&json!("its prefixes are shorter"), &json!(8)));
    let none = server
        .get("/api/rules/test?source=1.1.1.1&destination=2.2.2.2")
        .await
        .json();
    let expected = json!({"number": null, "label": null, "action": "count", "matching": []});
    assert_eq!(none, expected);

    let removed = server.ask(writing("DELETE", "/api/rules/2", "")).await;
    assert_eq!(removed.status, StatusCode::OK);
    assert_eq!(removed.json(), json!({"rules": [told], "in_force": true}));
    let unknown = server.ask(writing("DELETE", "/api/rules/9", "")).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(unknown.json()["detail"], "there is no rule 9");
    for number in ["x", "-1", "65536", "%ff"] {
        let wrong = server
            .ask(writing("DELETE", &format!("/api/rules/{number}"), ""))
            .await;
        assert_eq!(wrong.status, StatusCode::BAD_REQUEST, "{number}");
        assert_eq!(wrong.json()["parameter"], "number");
    }
}

/// What was told can be sent back.
#[tokio::test]
async fn all_rules_are_replaced_or_none() {
    let server = server();
    for label in ["a", "b"] {
        add(&server, json!({ "label": label })).await;
    }
    let told = server.get("/api/rules").await;
    let put = |body: String| server.ask(writing("PUT", "/api/rules", body));
    let same = put(told.text.clone()).await;
    assert_eq!(same.status, StatusCode::OK);
    let rules = |answer: &Answer| answer.json()["rules"].as_array().unwrap().len();
    assert_eq!(rules(&same), rules(&told));
    assert_eq!(server.get("/api/rules").await.json(), told.json());
    let wrong = put(json!({"rules": [{"label": "c"}, {"label": "d", "vlan": 4096}]}).to_string());
    let wrong = wrong.await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert_eq!(wrong.json()["parameter"], "vlan");
    assert_eq!(
        wrong.json()["detail"],
        "rules[1]: `vlan`: \"4096\" is not a VLAN identifier from 1 to 4095, or 0 for no tag"
    );
    let many = [0, 1, 2, 3, 4].map(|n| json!({"label": format!("l{n}")}));
    let many = json!({ "rules": many });
    let many = put(many.to_string()).await;
    assert_eq!(
        (many.status, &many.json()["detail"]),
        (StatusCode::CONFLICT, &json!("too many"))
    );
    assert_eq!(server.get("/api/rules").await.json(), told.json());
    assert_eq!(
        put(json!({"rules": []}).to_string()).await.status,
        StatusCode::OK
    );
    assert_eq!(server.get("/api/rules").await.json(), json!({"rules": []}));
}

#[tokio::test]
async fn a_change_that_is_not_in_force_is_accepted() {
    let server = server_with(Some(TOKEN), false);
    let added = add(&server, json!({"label": "a"})).await;
    assert_eq!(added.status, StatusCode::ACCEPTED);
    assert_eq!(added.json()["in_force"], false);
}

const WRITES: [(&str, &str, &str); 3] = [
    ("POST", "/api/rules", r#"{"label": "a"}"#),
    ("PUT", "/api/rules", r#"{"rules": []}"#),
    ("DELETE", "/api/rules/1", ""),
];

#[tokio::test]
async fn nothing_is_changed_without_the_token() {
    let server = server();
    add(&server, json!({"label": "there"})).await;
    let before = server.get("/api/rules").await.text;
    let bare = [header::HeaderValue::from_static("Bearer 0123456789abcdef")];
    for (method, path, body) in WRITES {
        for (authorization, has_error) in [
            (&[][..], false),
            (&["Bearer 0123456789abcdeg"], true),
            (&["Bearer 0123456789abcde"], true),
            (&["Bearer 0123456789abcdef0"], true),
            (&["Bearer  0123456789abcdef"], true),
            (&["Bearer "], true),
            (&["Bearer"], false),
            (&["Basic 0123456789abcdef"], false),
            (&["0123456789abcdef"], false),
            (
                &["Bearer 0123456789abcdef", "Bearer 0123456789abcdef"],
                false,
            ),
            (&["B\u{e9}arer 0123456789abcdef"], false),
        ] {
            let mut request = writing(method, path, body);
            request.headers_mut().remove(header::AUTHORIZATION);
            for value in authorization {
                let value = header::HeaderValue::from_bytes(value.as_bytes()).unwrap();
                request.headers_mut().append(header::AUTHORIZATION, value);
            }
            let answer = server.ask(request).await;
            let said = format!("{method} {authorization:?}: {}", answer.text);
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{said}");
            assert_eq!(answer.headers["content-type"], "application/problem+json");
            let challenge = answer.headers[header::WWW_AUTHENTICATE].to_str().unwrap();
            assert!(challenge.starts_with("Bearer realm=\"netweir\""), "{said}");
            assert_eq!(challenge.contains("invalid_token"), has_error, "{said}");
            assert!(!answer.text.contains(TOKEN));
        }
        // The name of the scheme has no case (RFC 9110 section 11.1).
        let mut request = writing(method, path, "{");
        let lower = "bearer 0123456789abcdef".parse().unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, lower);
        let status = server.ask(request).await.status;
        assert_ne!(status, StatusCode::UNAUTHORIZED, "{method} {bare:?}");
        if method == "PUT" {
            assert_eq!(server.get("/api/rules").await.text, before);
        }
    }
}

#[tokio::test]
async fn where_there_is_no_token_nothing_is_changed() {
    for server in [server_with(None, true), Server::of(empty_meter())] {
        for (method, path, body) in WRITES {
            let answer = server.ask(writing(method, path, body)).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN);
            assert_eq!(answer.json()["detail"], "rules are only read here");
        }
        assert_eq!(server.get("/api/rules").await.json(), json!({"rules": []}));
    }
}

/// A page of another origin may not, whether it has the token or not; neither may a form of it.
#[tokio::test]
async fn no_foreign_page_changes_rules() {
    let server = server();
    for (method, path, body) in WRITES {
        for headers in [
            &[("origin", "http://evil.example")][..],
            &[("sec-fetch-site", "cross-site")],
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
            ],
            &[("origin", "null"), ("sec-fetch-mode", "navigate")],
        ] {
            let mut request = writing(method, path, body);
            for (name, value) in headers {
                request.headers_mut().insert(*name, value.parse().unwrap());
            }
            let answer = server.ask(request).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {headers:?}");
        }
    }
    let mut own = writing("POST", "/api/rules", r#"{"label": "a"}"#);
    let origin = "http://localhost:8080".parse().unwrap();
    own.headers_mut().insert(header::ORIGIN, origin);
    assert_eq!(server.ask(own).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_body_has_to_be_json_and_not_too_long() {
    let server = server();
    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
    ] {
        let mut request = writing("POST", "/api/rules", r#"{"label": "a"}"#);
        request.headers_mut().remove(header::CONTENT_TYPE);
        if let Some(kind) = kind {
            request
                .headers_mut()
                .insert(header::CONTENT_TYPE, kind.parse().unwrap());
        }
        let answer = server.ask(request).await;
        assert_eq!(
            answer.status,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{kind:?}"
        );
    }
    let long = format!("{{\"label\": \"{}\"}}", "a".repeat(1 << 20));
    for method in ["POST", "PUT"] {
        let answer = server
            .ask(writing(method, "/api/rules", long.clone()))
            .await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(
            answer.json()["detail"],
            "the body is longer than 1048576 bytes"
        );
    }
    let mut with_charset = writing("POST", "/api/rules", r#"{"label": "a"}"#);
    let kind = "Application/JSON; charset=utf-8".parse().unwrap();
    with_charset
        .headers_mut()
        .insert(header::CONTENT_TYPE, kind);
    assert_eq!(server.ask(with_charset).await.status, StatusCode::CREATED);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let server = server();
    let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let answer = server
        .ask(writing("POST", "/api/rules", Body::from_stream(never)))
        .await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn a_question_that_cannot_be_is_refused() {
    let server = server();
    let ends = "source=1.1.1.1&destination=2.2.2.2";
    for (query, parameter) in [
        ("source=1.1.1.1".to_owned(), None),
        ("source=a&destination=2.2.2.2".into(), Some("source")),
        ("source=1.1.1.1&destination=::1".into(), None),
        (format!("{ends}&source_port=1"), None),
        (
            format!("{ends}&source_port=65536&destination_port=1"),
            Some("source_port"),
        ),
        (format!("{ends}&protocol=arp"), Some("protocol")),
        (
            format!("{ends}&source_port=1&destination_port=1&protocol=icmp"),
            Some("protocol"),
        ),
        (format!("{ends}&direction=both"), Some("direction")),
        (format!("{ends}&vlan=4096"), Some("vlan")),
        (format!("{ends}&backend=x"), Some("backend")),
        (format!("{ends}&colour=red"), None),
    ] {
        let answer = server.get(&format!("/api/rules/test?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(answer.json()["parameter"].as_str(), parameter, "{query}");
    }
    let answer = server.ask(writing("POST", "/api/rules/test", "{}")).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    let answer = server.ask(writing("PATCH", "/api/rules", "{}")).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.headers["allow"], "GET,HEAD,POST,PUT");
}
