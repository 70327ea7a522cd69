//! Several extension headers: in order, repeated, to the limit and past it.

use netweir_wire::packet::Problem;

use super::{AH, FRAGMENT, HOP, OPTIONS, PAD, ROUTING, UDP, datagram, frame, read};
use crate::{
    Case, Expected,
    case::case,
    frame::{ah, extension, fragment},
};

pub(super) fn cases() -> Vec<Case> {
    [ordered(), counted()].concat()
}

fn ordered() -> Vec<Case> {
    // From the last to the first (RFC 8200 section 4.1).
    let options = extension(UDP, &PAD, datagram());
    let authenticated = ah(OPTIONS, 12, &options);
    let atomic = fragment(AH, 0, authenticated);
    let routed = extension(FRAGMENT, &[0; 6], atomic);
    let first_options = extension(ROUTING, &PAD, routed);
    let recommended = extension(OPTIONS, &PAD, first_options);
    let encrypted = extension(OPTIONS, &PAD, extension(50, &PAD, [0xee; 32]));
    // Hop-by-hop belongs first, but is walked wherever it stands.
    let hop_late = extension(HOP, &PAD, extension(UDP, &PAD, datagram()));
    vec![
        case("chain_recommended_order", frame(HOP, recommended), read(64)),
        case(
            "chain_ends_in_esp",
            frame(HOP, encrypted),
            Expected::ipv6().protocol(50).payload(70),
        ),
        case("chain_hop_by_hop_late", frame(OPTIONS, hop_late), read(16)),
        case(
            "chain_options_mobility",
            frame(OPTIONS, extension(135, &PAD, extension(59, &[0; 14], []))),
            Expected::ipv6().protocol(135).payload(78),
        ),
        case(
            "chain_ends_in_tunnel",
            frame(OPTIONS, extension(41, &PAD, frame(UDP, datagram()))),
            Expected::ipv6().protocol(41).payload(62),
        ),
    ]
}

/// Destination options so many times, then `last` and what it carries.
fn repeated(times: usize, last: u8, carried: Vec<u8>) -> Vec<u8> {
    let chain = (0..times).fold((last, carried), |(next, bytes), _| {
        (OPTIONS, extension(next, &PAD, bytes))
    });
    frame(chain.0, chain.1)
}

fn counted() -> Vec<Case> {
    let too_many = Expected::ipv6()
        .payload(118)
        .problem(Problem::TooManyExtensions);
    let mobility = extension(59, &PAD, []);
    vec![
        case("chain_2_repeated", repeated(2, UDP, datagram()), read(16)),
        case("chain_7_repeated", repeated(7, UDP, datagram()), read(56)),
        case("chain_8_limit", repeated(8, UDP, datagram()), read(64)),
        case(
            "chain_8_no_next_header",
            repeated(8, 59, vec![]),
            Expected::ipv6().protocol(59).payload(118),
        ),
        case(
            "chain_8_mobility_last",
            repeated(7, 135, mobility.clone()),
            Expected::ipv6().protocol(135).payload(118),
        ),
        case(
            "chain_9",
            repeated(9, UDP, datagram()),
            too_many.protocol(OPTIONS),
        ),
        case(
            "chain_9_fragment_last",
            repeated(8, FRAGMENT, fragment(UDP, 0, datagram())),
            too_many.protocol(FRAGMENT),
        ),
        case(
            "chain_9_mobility_last",
            repeated(8, 135, mobility),
            too_many.protocol(135),
        ),
    ]
}
