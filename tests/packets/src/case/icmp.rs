//! ICMP and ICMPv6: type and code, and nothing of what an error quotes.

use netweir_wire::packet::Problem;

use super::case;
use crate::{
    Case, Expected,
    frame::{ACK, cut, ethernet_ipv4, ethernet_ipv6, icmp, ipv4, ipv6, padded, tcp, udp},
};

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    [
        queries(),
        errors(),
        cuts(),
        queries_of_ipv6(),
        neighbours(),
        errors_of_ipv6(),
        cuts_of_ipv6(),
    ]
    .concat()
}

fn message(name: &'static str, kind: u8, code: u8, rest: &[u8]) -> Case {
    let bytes = ethernet_ipv4(ipv4(1).carrying(icmp(kind, code, rest)));
    case(name, bytes, Expected::ipv4().icmp(kind, code).payload(42))
}

fn queries() -> Vec<Case> {
    [
        ("icmp_echo_reply", 0, 4 + 56),
        ("icmp_echo_request", 8, 4 + 56),
        ("icmp_echo_request_empty", 8, 4),
        ("icmp_router_advertisement", 9, 12),
        ("icmp_router_solicitation", 10, 4),
        ("icmp_timestamp", 13, 16),
        ("icmp_timestamp_reply", 14, 16),
        ("icmp_address_mask", 17, 8),
        ("icmp_extended_echo_request", 42, 12),
        ("icmp_extended_echo_reply", 43, 4),
        ("icmp_experiment", 253, 4),
    ]
    .map(|(name, kind, rest)| message(name, kind, 0, &vec![0x5a; rest]))
    .to_vec()
}

/// Each quotes a TCP packet, whose ports are not this packet's.
fn errors() -> Vec<Case> {
    let quoted = ipv4(6).carrying(tcp(1234, 443, ACK));
    let rest = [&[0; 4], &quoted[..28]].concat();
    [
        ("icmp_net_unreachable", 3, 0),
        ("icmp_host_unreachable", 3, 1),
        ("icmp_port_unreachable", 3, 3),
        ("icmp_fragmentation_needed", 3, 4),
        ("icmp_prohibited", 3, 13),
        ("icmp_source_quench", 4, 0),
        ("icmp_redirect_host", 5, 1),
        ("icmp_time_exceeded", 11, 0),
        ("icmp_reassembly_time_exceeded", 11, 1),
        ("icmp_parameter_problem", 12, 0),
        ("icmp_code_255", 3, 255),
    ]
    .map(|(name, kind, code)| message(name, kind, code, &rest))
    .to_vec()
}

fn cuts() -> Vec<Case> {
    let whole = ethernet_ipv4(ipv4(1).carrying(icmp(8, 3, &[0; 4])));
    let truncated = Expected::ipv4()
        .payload(34)
        .problem(Problem::TransportTruncated);
    let at = |bytes: usize| cut(whole.clone(), 34 + bytes);
    let ended = padded(ethernet_ipv4(
        ipv4(1).total(21).carrying(icmp(8, 3, &[0; 4])),
    ));
    vec![
        case("icmp_cut_0", at(0), truncated.icmp(0, 0)),
        case("icmp_cut_1", at(1), truncated.icmp(0, 0)),
        case("icmp_cut_2", at(2), truncated.icmp(8, 3)),
        case("icmp_cut_7", at(7), truncated.icmp(8, 3)),
        case("icmp_ends_after_1", ended, truncated.icmp(0, 0)),
        // ICMP's number means nothing in IPv6, nor ICMPv6's in IPv4: they are counted, not read.
        case(
            "icmp_over_ipv6",
            ethernet_ipv6(ipv6(1).carrying(icmp(8, 3, &[0; 4]))),
            Expected::ipv6().icmp(0, 0).payload(54),
        ),
        case(
            "icmpv6_over_ipv4",
            ethernet_ipv4(ipv4(58).carrying(icmp(128, 3, &[0; 4]))),
            Expected::ipv4().icmpv6(0, 0).payload(34),
        ),
    ]
}

fn message_of_ipv6(name: &'static str, kind: u8, code: u8, rest: &[u8]) -> Case {
    let bytes = ethernet_ipv6(ipv6(58).carrying(icmp(kind, code, rest)));
    case(name, bytes, Expected::ipv6().icmpv6(kind, code).payload(58))
}

fn queries_of_ipv6() -> Vec<Case> {
    [
        ("icmpv6_echo_request", 128, 4 + 56),
        ("icmpv6_echo_reply", 129, 4 + 56),
        ("icmpv6_mld_query", 130, 20),
        ("icmpv6_mldv2_query", 130, 24),
        ("icmpv6_mld_report", 131, 20),
        ("icmpv6_mld_done", 132, 20),
        ("icmpv6_node_information", 139, 12),
        ("icmpv6_mldv2_report", 143, 24),
        ("icmpv6_mobile_prefix", 146, 4),
        ("icmpv6_extended_echo_request", 160, 12),
        // A solicitation of RPL has six bytes in all (RFC 6550 section 6.2).
        ("icmpv6_rpl_solicitation", 155, 2),
        ("icmpv6_header_only", 200, 0),
    ]
    .map(|(name, kind, rest)| message_of_ipv6(name, kind, 0, &vec![0x5a; rest]))
    .to_vec()
}

fn neighbours() -> Vec<Case> {
    [
        ("icmpv6_router_solicitation", 133, 4),
        ("icmpv6_router_advertisement", 134, 12),
        ("icmpv6_neighbour_solicitation", 135, 28),
        ("icmpv6_neighbour_advertisement", 136, 28),
        ("icmpv6_redirect", 137, 36),
    ]
    .map(|(name, kind, rest)| message_of_ipv6(name, kind, 0, &vec![0; rest]))
    .to_vec()
}

/// Each quotes a UDP packet, whose ports are not this packet's.
fn errors_of_ipv6() -> Vec<Case> {
    let quoted = ipv6(17).carrying(udp(1234, 443, &[0; 32]));
    let rest = [&[0; 4], &quoted[..]].concat();
    [
        ("icmpv6_no_route", 1, 0),
        ("icmpv6_prohibited", 1, 1),
        ("icmpv6_port_unreachable", 1, 4),
        ("icmpv6_packet_too_big", 2, 0),
        ("icmpv6_hop_limit_exceeded", 3, 0),
        ("icmpv6_parameter_problem", 4, 1),
    ]
    .map(|(name, kind, code)| message_of_ipv6(name, kind, code, &rest))
    .to_vec()
}

fn cuts_of_ipv6() -> Vec<Case> {
    let whole = ethernet_ipv6(ipv6(58).carrying(icmp(128, 5, &[0; 4])));
    let truncated = Expected::ipv6()
        .payload(54)
        .problem(Problem::TransportTruncated);
    vec![
        case(
            "icmpv6_cut_1",
            cut(whole.clone(), 55),
            truncated.icmpv6(0, 0),
        ),
        case(
            "icmpv6_cut_2",
            cut(whole.clone(), 56),
            truncated.icmpv6(128, 5),
        ),
        case("icmpv6_cut_3", cut(whole, 57), truncated.icmpv6(128, 5)),
    ]
}
