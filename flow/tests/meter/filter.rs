//! Filter expressions: what they match, what they refuse, how they are written.

use crate::driver::{Driver, egress, icmp, on_loopback, tcp, transport};
use netweir_flow::{Filter, FilterError, Query, Settings};
use netweir_wire::map::FlowKey;
use proptest::{prelude::*, sample::select};

/// Whether a filter lets a flow through, by its record and by the view alike.
fn lets_through(filter: &Filter, key: FlowKey) -> bool {
    let mut driver = Driver::new(&Settings::default());
    driver.packet(key);
    let record = driver.meter.flows(&Query::default()).remove(0);
    let seen = driver.meter.flows(&Query {
        filter: Some(filter.clone()),
        ..Query::default()
    });
    assert_eq!(filter.matches(&record), !seen.is_empty(), "{filter}");
    filter.matches(&record)
}

/// Checks which of the filters, separated by semicolons, let a flow through.
fn check(key: FlowKey, matching: &str, other: &str) {
    let texts = matching.split(';').map(|text| (text, true));
    for (text, expected) in texts.chain(other.split(';').map(|text| (text, false))) {
        match Filter::parse(text) {
            Ok(filter) => assert_eq!(lets_through(&filter, key), expected, "{text}"),
            Err(error) => panic!("{text}: {error}"),
        }
    }
}

#[test]
fn terms_match_what_they_say() {
    check(
        FlowKey {
            outer_vlan: [0, 100],
            ..tcp("10.0.0.1:50000 192.168.1.2:443")
        },
        "host 10.0.0.1; HOST 192.168.1.2; src host 10.0.0.1; dst 192.168.1.2; 10.0.0.1; \
         net 10.0.0.0/8; 10.1.2.3/8; src net 10.0.0.0/30; host 192.168.0.0/16; port 443; \
         src port 50000; dst port 80-443; tcp; proto TCP; proto 6; ip; interface eth0; \
         iface \"eth0\"; in; ingress; vlan 100; ethertype 0x0800; ethertype 2048",
        "dst host 10.0.0.1; src 192.168.1.2; ::/0; src port 443; port 444-49999; udp; \
         interface eth; interface lo; out; egress; vlan 0; vlan 1; ip6; arp; ethertype lldp; icmp",
    );
    check(
        egress(on_loopback(transport(
            132,
            "[2001:db8::1]:9 [2001:db8:1::1]:9",
        ))),
        "sctp; ip6; 2001:db8::/32; dst net 2001:db8:1::/48; out; iface lo; vlan 0",
        "ip; 0.0.0.0/0; src net 2001:db8:1::/48; port 10",
    );
    check(
        icmp("fe80::1 fe80::2", 128),
        "icmp6; proto icmpv6; not port 128; host fe80::1",
        "icmp; port 0; port 0-65535",
    );
    let arp = FlowKey {
        ethertype: [8, 6],
        ..FlowKey::default()
    };
    check(
        arp,
        "arp; proto arp; ethertype arp; iface if0; not 0.0.0.0/0",
        "proto 0; ::; ::/0; ip",
    );
}

#[test]
fn and_binds_closer_than_or_and_not_closest() {
    check(
        tcp("10.0.0.1:50000 10.0.0.2:443"),
        "not udp; ! (udp or arp); tcp && !port 80; udp || tcp; udp and udp or tcp; \
         tcp or udp and udp; not (not (tcp)); !!tcp; NOT udp AND tcp",
        "not tcp; (udp or tcp) and udp; udp and (udp or tcp); not tcp or udp",
    );
}

#[test]
fn errors_say_where_and_what_was_expected() {
    let table = [
        ("", 1, "a term", "the end"),
        ("  ", 3, "a term", "the end"),
        ("tcp and", 8, "a term", "the end"),
        ("tcp port 80", 5, "`and`, `or` or the end", "`port`"),
        ("(tcp", 5, "`and`, `or` or `)`", "the end"),
        ("tcp)", 4, "`and`, `or` or the end", "`)`"),
        ("tcp & udp", 6, "`&&`", "` `"),
        ("tcp |", 6, "`||`", "the end"),
        ("src tcp", 5, "`host`, `net`, `port` or an address", "`tcp`"),
        ("host example.org", 6, "an address", "`example.org`"),
        ("net 10.0.0.0/33", 5, "an address", "`10.0.0.0/33`"),
        ("port 65536", 6, "a port", "`65536`"),
        ("port 90-80", 6, "a port", "`90-80`"),
        ("proto 256", 7, "a protocol", "`256`"),
        ("vlan 4096", 6, "a VLAN", "`4096`"),
        ("ethertype 0x10000", 11, "an ethertype", "`0x10000`"),
        ("interface (", 11, "the name", "`(`"),
        ("interface \"lo", 14, "a closing", "the end"),
        ("\"tcp\"", 1, "a term", "\"tcp\""),
        ("tcp \\", 5, "a term", "`\\`"),
        ("für 1", 1, "a term", "`für`"),
        ("iface für und", 11, "`and`, `or` or the end", "`und`"),
    ];
    for (text, at, wanted, there) in table {
        match Filter::parse(text) {
            Err(FilterError::Unexpected {
                column,
                expected,
                found,
            }) => {
                assert_eq!((column, &*found), (at, there), "{text}");
                assert!(expected.starts_with(wanted), "{text}: expected {expected}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    let error = Filter::parse("tcp and port x").unwrap_err();
    assert_eq!(error.column(), 14);
    assert_eq!(
        error.to_string(),
        "filter, column 14: expected a port such as 443, or ports such as 80-90, found `x`"
    );
}

#[test]
fn no_depth_overflows_the_stack() {
    for opening in ["(", "!", "not ", "not ("] {
        let text = opening.repeat(1_000_000);
        assert!(matches!(
            Filter::parse(&text),
            Err(FilterError::TooDeep { .. })
        ));
    }
    let deep = format!("{}tcp{}", "(".repeat(64), ")".repeat(64));
    assert!(Filter::parse(&deep).is_ok());
    let long = "tcp or ".repeat(200_000) + "udp and udp";
    assert!(Filter::parse(&long).is_ok());
}

#[test]
fn a_filter_is_written_with_no_more_than_is_needed() {
    let table = [
        ("((TCP))", "proto tcp"),
        ("a.b", ""),
        ("10.1.2.3/8 && port 5-5", "net 10.0.0.0/8 and port 5"),
        (
            "src ::1 || !(arp and in)",
            "src host ::1 or not (ethertype 0x0806 and in)",
        ),
        (
            "(tcp and (udp and vlan 5)) or (out or ip)",
            "proto tcp and proto udp and vlan 5 or out or ethertype 0x0800",
        ),
        (
            "(tcp or udp) and not not dst port 1-2",
            "(proto tcp or proto udp) and not not dst port 1-2",
        ),
        (
            "iface \"a (\\\"\\\\\" or iface and",
            "interface \"a (\\\"\\\\\" or interface and",
        ),
        ("iface \"\" or proto 200", "interface \"\" or proto 200"),
    ];
    for (text, expected) in table {
        let Ok(filter) = Filter::parse(text) else {
            assert_eq!(expected, "", "{text}");
            continue;
        };
        assert_eq!(filter.to_string(), expected);
        assert_eq!(expected.parse(), Ok(filter));
    }
}

proptest! {
    #[test]
    fn any_text_is_a_filter_or_an_error(text in ".*", words in words()) {
        drop(Filter::parse(&text));
        if let Err(error) = Filter::parse(&words) {
            prop_assert!(error.column() <= words.chars().count() + 1);
        }
    }

    #[test]
    fn a_filter_reads_back_as_it_is_written(text in expression()) {
        let filter = Filter::parse(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(filter.to_string().parse(), Ok(filter));
    }
}

/// Pieces of expressions in any order.
fn words() -> impl Strategy<Value = String> {
    let pieces = "tcp ip6 src dst host net port and or not ( ) ! && || & | 10.0.0.1 10.0.0.0/8 80 \
                  80-90 label rule proto vlan ethertype 0x88cc interface \" \\ in out";
    let pieces: Vec<&str> = pieces.split(' ').collect();
    prop::collection::vec(select(pieces), 0..12).prop_map(|words| words.join(" "))
}

/// Expressions as people would write them.
fn expression() -> impl Strategy<Value = String> {
    let side = select(vec!["", "src ", "dst "]);
    let net = prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| std::net::Ipv4Addr::from(octets).to_string()),
        any::<u128>().prop_map(|bits| std::net::Ipv6Addr::from(bits).to_string()),
        (any::<[u8; 4]>(), 0..=32_u8)
            .prop_map(|(octets, prefix)| format!("{}/{prefix}", std::net::Ipv4Addr::from(octets))),
    ];
    let term = prop_oneof![
        (side.clone(), net).prop_map(|(side, net)| format!("{side}{net}")),
        (side, 0..100_u16, 100..=u16::MAX)
            .prop_map(|(side, low, high)| format!("{side}port {low}-{high}")),
        any::<u8>().prop_map(|number| format!("proto {number}")),
        any::<u16>().prop_map(|number| format!("ethertype {number}")),
        (0..4096_u16).prop_map(|number| format!("vlan {number}")),
        (0..16384_u16).prop_map(|number| format!("rule {number}")),
        "[a-z:./_-]{1,9}".prop_map(|name| format!("label {name}")),
        ".*".prop_map(|name| {
            format!(
                "interface \"{}\"",
                name.replace('\\', "\\\\").replace('"', "\\\"")
            )
        }),
        select(vec!["in", "OUT", "tcp", "arp", "ip"]).prop_map(str::to_owned),
    ];
    term.prop_recursive(6, 40, 4, |inner| {
        let joined = |joint: &'static str| {
            prop::collection::vec(inner.clone(), 1..4)
                .prop_map(move |parts| format!("({})", parts.join(joint)))
        };
        prop_oneof![
            joined(" and "),
            joined(" || "),
            inner.clone().prop_map(|part| format!("not {part}")),
        ]
    })
}
