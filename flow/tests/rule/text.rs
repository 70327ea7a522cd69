//! Rules as text: what is written is read again, and what is wrong is named.

use netweir_flow::rule::{Field, Rule, RuleError};

fn rule(fields: &[(&str, &str)]) -> Result<Rule, RuleError> {
    let mut rule = Rule::default();
    for (name, text) in fields {
        rule.set(name.parse::<Field>()?, text)?;
    }
    rule.check()?;
    Ok(rule)
}

#[test]
fn what_is_written_is_read_again() {
    let fields = [
        ("label", "payments/eu-1"),
        ("action", "sample 100"),
        ("priority", "-5"),
        ("source", "10.1.0.0/16"),
        ("destination", "10.9.8.7"),
        ("protocol", "tcp"),
        ("source_port", "1024-65535"),
        ("destination_port", "443"),
        ("both_ways", "true"),
        ("interface", "eth0"),
        ("direction", "in"),
        ("vlan", "0"),
        ("backend", "7"),
    ];
    let written = rule(&fields).expect("is right").fields();
    let texts: Vec<_> = written
        .iter()
        .map(|(field, text)| (field.name(), text.as_str()))
        .collect();
    assert_eq!(texts, fields);
}

/// Names come in lower case, whatever case was typed.
#[test]
fn every_protocol_is_read_again() {
    for number in 1..=u8::MAX {
        let written = Rule {
            protocol: Some(number),
            ..Rule::default()
        };
        let text = written.text(Field::Protocol).expect("it states one");
        assert_eq!(text, text.to_lowercase());
        for text in [text.to_uppercase(), text] {
            let mut read = Rule::default();
            read.set(Field::Protocol, &text).expect("is right");
            assert_eq!(read, written, "{text}");
        }
    }
}

#[test]
fn what_is_not_said_is_not_written() {
    let rule = rule(&[("label", "all")]).expect("is right");
    let written: Vec<_> = rule.fields().into_iter().map(|(_, text)| text).collect();
    assert_eq!(written, ["all", "count"]);
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        ("label", ""),
        ("label", "two words"),
        ("label", "\u{1b}[31m"),
        ("action", "reject"),
        ("action", "sample 0"),
        ("action", "drop it"),
        ("priority", "1000001"),
        ("source", "10.0.0.0/33"),
        ("destination", "example.org"),
        ("protocol", "arp"),
        ("protocol", "0"),
        ("source_port", "90-80"),
        ("destination_port", "65536"),
        ("both_ways", "yes"),
        ("interface", "a/b"),
        ("interface", "eth*"),
        ("direction", "both"),
        ("vlan", "4096"),
        ("backend", "4294967295"),
    ];
    for (name, text) in cases {
        let error = rule(&[("label", "x"), (name, text)])
            .expect_err(text)
            .to_string();
        assert!(error.starts_with(&format!("`{name}`: ")), "{error}");
        assert!(error.contains(&format!("{text:?}")), "{error}");
    }
    assert!(matches!(
        rule(&[("labels", "x")]),
        Err(RuleError::Unknown(_))
    ));
    assert_eq!(rule(&[("source", "::/0")]), Err(RuleError::NoLabel));
    let families = rule(&[
        ("label", "x"),
        ("source", "::/0"),
        ("destination", "1.2.3.4"),
    ]);
    assert_eq!(families, Err(RuleError::Families));
    let ports = rule(&[("label", "x"), ("protocol", "icmp"), ("source_port", "1")]);
    assert_eq!(ports, Err(RuleError::NoPorts("icmp".into())));
    let mapped = rule(&[("label", "x"), ("destination", "::ffff:10.0.0.0/104")]);
    assert_eq!(mapped, Err(RuleError::Mapped("destination")));
}
