//! UDP and UDP-Lite.

use netweir_wire::{
    map::Class,
    packet::{Problem, protocol},
};

use super::case;
use crate::{
    Case, Expected,
    frame::{cut, ethernet_ipv4, ethernet_ipv6, ipv4, ipv6, padded, patched, udp, udp_lite},
};

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    [applications(), sizes(), lite()].concat()
}

fn over_ipv4(datagram: impl AsRef<[u8]>) -> Vec<u8> {
    ethernet_ipv4(ipv4(17).carrying(datagram))
}

fn applications() -> Vec<Case> {
    [
        ("udp_quic", 50000, 443, Class::QuicCandidate),
        ("udp_quic_answer", 443, 50000, Class::QuicCandidate),
        ("udp_quic_8443", 50000, 8443, Class::QuicCandidate),
        ("udp_80_is_not_http", 50000, 80, Class::None),
        ("udp_dns", 50000, 53, Class::None),
        ("udp_port_0", 0, 0, Class::None),
        // Tunnels are not entered.
        ("udp_vxlan", 50000, 4789, Class::None),
        ("udp_geneve", 50000, 6081, Class::None),
        ("udp_teredo", 50000, 3544, Class::None),
    ]
    .map(|(name, source, destination, class)| {
        let expected = Expected::ipv4().udp(source, destination).payload(42);
        let bytes = over_ipv4(udp(source, destination, &[0xc0; 64]));
        case(name, bytes, expected.application(class))
    })
    .to_vec()
}

fn sizes() -> Vec<Case> {
    let read = Expected::ipv4().udp(1234, 5678).payload(42);
    let truncated = read.payload(34).problem(Problem::TransportTruncated);
    let whole = over_ipv4(udp(1234, 5678, &[1; 8]));
    let zero_length = patched(udp(1234, 5678, &[1; 8]), 4, &[0, 0]);
    vec![
        case("udp_empty", over_ipv4(udp(1234, 5678, &[])), read),
        case(
            "udp_empty_padded",
            padded(over_ipv4(udp(1234, 5678, &[]))),
            read,
        ),
        case("udp_1472", over_ipv4(udp(1234, 5678, &[7; 1472])), read),
        case(
            "udp_jumbo_9000",
            over_ipv4(udp(1234, 5678, &[7; 8972])),
            read,
        ),
        // UDP's own length is not believed: the IP header's is.
        case("udp_length_0", over_ipv4(zero_length), read),
        case(
            "udp_length_past_packet",
            over_ipv4(patched(udp(1234, 5678, &[]), 4, &[0xff, 0xff])),
            read,
        ),
        case("udp_cut_3", cut(whole.clone(), 37), truncated.udp(0, 0)),
        case("udp_cut_4", cut(whole.clone(), 38), truncated),
        case("udp_cut_7", cut(whole, 41), truncated),
        case(
            "ipv6_udp_quic",
            ethernet_ipv6(ipv6(17).carrying(udp(50000, 443, &[0xc0; 64]))),
            Expected::ipv6()
                .udp(50000, 443)
                .application(Class::QuicCandidate)
                .payload(62),
        ),
    ]
}

fn lite() -> Vec<Case> {
    let number = protocol::UDP_LITE;
    let read = Expected::ipv4().ports(number, 1234, 443).payload(42);
    let bytes = ethernet_ipv4(ipv4(number).carrying(udp_lite(1234, 443, &[1; 16])));
    vec![
        case("udp_lite", bytes.clone(), read),
        case(
            "udp_lite_cut_7",
            cut(bytes, 41),
            read.payload(34).problem(Problem::TransportTruncated),
        ),
        case(
            "ipv6_udp_lite",
            ethernet_ipv6(ipv6(number).carrying(udp_lite(1234, 443, &[1; 16]))),
            Expected::ipv6().ports(number, 1234, 443).payload(62),
        ),
    ]
}
