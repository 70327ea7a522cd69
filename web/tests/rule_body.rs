//! Rules as they are sent: what is wrong is named.

use netweir_web::{read_rule, read_rules};

/// Bodies of one rule, the field that is wrong, and what is said.
const WRONG: &[(&str, Option<&str>, &str)] = &[
    (
        "",
        None,
        "the body cannot be read: EOF while parsing a value at line 1 column 0",
    ),
    (
        "[]",
        None,
        "invalid type: sequence, expected a rule as an object",
    ),
    (
        "{\"label\": \"a\"} x",
        None,
        "trailing characters at line 1 column 16",
    ),
    (
        "{\n\"label\": a}",
        None,
        "expected value at line 2 column 10",
    ),
    ("{}", None, "`label` is missing"),
    (r#"{"label": null}"#, None, "`label` is missing"),
    (
        r#"{"label": "a", "label": "b"}"#,
        None,
        "`label` is said twice",
    ),
    (
        r#"{"label": "a", "colour": 1}"#,
        None,
        "`colour` is nothing that a rule can say",
    ),
    (
        r#"{"label": ["a"]}"#,
        Some("label"),
        "`label` takes a string, a number",
    ),
    (
        r#"{"label": "a b"}"#,
        Some("label"),
        "\"a b\" is not a label",
    ),
    (
        r#"{"label": "a", "source_port": 65536}"#,
        Some("source_port"),
        "\"65536\" is not a port",
    ),
    (
        r#"{"label": "a", "source_port": 80.5}"#,
        Some("source_port"),
        "\"80.5\" is not a port",
    ),
    (
        r#"{"label": "a", "source": "10.0.0.0/33"}"#,
        Some("source"),
        "is not an address",
    ),
    (
        r#"{"label": "a", "both_ways": 1}"#,
        Some("both_ways"),
        "is not `true` or `false`",
    ),
    (
        r#"{"label": "a", "action": "tap 2"}"#,
        Some("action"),
        "is not an action",
    ),
    (
        r#"{"label": "a", "source": "::1", "destination": "1.2.3.4"}"#,
        None,
        "`source` is of IPv4 and `destination` of IPv6, or the other way round",
    ),
];

/// Bodies of several rules, and what is said.
const WRONG_LISTS: &[(&str, &str)] = &[
    ("{}", "missing field `rules`"),
    (r#"{"rules": {}}"#, "invalid type: map, expected a sequence"),
    (r#"{"rules": [], "more": 1}"#, "unknown field `more`"),
    (r#"{"rules": [], "rules": []}"#, "duplicate field `rules`"),
    (
        r#"{"rules": [{"label": "a"}, {}]}"#,
        "rules[1]: `label` is missing",
    ),
];

#[test]
fn what_is_wrong_with_a_rule_is_named() {
    for (body, parameter, expected) in WRONG {
        let problem = read_rule(body.as_bytes()).unwrap_err();
        assert_eq!(
            (problem.status, problem.parameter),
            (400, *parameter),
            "{body}"
        );
        assert!(
            problem.detail.contains(expected),
            "{body}: {}",
            problem.detail
        );
    }
    for (body, expected) in WRONG_LISTS {
        let problem = read_rules(body.as_bytes()).unwrap_err();
        assert!(
            problem.detail.contains(expected),
            "{body}: {}",
            problem.detail
        );
    }
    let deep = format!("{{\"label\": {}", "[".repeat(100_000));
    assert_eq!(read_rule(deep.as_bytes()).unwrap_err().status, 400);
    let many: Vec<String> = (0..100_000).map(|n| format!("\"f{n}\": 1")).collect();
    let many = format!("{{{}}}", many.join(","));
    assert_eq!(read_rule(many.as_bytes()).unwrap_err().status, 400);
}
