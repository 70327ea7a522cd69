//! IP protocols of which nothing but the number is read, tunnels among them.

use super::case;
use crate::{
    Case, Expected,
    frame::{SYN, ah, ethernet_ipv4, ethernet_ipv6, ipv4, ipv6, tcp},
};

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    [over_ipv4(), over_ipv6(), extensions_over_ipv4(), tunnels()].concat()
}

fn over_ipv4() -> Vec<Case> {
    [
        ("ipv4_protocol_0", 0),
        ("ipv4_igmp", 2),
        ("ipv4_rsvp", 46),
        ("ipv4_esp", 50),
        ("ipv4_no_next_header", 59),
        ("ipv4_eigrp", 88),
        ("ipv4_ospf", 89),
        ("ipv4_pim", 103),
        ("ipv4_vrrp", 112),
        ("ipv4_l2tp", 115),
        ("ipv4_mpls", 137),
        ("ipv4_protocol_253", 253),
        ("ipv4_protocol_255", 255),
    ]
    .map(|(name, number)| {
        // What would be ports, were it TCP.
        let bytes = ethernet_ipv4(ipv4(number).carrying(tcp(1234, 80, SYN)));
        let expected = Expected::ipv4().protocol(number).payload(34);
        case(name, bytes, expected)
    })
    .to_vec()
}

fn over_ipv6() -> Vec<Case> {
    [
        ("ipv6_igmp", 2),
        ("ipv6_gre", 47),
        ("ipv6_esp", 50),
        ("ipv6_eigrp", 88),
        ("ipv6_ospf", 89),
        ("ipv6_pim", 103),
        ("ipv6_vrrp", 112),
        ("ipv6_l2tp", 115),
        ("ipv6_ethernet", 143),
        ("ipv6_protocol_255", 255),
    ]
    .map(|(name, number)| {
        let bytes = ethernet_ipv6(ipv6(number).carrying(tcp(1234, 80, SYN)));
        let expected = Expected::ipv6().protocol(number).payload(54);
        case(name, bytes, expected)
    })
    .to_vec()
}

/// Extension headers of IPv6 are protocols like others in IPv4, AH with them: not walked.
fn extensions_over_ipv4() -> Vec<Case> {
    let payload = ah(6, 12, tcp(1234, 80, SYN));
    [
        ("ipv4_ah", 51),
        ("ipv4_routing_header", 43),
        ("ipv4_fragment_header", 44),
        ("ipv4_destination_options", 60),
        ("ipv4_mobility", 135),
    ]
    .map(|(name, number)| {
        let bytes = ethernet_ipv4(ipv4(number).carrying(&payload));
        let expected = Expected::ipv4().protocol(number).payload(34);
        case(name, bytes, expected)
    })
    .to_vec()
}

/// The outer packet is what is counted.
fn tunnels() -> Vec<Case> {
    let inner4 = ipv4(6)
        .between("192.0.2.1", "192.0.2.2")
        .carrying(tcp(1234, 80, SYN));
    let inner6 = ipv6(6).carrying(tcp(1234, 80, SYN));
    // No key, no checksum, IPv4 inside.
    let gre = [&[0, 0, 0x08, 0x00], &inner4[..]].concat();
    let outer4 = |number| Expected::ipv4().protocol(number).payload(34);
    let outer6 = |number| Expected::ipv6().protocol(number).payload(54);
    vec![
        case("ipip", ethernet_ipv4(ipv4(4).carrying(&inner4)), outer4(4)),
        case(
            "6in4",
            ethernet_ipv4(ipv4(41).carrying(&inner6)),
            outer4(41),
        ),
        case("4in6", ethernet_ipv6(ipv6(4).carrying(&inner4)), outer6(4)),
        case(
            "6in6",
            ethernet_ipv6(ipv6(41).carrying(&inner6)),
            outer6(41),
        ),
        case(
            "gre_ipv4",
            ethernet_ipv4(ipv4(47).carrying(gre)),
            outer4(47),
        ),
    ]
}
