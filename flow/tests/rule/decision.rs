//! Which rule decides, and what is refused.

use netweir_flow::rule::{Action, CompileError, Numbered, Probe, Rule, RuleSet};
use netweir_wire::map::{Direction, FlowKey, MAX_RULES, RuleAction, RuleFacts, RuleFlow};

/// A packet over TCP from 10.1.2.3:5000 to 10.9.8.7:443, received by eth0.
fn probe() -> Probe<'static> {
    Probe {
        source: "10.1.2.3".parse().ok(),
        destination: "10.9.8.7".parse().ok(),
        ports: Some([5000, 443]),
        protocol: Some(6),
        interface: Some("eth0"),
        direction: Direction::Ingress,
        vlans: [0, 0],
        backend: None,
    }
}

fn set(rules: impl IntoIterator<Item = Rule>) -> RuleSet {
    let numbered = (1..)
        .zip(rules)
        .map(|(number, rule)| Numbered { number, rule });
    RuleSet::new(numbered.collect())
}

/// The number of the rule that decides about [`probe`].
fn winner(rules: impl IntoIterator<Item = Rule>) -> Option<u16> {
    set(rules).decide(&probe()).map(|known| known.number)
}

fn from(net: &str) -> Rule {
    Rule {
        source: net.parse().ok(),
        ..Rule::default()
    }
}

fn to(net: &str) -> Rule {
    Rule {
        destination: net.parse().ok(),
        ..Rule::default()
    }
}

#[test]
fn the_longest_prefix_decides_and_then_the_priority() {
    let urgent = |rule: Rule, priority| Rule { priority, ..rule };
    assert_eq!(winner([from("10.0.0.0/8"), from("10.1.0.0/16")]), Some(2));
    assert_eq!(
        winner([urgent(from("10.0.0.0/8"), 9), from("10.1.0.0/16")]),
        Some(2)
    );
    assert_eq!(
        winner([to("10.9.0.0/16"), urgent(from("10.1.0.0/16"), 1)]),
        Some(2)
    );
    assert_eq!(winner([to("10.9.0.0/16"), from("10.1.0.0/16")]), Some(1));
    let both = Rule {
        destination: "10.9.0.0/16".parse().ok(),
        ..from("10.0.0.0/8")
    };
    assert_eq!(
        winner([from("10.1.2.0/23"), both]),
        Some(2),
        "24 bits against 23"
    );
    assert_eq!(winner([Rule::default()]), Some(1));
    assert_eq!(winner([from("10.2.0.0/16")]), None);
}

#[test]
fn both_ways_exchanges_ends_ports_and_direction() {
    let answer = |both_ways| Rule {
        source_ports: Some(443..=443),
        direction: Some(Direction::Egress),
        both_ways,
        ..from("10.9.0.0/16")
    };
    assert_eq!(winner([answer(false)]), None);
    assert_eq!(winner([answer(true)]), Some(1));
}

/// Rules that the kernel programs cannot take are refused whole.
#[test]
fn too_many_rules_are_refused() {
    let many = |count: usize| set((0..count).map(|_| Rule::default()));
    assert!(many(MAX_RULES).compile().is_ok());
    assert_eq!(
        many(MAX_RULES + 1).compile().err(),
        Some(CompileError::TooMany(MAX_RULES + 1))
    );
    let both = |number: usize| Rule {
        both_ways: true,
        vlan: Some(1 + number as u16),
        ..from("10.0.0.0/8")
    };
    let rows = set((0..MAX_RULES).map(both)).compile().err();
    assert_eq!(rows, Some(CompileError::TooManyRows(4 * MAX_RULES)));
}

/// Half of the rules ask for one end, half for the other: one tree would be their product.
#[test]
fn rules_about_different_things_are_not_crossed() {
    let half = MAX_RULES as u32 / 2;
    let net = |number: u32| format!("10.{}.{}.0/24", number >> 8, number & 255);
    let clients = (0..half).map(|number| from(&net(number)));
    let services = (0..half).map(|number| Rule {
        destination_ports: Some(1000 + number as u16..=1000 + number as u16),
        protocol: Some(17),
        ..Rule::default()
    });
    let compiled = set(clients.chain(services)).compile().expect("fits");
    assert!(compiled.steps() < 24, "{}", compiled.steps());
}

#[test]
fn numbers_and_actions_come_through() {
    let rules = set([
        Rule {
            action: Action::Sample(100),
            interface: Some("eth1".into()),
            ..from("10.0.0.0/8")
        },
        Rule {
            action: Action::Drop,
            ..Rule::default()
        },
    ]);
    let compiled = rules.compile().expect("fits");
    assert_eq!(compiled.sampled, [(1, 100)]);
    let facts = |interface| {
        let [kind, place] = RuleFlow {
            is_ip: true,
            interface: compiled.interface_number(interface),
            ..RuleFlow::default()
        }
        .words();
        RuleFacts {
            words: [0, 0xffff_0a01_0203, 0, 0xffff_0a09_0807, kind, place, 0, 0],
        }
    };
    let decided = |interface| {
        let mark = compiled.table.decide(&facts(interface));
        (mark.number(), mark.action())
    };
    assert_eq!(decided("eth1"), (1, RuleAction::Sample));
    assert_eq!(decided("eth0"), (2, RuleAction::Drop));
}

/// Bits that some rules ask for are taken twice on the way to others.
#[test]
fn what_rules_ask_for_in_overlapping_bits_is_told_apart() {
    let rules = [
        "priority=2",
        "destination=2001:db8::/38 protocol=58 vlan=0",
        "source=2001:db8::/119 both_ways=true",
        "source_port=49990-50010 direction=out priority=2",
        "action=drop priority=1",
        "destination=10.0.0.0/20 protocol=112",
        "source=2001:db8::/113 destination=2001:d80::/26 source_port=0-7905 destination_port=36412 vlan=0 backend=7",
        "protocol=6 direction=in both_ways=true action=drop",
        "source=8.0.0.0/5 destination=10.0.0.0/13 protocol=1",
    ];
    let rules = set(rules.map(|text| {
        let mut rule = Rule::default();
        for field in text.split(' ') {
            let (name, value) = field.split_once('=').unwrap();
            rule.set(name.parse().unwrap(), value).unwrap();
        }
        rule
    }));
    let table = rules.compile().unwrap().table;
    for protocol in 1..=255 {
        let key = FlowKey {
            source: mapped([10, 0, 0, 1]),
            destination: mapped([10, 0, 0, 2]),
            source_port: 443_u16.to_be_bytes(),
            destination_port: 50_000_u16.to_be_bytes(),
            ethertype: 0x0800_u16.to_be_bytes(),
            protocol,
            direction: Direction::Egress as u8,
            ..FlowKey::default()
        };
        let decided = rules.decide(&Probe::of_key(&key, "eth0", None)).unwrap();
        let mark = table.decide(&RuleFacts::new(&key, 0, 0));
        assert_eq!(mark.number(), decided.number, "{protocol}");
    }
}

fn mapped(address: [u8; 4]) -> [u8; 16] {
    std::net::Ipv4Addr::from(address).to_ipv6_mapped().octets()
}

#[test]
fn rules_that_ask_for_the_same_hide_one_another() {
    let drop = |rule: Rule| Rule {
        action: Action::Drop,
        ..rule
    };
    let urgent = Rule {
        priority: 1,
        ..drop(to("10.0.0.0/8"))
    };
    let rules = set([
        from("10.0.0.0/8"),
        drop(from("10.0.0.0/8")),
        to("10.0.0.0/8"),
        urgent,
        from("10.0.0.0/9"),
    ]);
    assert_eq!(rules.hidden(), [[2, 1], [3, 4]]);
}
