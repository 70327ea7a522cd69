//! IPv6 headers without extension headers.

use netweir_wire::packet::{Problem, ethertype};

use super::case;
use crate::{
    Case, Expected,
    frame::{SYN, cut, ethernet_ipv6, ipv4, ipv6, padded, tcp, udp},
};

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    [versions(), classes(), lengths(), cuts()].concat()
}

fn read() -> Expected {
    Expected::ipv6().tcp(1234, 22, SYN).payload(74)
}

fn versions() -> Vec<Case> {
    let malformed = Expected::frame(ethertype::IPV6).problem(Problem::NetworkMalformed);
    let first = |byte| {
        let header = ipv6(6).first_bytes([byte, 0, 0, 0]);
        ethernet_ipv6(header.carrying(tcp(1234, 22, SYN)))
    };
    let options = ipv4(6).options(&[1; 4]);
    vec![
        case("ipv6_tcp_syn", first(0x60), read()),
        case("ipv6_version_0", first(0x00), malformed),
        case("ipv6_version_5", first(0x5f), malformed),
        case("ipv6_version_7", first(0x70), malformed),
        case(
            "ipv4_announced_as_ipv6",
            ethernet_ipv6(options.carrying(tcp(1234, 22, SYN))),
            malformed,
        ),
    ]
}

fn classes() -> Vec<Case> {
    [
        ("ipv6_dscp_ef", [0x6b, 0x80, 0, 0], 0xb8),
        ("ipv6_ecn_ce", [0x60, 0x30, 0, 0], 0x03),
        ("ipv6_traffic_class_255", [0x6f, 0xf0, 0, 0], 0xff),
        ("ipv6_flow_label", [0x60, 0x0f, 0xff, 0xff], 0),
    ]
    .map(|(name, bytes, class)| {
        let packet = ipv6(6).first_bytes(bytes).carrying(tcp(1234, 22, SYN));
        case(name, ethernet_ipv6(packet), read().traffic_class(class))
    })
    .to_vec()
}

fn lengths() -> Vec<Case> {
    let of = |length| {
        let header = ipv6(17).payload_length(length);
        ethernet_ipv6(header.carrying(udp(1234, 5678, &[0xee; 8])))
    };
    let whole = Expected::ipv6().udp(1234, 5678).payload(62);
    let truncated = whole.payload(54).problem(Problem::TransportTruncated);
    vec![
        // BIG TCP leaves it out: the frame's own end counts.
        case("ipv6_payload_length_0", of(0), whole),
        case("ipv6_payload_length_1", of(1), truncated.udp(0, 0)),
        case("ipv6_payload_length_3", of(3), truncated.udp(0, 0)),
        case("ipv6_payload_length_4", of(4), truncated),
        case("ipv6_payload_length_7", of(7), truncated),
        case("ipv6_payload_length_8", of(8), whole),
        case("ipv6_payload_length_past_frame", of(1400), whole),
        case(
            "ipv6_no_next_header",
            ethernet_ipv6(ipv6(59).carrying([])),
            Expected::ipv6().protocol(59).payload(54),
        ),
        case(
            "ipv6_no_next_header_padded",
            padded(ethernet_ipv6(ipv6(59).carrying([]))),
            Expected::ipv6().protocol(59).payload(54),
        ),
        // Bytes behind it are to be ignored (RFC 8200 section 4.7).
        case(
            "ipv6_no_next_header_with_bytes",
            ethernet_ipv6(ipv6(59).carrying(udp(1234, 5678, &[]))),
            Expected::ipv6().protocol(59).payload(54),
        ),
        case(
            "ipv6_jumbo_9000",
            ethernet_ipv6(ipv6(17).carrying(udp(1234, 5678, &[7; 8952]))),
            whole,
        ),
    ]
}

fn cuts() -> Vec<Case> {
    let whole = ethernet_ipv6(ipv6(6).carrying(tcp(1234, 22, SYN)));
    let none = Expected::frame(ethertype::IPV6).problem(Problem::NetworkTruncated);
    let truncated = Expected::ipv6()
        .payload(54)
        .problem(Problem::TransportTruncated);
    let at = |bytes: usize| cut(whole.clone(), 14 + bytes);
    vec![
        case("ipv6_cut_0", at(0), none),
        case("ipv6_cut_39", at(39), none),
        case("ipv6_cut_40", at(40), truncated.tcp(0, 0, 0)),
        case("ipv6_cut_after_ports", at(44), truncated.tcp(1234, 22, 0)),
        case("ipv6_cut_after_flags", at(54), truncated.tcp(1234, 22, SYN)),
        case("ipv6_cut_59", at(59), truncated.tcp(1234, 22, SYN)),
    ]
}
