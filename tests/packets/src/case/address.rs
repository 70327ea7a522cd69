//! Addresses that are not of one host to another: groups, everybody, oneself.

use netweir_wire::packet::ethertype;

use super::case;
use crate::{
    Case, Expected,
    frame::{
        SOURCE_MAC, SYN, ethernet_ipv4, ethernet_ipv6, ethernet_to, icmp, ipv4, ipv6, tcp, udp,
    },
};

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    [groups(), special_ipv4(), special_ipv6()].concat()
}

fn groups() -> Vec<Case> {
    let everybody = [0xff; 6];
    let mdns4 = [0x01, 0x00, 0x5e, 0, 0, 0xfb];
    let mdns6 = [0x33, 0x33, 0, 0, 0, 0xfb];
    let nodes = [0x33, 0x33, 0, 0, 0, 0x01];
    let of4 = |destination, port| {
        ipv4(17)
            .between("10.0.0.1", destination)
            .carrying(udp(port, port, &[0; 12]))
    };
    let discover = ipv4(17)
        .between("0.0.0.0", "255.255.255.255")
        .carrying(udp(68, 67, &[1; 300]));
    let query6 = ipv6(17)
        .between("fe80::1", "ff02::fb")
        .carrying(udp(5353, 5353, &[0; 12]));
    let router = ipv6(58)
        .between("fe80::1", "ff02::1")
        .carrying(icmp(134, 0, &[0; 12]));
    vec![
        case(
            "broadcast_dhcp_discover",
            ethernet_to(everybody, ethertype::IPV4, discover),
            Expected::ip("0.0.0.0", "255.255.255.255")
                .udp(68, 67)
                .macs(SOURCE_MAC, everybody)
                .payload(42),
        ),
        case(
            "broadcast_subnet",
            ethernet_to(everybody, ethertype::IPV4, of4("10.0.0.255", 137)),
            Expected::ip("10.0.0.1", "10.0.0.255")
                .udp(137, 137)
                .macs(SOURCE_MAC, everybody)
                .payload(42),
        ),
        case(
            "multicast_mdns",
            ethernet_to(mdns4, ethertype::IPV4, of4("224.0.0.251", 5353)),
            Expected::ip("10.0.0.1", "224.0.0.251")
                .udp(5353, 5353)
                .macs(SOURCE_MAC, mdns4)
                .payload(42),
        ),
        case(
            "multicast_mdns_ipv6",
            ethernet_to(mdns6, ethertype::IPV6, query6),
            Expected::ip("fe80::1", "ff02::fb")
                .udp(5353, 5353)
                .macs(SOURCE_MAC, mdns6)
                .payload(62),
        ),
        case(
            "multicast_router_advertisement",
            ethernet_to(nodes, ethertype::IPV6, router),
            Expected::ip("fe80::1", "ff02::1")
                .icmpv6(134, 0)
                .macs(SOURCE_MAC, nodes)
                .payload(58),
        ),
    ]
}

fn special_ipv4() -> Vec<Case> {
    [
        ("land_ipv4", "10.0.0.9", "10.0.0.9"),
        ("loopback_ipv4", "127.0.0.1", "127.0.0.1"),
        ("unspecified_ipv4", "0.0.0.0", "0.0.0.0"),
        ("source_is_group", "224.0.0.1", "10.0.0.2"),
        ("source_is_broadcast", "255.255.255.255", "10.0.0.2"),
    ]
    .map(|(name, source, destination)| {
        let packet = ipv4(6)
            .between(source, destination)
            .carrying(tcp(139, 139, SYN));
        let expected = Expected::ip(source, destination).tcp(139, 139, SYN);
        case(name, ethernet_ipv4(packet), expected.payload(54))
    })
    .to_vec()
}

fn special_ipv6() -> Vec<Case> {
    [
        ("land_ipv6", "2001:db8::9", "2001:db8::9"),
        ("loopback_ipv6", "::1", "::1"),
        ("unspecified_ipv6", "::", "::"),
        // Not to be on the wire (RFC 4291 section 2.5.5.2), but then it is an IPv6 packet.
        ("mapped_ipv6", "::ffff:10.0.0.1", "::ffff:10.0.0.2"),
        (
            "all_ones_ipv6",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "::",
        ),
    ]
    .map(|(name, source, destination)| {
        let packet = ipv6(6)
            .between(source, destination)
            .carrying(tcp(139, 139, SYN));
        let expected = Expected::ip(source, destination).tcp(139, 139, SYN);
        case(name, ethernet_ipv6(packet), expected.payload(74))
    })
    .to_vec()
}
