use super::{
    FILTER_DESTINATION, FILTER_SOURCE, FilterClause, FilterKind, FilterProgram, FilterTerm, words,
};
use crate::{
    map::FlowKey,
    packet::{ethertype, protocol},
};

/// 10.0.0.`last`, v4-mapped.
const fn address(last: u8) -> [u8; 16] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, last]
}

/// TCP from 10.0.0.1:5000 to 10.0.0.2:443.
fn tcp() -> FlowKey {
    FlowKey {
        source: address(1),
        destination: address(2),
        source_port: 5000_u16.to_be_bytes(),
        destination_port: 443_u16.to_be_bytes(),
        ethertype: ethertype::IPV4.to_be_bytes(),
        protocol: protocol::TCP,
        ..FlowKey::default()
    }
}

fn number(kind: FilterKind, low: u16) -> FilterTerm {
    FilterTerm {
        low,
        kind: kind as u8,
        ..FilterTerm::default()
    }
}

fn port(low: u16, high: u16, ends: u8) -> FilterTerm {
    FilterTerm {
        high,
        ends,
        ..number(FilterKind::Ports, low)
    }
}

fn program(terms: &[FilterTerm], clauses: &[(u32, u32)]) -> FilterProgram {
    let mut program = FilterProgram {
        term_count: terms.len() as u32,
        clause_count: clauses.len() as u32,
        ..FilterProgram::ALL
    };
    program.terms[..terms.len()].copy_from_slice(terms);
    for (clause, &(yes, no)) in program.clauses.iter_mut().zip(clauses) {
        *clause = FilterClause { yes, no };
    }
    program
}

/// Whether a program of one term admits a flow.
fn holds(term: FilterTerm, key: &FlowKey) -> bool {
    program(&[term], &[(1, 0)]).admits(key, 0b100)
}

#[test]
fn every_kind_stands_at_its_number() {
    for (number, kind) in FilterKind::ALL.into_iter().enumerate() {
        assert_eq!(kind as usize, number, "{kind:?}");
    }
}

#[test]
fn nothing_asked_is_everything_admitted() {
    assert!(FilterProgram::ALL.admits(&FlowKey::default(), 0));
    assert!(!program(&[FilterTerm::default()], &[]).admits(&tcp(), 0));
}

#[test]
fn numbers_are_compared() {
    let table = [
        (FilterKind::Protocol, 6, true),
        (FilterKind::Protocol, 17, false),
        (FilterKind::Ethertype, 0x0800, true),
        (FilterKind::Ethertype, 0x86dd, false),
        (FilterKind::Direction, 0, true),
        (FilterKind::Direction, 1, false),
        (FilterKind::Vlan, 0, true),
        (FilterKind::Vlan, 1, false),
        (FilterKind::Interface, 2, true),
        (FilterKind::Interface, 1, false),
    ];
    for (kind, low, expected) in table {
        assert_eq!(holds(number(kind, low), &tcp()), expected, "{kind:?} {low}");
    }
    let tagged = FlowKey {
        outer_vlan: [0, 5],
        ..tcp()
    };
    for (vlan, expected) in [(0, false), (5, true), (6, false)] {
        assert_eq!(holds(number(FilterKind::Vlan, vlan), &tagged), expected);
    }
    let unknown = FilterTerm {
        kind: 99,
        ..FilterTerm::default()
    };
    assert!(!holds(unknown, &tcp()));
}

#[test]
fn ports_are_those_of_protocols_that_have_them() {
    let both = FILTER_SOURCE | FILTER_DESTINATION;
    assert!(holds(port(443, 443, both), &tcp()));
    assert!(holds(port(400, 443, FILTER_DESTINATION), &tcp()));
    assert!(!holds(port(443, 443, FILTER_SOURCE), &tcp()));
    assert!(!holds(port(444, 4999, both), &tcp()));
    let ping = FlowKey {
        protocol: protocol::ICMP,
        ..tcp()
    };
    assert!(!holds(port(0, 65535, both), &ping));
    let fragment = FlowKey {
        source_port: [0; 2],
        destination_port: [0; 2],
        ..tcp()
    };
    assert!(!holds(port(0, 65535, both), &fragment));
}

#[test]
fn addresses_are_of_their_family_and_no_macs() {
    let any = |kind: FilterKind| FilterTerm {
        ends: FILTER_SOURCE,
        ..number(kind, 0)
    };
    let host = |last: u8| FilterTerm {
        address: words(address(last)),
        mask: [u64::MAX; 2],
        ..any(FilterKind::Ipv4)
    };
    assert!(holds(host(1), &tcp()));
    assert!(!holds(host(2), &tcp()));
    assert!(!holds(any(FilterKind::Ipv6), &tcp()));
    let mapped_in_ipv6 = FlowKey {
        ethertype: ethertype::IPV6.to_be_bytes(),
        ..tcp()
    };
    assert!(!holds(host(1), &mapped_in_ipv6));
    assert!(holds(any(FilterKind::Ipv6), &mapped_in_ipv6));
    for number in [ethertype::IPV4, ethertype::IPV6, 0x0806] {
        let macs = FlowKey {
            source: [2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            ethertype: number.to_be_bytes(),
            ..FlowKey::default()
        };
        assert!(!holds(any(FilterKind::Ipv4), &macs), "{number:#x}");
        assert!(!holds(any(FilterKind::Ipv6), &macs), "{number:#x}");
    }
}

#[test]
fn any_clause_is_enough_and_all_can_be_turned_round() {
    let terms = [
        number(FilterKind::Protocol, 6),
        number(FilterKind::Direction, 1),
        number(FilterKind::Ethertype, 0x0800),
    ];
    for (clauses, expected) in [
        (&[(0b001, 0)][..], true),
        (&[(0b011, 0)], false),
        (&[(0b101, 0b010)], true),
        (&[(0b010, 0), (0, 0b010)], true),
        (&[(0b010, 0), (0, 0b100)], false),
        (&[(0, 0)], true),
    ] {
        let mut program = program(&terms, clauses);
        assert_eq!(program.admits(&tcp(), 0), expected, "{clauses:?}");
        program.inverted = 1;
        assert_eq!(program.admits(&tcp(), 0), !expected, "{clauses:?}");
    }
}
