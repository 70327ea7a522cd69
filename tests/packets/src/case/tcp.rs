//! TCP: flags, options, data offsets, cuts.

use netweir_wire::{map::Class, packet::Problem};

use super::case;
use crate::{
    Case, Expected,
    frame::{
        ACK, FIN, PSH, SYN, cut, ethernet_ipv4, ethernet_ipv6, ipv4, ipv6, patched, tcp,
        tcp_with_options,
    },
};

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    [
        flags(),
        applications(),
        options(),
        offsets(),
        cuts(),
        short(),
    ]
    .concat()
}

fn over_ipv4(segment: impl AsRef<[u8]>) -> Vec<u8> {
    ethernet_ipv4(ipv4(6).carrying(segment))
}

fn flags() -> Vec<Case> {
    let combined = [
        ("tcp_no_flags", 0x000),
        ("tcp_syn_ack", SYN | ACK),
        ("tcp_fin_psh_ack", FIN | PSH | ACK),
        ("tcp_all_flags", 0xfff),
    ];
    // Each alone, from the lowest bit; the ninth is AE, the last three are reserved.
    let names = [
        "tcp_fin",
        "tcp_syn",
        "tcp_rst",
        "tcp_psh",
        "tcp_ack",
        "tcp_urg",
        "tcp_ece",
        "tcp_cwr",
        "tcp_ae",
        "tcp_reserved_9",
        "tcp_reserved_10",
        "tcp_reserved_11",
    ];
    let single = names
        .into_iter()
        .enumerate()
        .map(|(bit, name)| (name, 1 << bit));
    single
        .chain(combined)
        .map(|(name, flags)| {
            let expected = Expected::ipv4().tcp(4000, 5000, flags).payload(54);
            case(name, over_ipv4(tcp(4000, 5000, flags)), expected)
        })
        .collect()
}

fn applications() -> Vec<Case> {
    [
        ("tcp_http", 1234, 80, Class::Http),
        ("tcp_http_answer", 80, 1234, Class::Http),
        ("tcp_http_8080", 1234, 8080, Class::Http),
        ("tcp_https", 1234, 443, Class::Https),
        ("tcp_https_answer", 443, 1234, Class::Https),
        ("tcp_http_and_https", 443, 80, Class::Http),
        ("tcp_8443_is_quic_only", 1234, 8443, Class::None),
        ("tcp_port_0", 0, 0, Class::None),
        ("tcp_port_65535", 65535, 65535, Class::None),
    ]
    .map(|(name, source, destination, class)| {
        let expected = Expected::ipv4().tcp(source, destination, ACK).payload(54);
        let bytes = over_ipv4(tcp(source, destination, ACK));
        case(name, bytes, expected.application(class))
    })
    .to_vec()
}

fn options() -> Vec<Case> {
    // Maximum segment size, SACK permitted, timestamps, no operation, window scale.
    let usual = [
        2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7,
    ];
    let syn = Expected::ipv4()
        .tcp(1234, 443, SYN)
        .application(Class::Https);
    let data = [&tcp_with_options((1234, 443), SYN, &usual)[..], b"payload"].concat();
    vec![
        case(
            "tcp_options_20",
            over_ipv4(tcp_with_options((1234, 443), SYN, &usual)),
            syn.payload(74),
        ),
        case("tcp_options_20_data", over_ipv4(data), syn.payload(74)),
        case(
            "tcp_options_40",
            over_ipv4(tcp_with_options((1234, 443), SYN, &[1; 40])),
            syn.payload(94),
        ),
        case(
            "ipv6_tcp_options_20",
            ethernet_ipv6(ipv6(6).carrying(tcp_with_options((1234, 443), SYN, &usual))),
            Expected::ipv6()
                .tcp(1234, 443, SYN)
                .application(Class::Https)
                .payload(94),
        ),
        // A capture may end inside the options: nothing of them is asked for.
        case(
            "tcp_options_cut_by_capture",
            cut(over_ipv4(tcp_with_options((1234, 443), SYN, &usual)), 60),
            syn.payload(74),
        ),
    ]
}

fn offsets() -> Vec<Case> {
    let with = |offset: u8, rest: &[u8]| {
        let header = patched(tcp(1234, 22, ACK), 12, &[offset << 4]);
        over_ipv4([&header[..], rest].concat())
    };
    let read = Expected::ipv4().tcp(1234, 22, ACK).payload(54);
    let beyond = read.payload(34).problem(Problem::TransportTruncated);
    vec![
        // Less than the header that was just read: its fixed part is taken for all of it.
        case("tcp_data_offset_0", with(0, &[]), read),
        case("tcp_data_offset_4", with(4, &[]), read),
        case("tcp_data_offset_6_beyond", with(6, &[]), beyond),
        case("tcp_data_offset_6_beyond_by_1", with(6, &[0; 3]), beyond),
        case("tcp_data_offset_6_fits", with(6, &[0; 4]), read.payload(58)),
        case("tcp_data_offset_15_beyond", with(15, &[0; 39]), beyond),
    ]
}

/// Cut by the capture: the IP header still tells the whole length.
fn cuts() -> Vec<Case> {
    let whole = over_ipv4(tcp_with_options((1234, 22), SYN, &[1; 12]));
    let at = |bytes: usize| cut(whole.clone(), 34 + bytes);
    let truncated = Expected::ipv4()
        .payload(34)
        .problem(Problem::TransportTruncated);
    let nothing = truncated.tcp(0, 0, 0);
    let ports = truncated.tcp(1234, 22, 0);
    let flags = truncated.tcp(1234, 22, SYN);
    vec![
        case("tcp_cut_0", at(0), nothing),
        case("tcp_cut_3", at(3), nothing),
        case("tcp_cut_after_ports", at(4), ports),
        case("tcp_cut_13", at(13), ports),
        case("tcp_cut_after_flags", at(14), flags),
        case("tcp_cut_19", at(19), flags),
    ]
}

/// Ended by the IP header: the frame has more bytes, but they are padding.
fn short() -> Vec<Case> {
    let of = |total| ethernet_ipv4(ipv4(6).total(total).carrying(tcp(1234, 22, SYN)));
    let truncated = Expected::ipv4()
        .payload(34)
        .problem(Problem::TransportTruncated);
    vec![
        case("tcp_ends_after_3", of(23), truncated.tcp(0, 0, 0)),
        case("tcp_ends_after_ports", of(24), truncated.tcp(1234, 22, 0)),
        case("tcp_ends_after_flags", of(34), truncated.tcp(1234, 22, SYN)),
    ]
}
