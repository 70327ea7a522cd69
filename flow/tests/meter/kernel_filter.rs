//! The kernel's filter: what an expression matches, its program admits.

use crate::{
    driver::{Driver, tcp},
    properties::any_key,
};
use netweir_flow::{Filter, KernelFilter, Query, Settings, TooComplex};
use netweir_wire::map::{FILTER_CLAUSES, FlowKey};
use proptest::{prelude::*, sample::select};

fn compiled(text: &str) -> Result<KernelFilter, TooComplex> {
    match Filter::parse(text) {
        Ok(filter) => filter.for_kernel(),
        Err(error) => panic!("{text}: {error}"),
    }
}

/// Whether the filter matches, and whether its program admits.
fn answers(filter: &Filter, kernel: &KernelFilter, key: FlowKey) -> (bool, bool) {
    let mut driver = Driver::new(&Settings::default());
    driver.packet(key);
    let record = driver.meter.flows(&Query::default()).remove(0);
    let names = kernel.interface_names(&record.interface);
    (filter.matches(&record), kernel.program.admits(&key, names))
}

fn alternatives(count: usize) -> String {
    let ports = (1..=count).map(|port| format!("port {port}"));
    ports.collect::<Vec<_>>().join(" or ")
}

#[test]
fn what_is_asked_twice_is_stored_once() {
    let kernel = compiled("(tcp and iface eth0) or (udp and iface eth0 and not iface lo) or tcp")
        .expect("it fits");
    let counts = (kernel.program.term_count, kernel.program.clause_count);
    assert_eq!(counts, (4, 2), "tcp alone covers tcp on eth0");
    assert_eq!(kernel.interfaces, ["eth0", "lo"]);
    assert_eq!(kernel.interface_names("lo"), 2);
    assert_eq!(kernel.interface_names("eth1"), 0);
}

#[test]
fn what_always_or_never_holds_does_so_in_the_kernel() {
    let key = tcp("10.0.0.1:1 10.0.0.2:2");
    for (text, expected) in [
        ("tcp or not tcp", true),
        ("udp or not udp", true),
        ("tcp and not tcp", false),
        ("udp and not udp", false),
    ] {
        let kernel = compiled(text).expect("it fits");
        assert_eq!(kernel.program.admits(&key, 0), expected, "{text}");
    }
}

#[test]
fn many_alternatives_fit_the_other_way_round() {
    let kernel = compiled(&alternatives(16)).expect("it fits");
    assert_eq!(
        (kernel.program.clause_count, kernel.program.inverted),
        (1, 1)
    );
    for (port, expected) in [(1, true), (16, true), (17, false)] {
        let key = tcp(&format!("10.0.0.1:50000 10.0.0.2:{port}"));
        assert_eq!(kernel.program.admits(&key, 0), expected, "{port}");
    }
}

#[test]
fn what_does_not_fit_says_why() {
    let error = compiled(&alternatives(17)).expect_err("17 terms");
    assert_eq!(error, TooComplex::Terms(17));
    assert_eq!(
        error.to_string(),
        "the filter asks 17 different things, and the kernel takes 16 at most"
    );
    let both = |joint: &str, pairs: std::ops::Range<usize>| {
        let pairs = pairs.map(|pair| format!("(port {pair} {joint} port 1{pair})"));
        pairs.collect::<Vec<_>>()
    };
    // Too many alternatives either way: 4 pairs multiply, 4 pairs of the opposite multiply.
    let text = format!(
        "({}) and ({})",
        both("or", 10..14).join(" and "),
        both("and", 14..18).join(" or ")
    );
    let error = compiled(&text).expect_err("too many clauses");
    assert_eq!(error, TooComplex::Clauses);
    assert!(error.to_string().contains(&FILTER_CLAUSES.to_string()));
    // More in between than anybody would wait for.
    let text = both("or", 10..18).join(" and ");
    assert_eq!(compiled(&text).map(|kernel| kernel.program.inverted), Ok(1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_program_admits_what_its_filter_matches(
        text in expression(),
        keys in prop::collection::vec(prop_oneof![6 => key(), 1 => any_key()], 1..6),
    ) {
        let filter = Filter::parse(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let kernel = match filter.for_kernel() {
            Ok(kernel) => kernel,
            Err(TooComplex::Clauses) => return Ok(()),
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        for mut key in keys {
            key.direction &= 1;
            let (matches, admits) = answers(&filter, &kernel, key);
            prop_assert_eq!(matches, admits, "{}: {:?}", text, key);
        }
    }
}

/// Addresses of either family, IPv4 in the place of IPv6, a MAC, nothing.
fn address() -> impl Strategy<Value = [u8; 16]> {
    const MAPPED: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1];
    let other = |last: [u8; 4]| {
        let mut address = MAPPED;
        address[12..].copy_from_slice(&last);
        address
    };
    select(vec![
        MAPPED,
        MAPPED,
        other([10, 0, 0, 2]),
        other([10, 1, 0, 1]),
        other([192, 0, 2, 1]),
        other([0; 4]),
        [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
        [0x0a, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1],
        [0; 16],
    ])
}

fn key() -> impl Strategy<Value = FlowKey> {
    let port = || select(vec![0_u16, 22, 80, 443, 65535]);
    let vlan = || select(vec![0_u16, 0, 5, 6]);
    let what = (
        select(vec![0x0800_u16, 0x0800, 0x86dd, 0x86dd, 0x0806, 0]),
        select(vec![0_u8, 1, 6, 6, 17, 17, 58, 132, 33, 136, 47, 255]),
    );
    let place = (1..4_u32, 0..2_u8, vlan(), vlan());
    ((address(), address()), (port(), port()), what, place).prop_map(
        |(ends, ports, (ethertype, protocol), (ifindex, direction, outer, inner))| FlowKey {
            source: ends.0,
            destination: ends.1,
            source_port: ports.0.to_be_bytes(),
            destination_port: ports.1.to_be_bytes(),
            ethertype: ethertype.to_be_bytes(),
            outer_vlan: outer.to_be_bytes(),
            inner_vlan: inner.to_be_bytes(),
            protocol,
            ..FlowKey {
                netns: 1,
                ifindex,
                direction,
                ..FlowKey::default()
            }
        },
    )
}

/// Terms about what the keys have.
fn term() -> impl Strategy<Value = String> {
    let side = || select(vec!["", "src ", "dst "]);
    let one_of = |words: &'static str| select(words.split(", ").collect::<Vec<_>>());
    let net = one_of(
        "10.0.0.1, 10.0.0.2, 10.0.0.0/8, 10.0.0.0/30, 192.0.2.0/24, 0.0.0.0/0, 0.0.0.0, 0.0.0.0/1, \
         ::/0, ::ffff:0:0/96, ::ffff:10.0.0.1, 2001:db8::/32, 2001:db8::1, ::, a00:1:2::, ::10.0.0.1",
    );
    let ports = one_of("0, 80, 443, 80-443, 0-65535, 0-79, 444-65535");
    let other = one_of(
        "tcp, udp, icmp, icmp6, sctp, ip, ip6, arp, proto 0, proto 33, proto 255, ethertype 0, vlan 0, \
         vlan 5, vlan 6, in, out, iface lo, iface eth0, iface if3, iface \"not there\"",
    );
    prop_oneof![
        2 => (side(), net).prop_map(|(side, net)| format!("{side}{net}")),
        1 => (side(), ports).prop_map(|(side, ports)| format!("{side}port {ports}")),
        2 => other.prop_map(str::to_owned),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    term().prop_recursive(4, 12, 3, |inner| {
        let joined = |joint: &'static str| {
            prop::collection::vec(inner.clone(), 1..4)
                .prop_map(move |parts| format!("({})", parts.join(joint)))
        };
        prop_oneof![
            joined(" and "),
            joined(" or "),
            inner.clone().prop_map(|part| format!("not {part}")),
        ]
    })
}
