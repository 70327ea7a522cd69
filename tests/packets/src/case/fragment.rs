//! Fragments of IPv4; those of IPv6 are with its extension headers.

use netweir_wire::{map::Class, packet::Problem};

use super::case;
use crate::{
    Case, Expected,
    frame::{PSH, ethernet_ipv4, icmp, ipv4, tcp, udp},
};

const MORE: u16 = 0x2000;

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    [first(), later()].concat()
}

fn first() -> Vec<Case> {
    let datagram = [&udp(1234, 443, &[])[..], &[0xaa; 1472]].concat();
    let http = Expected::ipv4().tcp(80, 1234, PSH).application(Class::Http);
    vec![
        case(
            "fragment_first_udp",
            ethernet_ipv4(ipv4(17).fragment(MORE).carrying(datagram)),
            Expected::ipv4()
                .udp(1234, 443)
                .application(Class::QuicCandidate)
                .first()
                .payload(42),
        ),
        case(
            "fragment_first_tcp",
            ethernet_ipv4(ipv4(6).fragment(MORE).carrying(tcp(80, 1234, PSH))),
            http.first().payload(54),
        ),
        // Both flags contradict, but the offset and the mark are what reassembly goes by.
        case(
            "fragment_first_with_df",
            ethernet_ipv4(ipv4(6).fragment(MORE | 0x4000).carrying(tcp(80, 1234, PSH))),
            http.first().payload(54),
        ),
        // A tiny fragment: eight bytes of TCP have the ports and no flags (RFC 1858 section 3).
        case(
            "fragment_first_tiny_tcp",
            ethernet_ipv4(ipv4(6).fragment(MORE).carrying(&tcp(80, 1234, PSH)[..8])),
            Expected::ipv4()
                .tcp(80, 1234, 0)
                .application(Class::Http)
                .first()
                .payload(34)
                .problem(Problem::TransportTruncated),
        ),
        case(
            "fragment_first_icmp",
            ethernet_ipv4(ipv4(1).fragment(MORE).carrying(icmp(8, 0, &[0; 1476]))),
            Expected::ipv4().icmp(8, 0).first().payload(42),
        ),
    ]
}

/// What looks like a header in them is payload.
fn later() -> Vec<Case> {
    let expected = Expected::ipv4().udp(0, 0).later().payload(34);
    let of = |protocol, field| {
        let header = ipv4(protocol).fragment(field);
        ethernet_ipv4(header.carrying(tcp(1234, 443, 0xfff)))
    };
    vec![
        case("fragment_second_udp", of(17, MORE | 185), expected),
        case("fragment_last_udp", of(17, 370), expected),
        case("fragment_offset_8", of(17, 1), expected),
        case("fragment_offset_65528", of(17, 0x1fff), expected),
        case(
            "fragment_later_tcp",
            of(6, 185),
            Expected::ipv4().tcp(0, 0, 0).later().payload(34),
        ),
        case(
            "fragment_later_icmp",
            of(1, 185),
            Expected::ipv4().icmp(0, 0).later().payload(34),
        ),
        case(
            "fragment_later_gre",
            of(47, 185),
            Expected::ipv4().protocol(47).later().payload(34),
        ),
        case(
            "fragment_later_with_options",
            ethernet_ipv4(ipv4(17).options(&[1; 4]).fragment(185).carrying([0x11; 8])),
            expected.payload(38),
        ),
        case(
            "fragment_later_without_payload",
            ethernet_ipv4(ipv4(17).fragment(185).carrying([])),
            expected,
        ),
    ]
}
