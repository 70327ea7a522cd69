//! Extension headers that are cut, run past the packet, or past the bytes that are read at all.

use netweir_wire::packet::Problem;

use super::{AH, HOP, OPTIONS, PAD, ROUTING, UDP, datagram, frame, read};
use crate::{
    Case, Expected,
    case::case,
    frame::{ah, cut, ethernet_ipv6, extension, ipv6},
};

pub(super) fn cases() -> Vec<Case> {
    [cuts(), ends(), past_packet(), past_limit()].concat()
}

/// Reading ended at header `next`, whose first byte is at `offset`.
fn stopped(next: u8, offset: u16) -> Expected {
    let expected = Expected::ipv6().protocol(next).payload(offset);
    expected.problem(Problem::ExtensionTruncated)
}

/// Cut by the capture.
fn cuts() -> Vec<Case> {
    let routed = extension(UDP, &[0; 22], datagram());
    let whole = frame(HOP, extension(ROUTING, &PAD, routed));
    let at = |bytes: usize| cut(whole.clone(), bytes);
    let authenticated = frame(AH, ah(UDP, 12, datagram()));
    let transport = read(32).payload(86).problem(Problem::TransportTruncated);
    vec![
        case("extension_cut_0", at(54), stopped(HOP, 54)),
        case("extension_cut_1", at(55), stopped(HOP, 54)),
        case("extension_cut_7", at(61), stopped(HOP, 54)),
        case("extension_cut_at_second", at(62), stopped(ROUTING, 62)),
        case("extension_cut_second_2", at(64), stopped(ROUTING, 62)),
        case("extension_cut_second_8", at(70), stopped(ROUTING, 62)),
        case("extension_cut_second_23", at(85), stopped(ROUTING, 62)),
        case("extension_cut_at_transport", at(86), transport.udp(0, 0)),
        case("extension_cut_after_ports", at(90), transport),
        case("ah_cut_8", cut(authenticated.clone(), 62), stopped(AH, 54)),
        case("ah_cut_23", cut(authenticated, 77), stopped(AH, 54)),
    ]
}

/// Ended by the payload length, with more bytes in the frame.
fn ends() -> Vec<Case> {
    let of = |length| {
        let header = ipv6(HOP).payload_length(length);
        ethernet_ipv6(header.carrying(extension(UDP, &[0; 14], datagram())))
    };
    let transport = read(16).payload(70).problem(Problem::TransportTruncated);
    vec![
        case("extension_ends_1", of(1), stopped(HOP, 54)),
        case("extension_ends_7", of(7), stopped(HOP, 54)),
        case("extension_ends_8", of(8), stopped(HOP, 54)),
        case("extension_ends_15", of(15), stopped(HOP, 54)),
        case("extension_ends_16", of(16), transport.udp(0, 0)),
        case("extension_ends_20", of(20), transport),
        case("extension_ends_24", of(24), read(16)),
    ]
}

/// The length field is not true.
fn past_packet() -> Vec<Case> {
    let lying = |next, eights, number| {
        let bytes = [&[next, eights], &PAD[..], &datagram()].concat();
        frame(number, bytes)
    };
    vec![
        case(
            "extension_past_packet",
            lying(UDP, 3, OPTIONS),
            stopped(OPTIONS, 54),
        ),
        case(
            "extension_past_packet_unread_protocol",
            lying(47, 3, OPTIONS),
            stopped(OPTIONS, 54),
        ),
        case(
            "extension_past_packet_far",
            lying(UDP, 50, ROUTING),
            stopped(ROUTING, 54),
        ),
        // 24 bytes, as many as there are: nothing is left for the transport header.
        case(
            "extension_is_all_of_packet",
            lying(UDP, 2, OPTIONS),
            read(24)
                .payload(78)
                .problem(Problem::TransportTruncated)
                .udp(0, 0),
        ),
        case("ah_past_packet", lying(UDP, 5, AH), stopped(AH, 54)),
        // An atomic fragment has no length: the reserved byte in its place is ignored.
        case(
            "fragment_header_reserved_byte",
            lying(UDP, 0xff, 44),
            read(8).later().udp(0, 0).payload(62),
        ),
    ]
}

/// No header byte is read past the first 512 of the frame.
fn past_limit() -> Vec<Case> {
    // From 54 on: a header of 440 bytes ends at 494, past what a TCP header needs to fit in.
    let long = |bytes: usize, next, rest: Vec<u8>| {
        frame(OPTIONS, extension(next, &vec![0; bytes - 2], rest))
    };
    let too_long = |number, offset| stopped(number, offset).problem(Problem::TooLong);
    let behind = extension(UDP, &PAD, datagram());
    vec![
        case(
            "extension_432_bytes_fits",
            long(432, UDP, datagram()),
            read(432),
        ),
        case(
            "extension_440_bytes_transport_too_far",
            long(440, UDP, datagram()),
            Expected::ipv6()
                .udp(0, 0)
                .payload(494)
                .problem(Problem::TooLong),
        ),
        case(
            "extension_448_bytes_next_to_limit",
            long(448, OPTIONS, behind.clone()),
            Expected::ipv6()
                .udp(0, 0)
                .payload(510)
                .problem(Problem::TooLong),
        ),
        // The next one begins at 510 and would end at 518.
        case(
            "extension_456_bytes_next_past_limit",
            long(456, OPTIONS, behind),
            too_long(OPTIONS, 510),
        ),
        case(
            "extension_464_bytes_past_limit",
            long(464, UDP, datagram()),
            too_long(OPTIONS, 54),
        ),
        case(
            "extension_2048_bytes",
            long(2048, UDP, datagram()),
            too_long(OPTIONS, 54),
        ),
        // It does not have to be there to be too long.
        case(
            "extension_2048_bytes_cut",
            cut(long(2048, UDP, datagram()), 80),
            too_long(OPTIONS, 54),
        ),
        case(
            "extension_456_bytes_later_fragment_past_limit",
            long(456, 44, crate::frame::fragment(UDP, 1448, datagram())),
            too_long(44, 510),
        ),
    ]
}
