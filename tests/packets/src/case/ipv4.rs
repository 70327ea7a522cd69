//! IPv4 headers: options, lengths that contradict, marks.

use netweir_wire::packet::{Problem, ethertype};

use super::case;
use crate::{
    Case, Expected,
    frame::{Ipv4, SYN, cut, ethernet_ipv4, ipv4, ipv6, padded, tcp, udp},
};

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    [options(), versions(), lengths(), padding(), marks(), cuts()].concat()
}

fn syn(header: Ipv4) -> Vec<u8> {
    ethernet_ipv4(header.carrying(tcp(1234, 22, SYN)))
}

fn read() -> Expected {
    Expected::ipv4().tcp(1234, 22, SYN).payload(54)
}

fn options() -> Vec<Case> {
    let names = [
        "ipv4_tcp_syn",
        "ipv4_options_4",
        "ipv4_options_8",
        "ipv4_options_12",
        "ipv4_options_16",
        "ipv4_options_20",
        "ipv4_options_24",
        "ipv4_options_28",
        "ipv4_options_32",
        "ipv4_options_36",
        "ipv4_options_40",
    ];
    let with = |(words, name)| {
        // No operation, up to the end.
        let bytes = syn(ipv4(6).options(&vec![1; 4 * words]));
        case(name, bytes, read().payload(54 + 4 * words as u16))
    };
    names.into_iter().enumerate().map(with).collect()
}

fn versions() -> Vec<Case> {
    let malformed = Expected::frame(ethertype::IPV4).problem(Problem::NetworkMalformed);
    let first = |byte| syn(ipv4(6).first_byte(byte));
    vec![
        case("ipv4_header_length_0", first(0x40), malformed),
        case("ipv4_header_length_4", first(0x41), malformed),
        case("ipv4_header_length_16", first(0x44), malformed),
        case("ipv4_version_0", first(0x05), malformed),
        case("ipv4_version_5", first(0x55), malformed),
        case("ipv4_version_6", first(0x65), malformed),
        case("ipv4_version_15", first(0xff), malformed),
        case(
            "ipv6_announced_as_ipv4",
            ethernet_ipv4(ipv6(6).carrying(tcp(1234, 22, SYN))),
            malformed,
        ),
        // The options would be the TCP header and more: the total length does not allow it.
        case(
            "ipv4_header_length_past_total",
            first(0x4f),
            Expected::ipv4()
                .tcp(0, 0, 0)
                .payload(14)
                .problem(Problem::NetworkMalformed),
        ),
    ]
}

fn lengths() -> Vec<Case> {
    let bare = Expected::ipv4().tcp(0, 0, 0);
    let malformed = bare.payload(14).problem(Problem::NetworkMalformed);
    let truncated = bare.payload(34).problem(Problem::TransportTruncated);
    vec![
        // Left out by segmentation offload and BIG TCP: the frame's own end counts.
        case("ipv4_total_0", syn(ipv4(6).total(0)), read()),
        case("ipv4_total_1", syn(ipv4(6).total(1)), malformed),
        case("ipv4_total_19", syn(ipv4(6).total(19)), malformed),
        case("ipv4_total_20", syn(ipv4(6).total(20)), truncated),
        case(
            "ipv4_total_39",
            syn(ipv4(6).total(39)),
            Expected::ipv4()
                .tcp(1234, 22, SYN)
                .payload(34)
                .problem(Problem::TransportTruncated),
        ),
        case("ipv4_total_41", syn(ipv4(6).total(41)), read()),
        case("ipv4_total_1500", syn(ipv4(6).total(1500)), read()),
        case("ipv4_total_65535", syn(ipv4(6).total(65535)), read()),
        case(
            "ipv4_options_total_in_options",
            syn(ipv4(6).options(&[1; 8]).total(24)),
            malformed,
        ),
        case(
            "ipv4_options_total_at_options_end",
            syn(ipv4(6).options(&[1; 8]).total(28)),
            truncated.payload(42),
        ),
    ]
}

/// What lies behind the total length is Ethernet's padding, and never a header.
fn padding() -> Vec<Case> {
    let datagram = |total| {
        let header = ipv4(17).total(total);
        padded(ethernet_ipv4(header.carrying(udp(1234, 5678, &[0xee; 18]))))
    };
    let cut_short = Expected::ipv4()
        .payload(34)
        .problem(Problem::TransportTruncated);
    vec![
        case("ipv4_padding_total_20", datagram(20), cut_short.udp(0, 0)),
        case("ipv4_padding_total_21", datagram(21), cut_short.udp(0, 0)),
        case("ipv4_padding_total_23", datagram(23), cut_short.udp(0, 0)),
        case(
            "ipv4_padding_total_24",
            datagram(24),
            cut_short.udp(1234, 5678),
        ),
        case(
            "ipv4_padding_total_27",
            datagram(27),
            cut_short.udp(1234, 5678),
        ),
        case(
            "ipv4_padding_total_28",
            datagram(28),
            Expected::ipv4().udp(1234, 5678).payload(42),
        ),
        case("ipv4_padded_60", padded(syn(ipv4(6))), read()),
    ]
}

fn marks() -> Vec<Case> {
    let class = |byte| syn(ipv4(6).traffic_class(byte));
    vec![
        case("ipv4_may_fragment", syn(ipv4(6).fragment(0)), read()),
        // RFC 3514.
        case("ipv4_evil_bit", syn(ipv4(6).fragment(0x8000)), read()),
        case("ipv4_evil_bit_df", syn(ipv4(6).fragment(0xc000)), read()),
        case("ipv4_dscp_ef", class(0xb8), read().traffic_class(0xb8)),
        case("ipv4_ecn_ce", class(0x03), read().traffic_class(0x03)),
        case("ipv4_ecn_ect1", class(0x01), read().traffic_class(0x01)),
        case(
            "ipv4_traffic_class_255",
            class(0xff),
            read().traffic_class(0xff),
        ),
        case("ipv4_time_to_live_0", syn(ipv4(6).time_to_live(0)), read()),
        case(
            "ipv4_time_to_live_255",
            syn(ipv4(6).time_to_live(255)),
            read(),
        ),
    ]
}

fn cuts() -> Vec<Case> {
    let whole = syn(ipv4(6).options(&[1; 40]));
    let none = Expected::frame(ethertype::IPV4).problem(Problem::NetworkTruncated);
    let options = Expected::ipv4()
        .tcp(0, 0, 0)
        .payload(14)
        .problem(Problem::NetworkTruncated);
    let transport = options.payload(74).problem(Problem::TransportTruncated);
    vec![
        case("ipv4_cut_1", cut(whole.clone(), 15), none),
        case("ipv4_cut_19", cut(whole.clone(), 33), none),
        case("ipv4_cut_before_options", cut(whole.clone(), 34), options),
        case("ipv4_cut_in_options", cut(whole.clone(), 73), options),
        case("ipv4_cut_behind_options", cut(whole, 74), transport),
        case(
            "ipv4_cut_in_options_gre",
            cut(
                ethernet_ipv4(ipv4(47).options(&[1; 8]).carrying([0; 8])),
                40,
            ),
            options.protocol(47),
        ),
    ]
}
