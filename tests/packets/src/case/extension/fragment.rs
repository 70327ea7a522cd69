//! Fragments of IPv6.

use netweir_wire::packet::Problem;

use super::{FRAGMENT, HOP, OPTIONS, PAD, UDP, datagram, frame, read};
use crate::{
    Case, Expected,
    case::case,
    frame::{cut, extension, fragment, tcp},
};

/// The mark of a fragment that others follow.
const MORE: u16 = 1;

pub(super) fn cases() -> Vec<Case> {
    [first(), later(), nested(), cuts()].concat()
}

fn first() -> Vec<Case> {
    let inside = extension(UDP, &PAD, datagram());
    let tiny = fragment(6, MORE, &tcp(1234, 22, 2)[..8]);
    vec![
        case(
            "ipv6_fragment_first",
            frame(FRAGMENT, fragment(UDP, MORE, datagram())),
            read(8).first(),
        ),
        // Two reserved bits stand between offset and mark (RFC 8200 section 4.5).
        case(
            "ipv6_fragment_first_reserved_bits",
            frame(FRAGMENT, fragment(UDP, MORE | 6, datagram())),
            read(8).first(),
        ),
        case(
            "ipv6_fragment_atomic_reserved_bits",
            frame(FRAGMENT, fragment(UDP, 6, datagram())),
            read(8),
        ),
        case(
            "ipv6_fragment_first_extension_inside",
            frame(FRAGMENT, fragment(OPTIONS, MORE, inside)),
            read(16).first(),
        ),
        case(
            "ipv6_fragment_first_tiny_tcp",
            frame(FRAGMENT, tiny),
            Expected::ipv6()
                .tcp(1234, 22, 0)
                .first()
                .payload(62)
                .problem(Problem::TransportTruncated),
        ),
        case(
            "ipv6_fragment_first_ends_in_chain",
            frame(
                FRAGMENT,
                fragment(OPTIONS, MORE, &extension(UDP, &[0; 14], [])[..8]),
            ),
            Expected::ipv6()
                .protocol(OPTIONS)
                .first()
                .payload(62)
                .problem(Problem::ExtensionTruncated),
        ),
    ]
}

/// Their next header is the first of the datagram, which is not in them.
fn later() -> Vec<Case> {
    let expected = Expected::ipv6().udp(0, 0).later().payload(62);
    let of = |next, field| frame(FRAGMENT, fragment(next, field, datagram()));
    let behind = extension(FRAGMENT, &PAD, fragment(UDP, 1448, datagram()));
    vec![
        case("ipv6_fragment_later", of(UDP, 1448 | MORE), expected),
        case("ipv6_fragment_last", of(UDP, 2896), expected),
        case("ipv6_fragment_offset_8", of(UDP, 8), expected),
        case("ipv6_fragment_offset_65528", of(UDP, 0xfff8), expected),
        case(
            "ipv6_fragment_later_extension",
            of(OPTIONS, 1448),
            expected.protocol(OPTIONS),
        ),
        case(
            "ipv6_fragment_later_behind_hop_by_hop",
            frame(HOP, behind),
            expected.payload(70),
        ),
        case(
            "ipv6_fragment_later_icmpv6",
            of(58, 1448),
            Expected::ipv6().icmpv6(0, 0).later().payload(62),
        ),
    ]
}

/// Two fragment headers: the packet is as fragmented as the more fragmented of them.
fn nested() -> Vec<Case> {
    let two = |outer, inner| {
        let inside = fragment(UDP, inner, datagram());
        frame(FRAGMENT, fragment(FRAGMENT, outer, inside))
    };
    vec![
        case(
            "ipv6_fragment_first_then_atomic",
            two(MORE, 0),
            read(16).first(),
        ),
        case(
            "ipv6_fragment_atomic_then_first",
            two(0, MORE),
            read(16).first(),
        ),
        case(
            "ipv6_fragment_first_then_later",
            two(MORE, 1448),
            Expected::ipv6().udp(0, 0).later().payload(70),
        ),
        case(
            "ipv6_fragment_later_then_first",
            two(1448, MORE),
            Expected::ipv6().protocol(FRAGMENT).later().payload(62),
        ),
    ]
}

fn cuts() -> Vec<Case> {
    let whole = frame(FRAGMENT, fragment(UDP, 1448, datagram()));
    let truncated = Expected::ipv6()
        .protocol(FRAGMENT)
        .payload(54)
        .problem(Problem::ExtensionTruncated);
    vec![
        case("ipv6_fragment_cut_0", cut(whole.clone(), 54), truncated),
        case("ipv6_fragment_cut_4", cut(whole.clone(), 58), truncated),
        case("ipv6_fragment_cut_7", cut(whole, 61), truncated),
    ]
}
