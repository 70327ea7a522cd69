//! A packet that is asked about, and why which rule decides.

use netweir_flow::rule::{Field, Numbered, Question, QuestionError, Reason, Rule, RuleSet};
use std::net::IpAddr;

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// From 10.1.2.3 to 10.9.8.7.
fn question(ports: [Option<u16>; 2], asked: &[(Field, &str)]) -> Result<Question, QuestionError> {
    let ends = [
        (address("10.1.2.3"), ports[0]),
        (address("10.9.8.7"), ports[1]),
    ];
    Question::new(ends, asked)
}

fn rule(number: u16, source: &str, priority: i32) -> Numbered {
    let rule = Rule {
        source: source.parse().ok(),
        priority,
        ..Rule::default()
    };
    Numbered { number, rule }
}

#[test]
fn every_rule_that_matches_has_its_reason() {
    let set = RuleSet::new(vec![
        rule(1, "10.0.0.0/8", 9),
        rule(2, "10.1.0.0/16", 0),
        rule(3, "10.1.0.0/16", 5),
        rule(4, "10.1.0.0/16", 5),
        rule(5, "10.2.0.0/16", 9),
    ]);
    let question = question([None; 2], &[]).expect("is one");
    let found: Vec<_> = set
        .explain(&question.probe())
        .into_iter()
        .map(|(known, reason)| (known.number, reason))
        .collect();
    let expected = [
        (3, Reason::Decides),
        (4, Reason::Newer),
        (2, Reason::LowerPriority),
        (1, Reason::ShorterPrefixes),
    ];
    assert_eq!(found, expected);
    let winner = set.decide(&question.probe()).map(|known| known.number);
    assert_eq!(winner, Some(3));
}

#[test]
fn what_is_not_said_is_usual() {
    let asks = |field: Field, text: &str| {
        let mut rule = Rule::default();
        rule.set(field, text).expect("is right");
        rule
    };
    let usual = question([Some(5000), Some(443)], &[]).expect("is one");
    let other = question(
        [Some(5000), Some(443)],
        &[
            (Field::Protocol, "udp"),
            (Field::Direction, "out"),
            (Field::Vlan, "7"),
            (Field::Interface, "eth0"),
            (Field::Backend, "3"),
        ],
    )
    .expect("is one");
    for (field, of_usual, of_other) in [
        (Field::Protocol, "tcp", "udp"),
        (Field::Direction, "in", "out"),
        (Field::Vlan, "0", "7"),
        (Field::SourcePort, "5000", "1-5000"),
        (Field::DestinationPort, "443", "400-500"),
    ] {
        assert!(asks(field, of_usual).matches(&usual.probe()), "{field:?}");
        assert!(asks(field, of_other).matches(&other.probe()), "{field:?}");
    }
    for (field, text) in [(Field::Interface, "eth0"), (Field::Backend, "3")] {
        assert!(!asks(field, text).matches(&usual.probe()), "{field:?}");
        assert!(asks(field, text).matches(&other.probe()), "{field:?}");
    }
}

#[test]
fn a_packet_that_cannot_be_is_refused() {
    let ends = [(address("10.1.2.3"), None), (address("::1"), None)];
    assert!(matches!(
        Question::new(ends, &[]),
        Err(QuestionError::Families(..))
    ));
    for ports in [[Some(1), None], [None, Some(1)]] {
        assert_eq!(question(ports, &[]), Err(QuestionError::OnePort));
    }
    assert_eq!(
        question([Some(1), Some(2)], &[(Field::Protocol, "icmp")]),
        Err(QuestionError::NoPorts("ICMP".into()))
    );
    assert!(matches!(
        question([None; 2], &[(Field::Vlan, "4096")]),
        Err(QuestionError::Rule(_))
    ));
}
