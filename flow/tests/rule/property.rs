//! What is compiled decides as the rules do, whatever they are.

use netweir_flow::rule::{Action, Numbered, Probe, Rule, RuleSet};
use netweir_wire::map::{Direction, FlowKey, RuleFacts};
use proptest::{collection::vec, option, prelude::*};
use std::{net::IpAddr, ops::RangeInclusive};

const INTERFACES: [&str; 4] = ["eth0", "eth1", "lo", "wan"];

/// Addresses that are often the same, or near to each other.
fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0_u8..3, 0_u8..3, any::<u8>()).prop_map(|(b, c, d)| IpAddr::from([10, b, c, d])),
        (0_u16..3, 0_u16..3, any::<u16>())
            .prop_map(|(c, d, h)| IpAddr::from([0x2001, 0xdb8, c, d, 0, 0, 0, h])),
    ]
}

fn net() -> impl Strategy<Value = ipnet::IpNet> {
    (address(), 0_u8..=128).prop_map(|(address, bits)| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        let net = ipnet::IpNet::new(address, bits.min(most)).expect("in range");
        net.trunc()
    })
}

fn port() -> impl Strategy<Value = u16> {
    prop_oneof![Just(53), Just(443), 1000_u16..1010, any::<u16>()]
}

fn ports() -> impl Strategy<Value = RangeInclusive<u16>> {
    (port(), port()).prop_map(|(one, other)| one.min(other)..=one.max(other))
}

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Ingress), Just(Direction::Egress)]
}

fn rule() -> impl Strategy<Value = Rule> {
    let ends = (option::of(net()), option::of(net()));
    let ports = (
        option::weighted(0.3, ports()),
        option::weighted(0.3, ports()),
    );
    let others = (
        option::weighted(0.3, prop_oneof![Just(6), Just(17), Just(1)]),
        option::weighted(0.2, 0..INTERFACES.len() - 1),
        option::weighted(0.2, direction()),
        option::weighted(0.2, 0_u16..3),
        option::weighted(0.2, 0_u32..3),
    );
    (ends, ports, others, -1..2, any::<bool>()).prop_map(
        |(ends, ports, others, priority, both_ways)| Rule {
            label: String::new(),
            action: Action::Count,
            priority,
            both_ways,
            source: ends.0,
            destination: ends.1,
            source_ports: ports.0,
            destination_ports: ports.1,
            protocol: others.0,
            interface: others.1.map(|number| INTERFACES[number].into()),
            direction: others.2,
            vlan: others.3,
            backend: others.4,
        },
    )
}

fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// A flow, its interface, and one more than its backend.
fn flow() -> impl Strategy<Value = (FlowKey, &'static str, u32)> {
    let ends = (address(), address(), port(), port());
    let others = (
        prop_oneof![Just(6_u8), Just(17), Just(1)],
        direction(),
        0_u16..3,
        0_u16..3,
        0..INTERFACES.len(),
        0_u32..4,
    );
    (ends, others).prop_map(|((source, destination, from, to), others)| {
        let ethertype: u16 = if source.is_ipv4() { 0x0800 } else { 0x86dd };
        // Both ends are of one family.
        let destination = if source.is_ipv4() == destination.is_ipv4() {
            destination
        } else {
            source
        };
        let has_ports = others.0 != 1;
        let key = FlowKey {
            netns: 1,
            ifindex: 2,
            source: mapped(source),
            destination: mapped(destination),
            source_port: if has_ports {
                from.to_be_bytes()
            } else {
                [0; 2]
            },
            destination_port: to.to_be_bytes(),
            ethertype: ethertype.to_be_bytes(),
            outer_vlan: others.2.to_be_bytes(),
            inner_vlan: others.3.to_be_bytes(),
            protocol: others.0,
            direction: others.1 as u8,
            ..FlowKey::default()
        };
        (key, INTERFACES[others.4], others.5)
    })
}

fn agrees(rules: Vec<Rule>, flows: &[(FlowKey, &str, u32)]) -> Result<(), TestCaseError> {
    let numbered = (1..)
        .zip(rules)
        .map(|(number, rule)| Numbered { number, rule });
    let set = RuleSet::new(numbered.collect());
    let Ok(compiled) = set.compile() else {
        return Err(TestCaseError::reject("too entangled"));
    };
    for (key, interface, backend) in flows {
        let facts = RuleFacts::new(key, compiled.interface_number(interface), *backend);
        let probe = Probe::of_key(key, interface, backend.checked_sub(1));
        let wanted = set.decide(&probe).map_or(0, |known| known.number);
        prop_assert_eq!(
            compiled.table.decide(&facts).number(),
            wanted,
            "{:?}",
            probe
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, ..ProptestConfig::default() })]

    #[test]
    fn the_table_decides_as_a_few_rules_do(
        rules in vec(rule(), 0..12),
        flows in vec(flow(), 40),
    ) {
        agrees(rules, &flows)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_table_decides_as_the_rules_do(
        rules in vec(rule(), 12..40),
        flows in vec(flow(), 200),
    ) {
        agrees(rules, &flows)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn the_table_decides_as_many_rules_do(
        rules in vec(rule(), 100..200),
        flows in vec(flow(), 500),
    ) {
        agrees(rules, &flows)?;
    }
}
