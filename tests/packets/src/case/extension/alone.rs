//! Each extension header alone.

use super::{AH, FRAGMENT, HOP, OPTIONS, PAD, ROUTING, UDP, datagram, frame, read};
use crate::{
    Case, Expected,
    case::case,
    frame::{ah, cut, ethernet_ipv6, extension, fragment, icmp, ipv6, tcp},
};

pub(super) fn cases() -> Vec<Case> {
    [options(), routing(), standing_alone(), authentication()].concat()
}

fn options() -> Vec<Case> {
    let jumbo = [0xc2, 4, 0, 1, 0, 0];
    let alert = [5, 2, 0, 0, 1, 0];
    let jumbogram = ipv6(HOP).payload_length(0);
    let report = icmp(143, 0, &[0; 24]);
    let big = extension(6, &jumbo, tcp(1234, 22, 0x10));
    vec![
        case(
            "hop_by_hop",
            frame(HOP, extension(UDP, &PAD, datagram())),
            read(8),
        ),
        case(
            "hop_by_hop_24_bytes",
            frame(HOP, extension(UDP, &[0; 22], datagram())),
            read(24),
        ),
        case(
            "hop_by_hop_jumbo",
            ethernet_ipv6(jumbogram.carrying(big)),
            Expected::ipv6().tcp(1234, 22, 0x10).payload(82),
        ),
        case(
            "hop_by_hop_router_alert_mldv2",
            frame(HOP, extension(58, &alert, report)),
            Expected::ipv6().icmpv6(143, 0).payload(66),
        ),
        case(
            "hop_by_hop_without_next_header",
            frame(HOP, extension(59, &PAD, [])),
            Expected::ipv6().protocol(59).payload(62),
        ),
        case(
            "destination_options",
            frame(OPTIONS, extension(UDP, &PAD, datagram())),
            read(8),
        ),
        case(
            "destination_options_esp",
            frame(OPTIONS, extension(50, &PAD, datagram())),
            Expected::ipv6().protocol(50).payload(62),
        ),
        case(
            "destination_options_gre",
            frame(OPTIONS, extension(47, &PAD, datagram())),
            Expected::ipv6().protocol(47).payload(62),
        ),
        case(
            "fragment_header_atomic",
            frame(FRAGMENT, fragment(UDP, 0, datagram())),
            read(8),
        ),
    ]
}

/// Type, segments left, and what the type has: the addresses that are in the header stay there.
fn routing() -> Vec<Case> {
    let hop = [0x20; 16];
    let of = |kind, left, rest: &[u8]| [&[kind, left, 0, 0, 0, 0], rest].concat();
    // Last entry 1, no flags, no tag, two segments (RFC 8754).
    let segments = [&[4, 1, 1, 0, 0, 0][..], &hop, &hop].concat();
    let with = |content: &[u8]| frame(ROUTING, extension(UDP, content, datagram()));
    vec![
        case("routing_0", with(&of(0, 1, &hop)), read(24)),
        case("routing_0_without_addresses", with(&of(0, 0, &[])), read(8)),
        case("routing_2_mobile", with(&of(2, 1, &hop)), read(24)),
        case("routing_3_rpl", with(&of(3, 1, &hop)), read(24)),
        case("routing_4_segments", with(&segments), read(40)),
        case("routing_253_experiment", with(&of(253, 0, &[])), read(8)),
    ]
}

/// Mobility, HIP, Shim6: the protocol where nothing follows, walked where something does.
fn standing_alone() -> Vec<Case> {
    let alone = |number, payload| Expected::ipv6().protocol(number).payload(payload);
    let last = |number, content: &[u8]| frame(number, extension(59, content, []));
    let walked = |number| frame(number, extension(UDP, &[0; 14], datagram()));
    vec![
        case("mobility", last(135, &[5, 0, 0, 0, 0, 0]), alone(135, 62)),
        case("mobility_16_bytes", last(135, &[5; 14]), alone(135, 70)),
        case("mobility_with_next_header", walked(135), read(16)),
        case("hip", last(139, &[1; 38]), alone(139, 94)),
        case("hip_with_next_header", walked(139), read(16)),
        case("shim6", last(140, &[0x80, 0, 0, 0, 0, 0]), alone(140, 62)),
        case("shim6_with_next_header", walked(140), read(16)),
        case(
            "mobility_cut",
            cut(last(135, &[5; 14]), 69),
            alone(135, 54).problem(netweir_wire::packet::Problem::ExtensionTruncated),
        ),
    ]
}

fn authentication() -> Vec<Case> {
    vec![
        case("ah_no_value", frame(AH, ah(UDP, 0, datagram())), read(12)),
        case("ah_96_bits", frame(AH, ah(UDP, 12, datagram())), read(24)),
        case("ah_256_bits", frame(AH, ah(UDP, 36, datagram())), read(48)),
        case(
            "ah_esp",
            frame(AH, ah(50, 12, datagram())),
            Expected::ipv6().protocol(50).payload(78),
        ),
        case(
            "ah_transport_tcp",
            frame(AH, ah(6, 12, tcp(1234, 22, 2))),
            Expected::ipv6().tcp(1234, 22, 2).payload(98),
        ),
    ]
}
