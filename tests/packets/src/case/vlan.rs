//! VLAN tags: one to five, of each kind, cut, and in front of everything.

use netweir_wire::{
    map::Class,
    packet::{Problem, ethertype},
};

use super::case;
use crate::{
    Case, Expected,
    frame::{SYN, cut, ethernet, icmp, ipv4, ipv6, tcp, udp, vlan},
};

const VLAN: u16 = ethertype::VLAN;
const SERVICE: u16 = ethertype::SERVICE_VLAN;
const QINQ: u16 = ethertype::QINQ;

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    [
        kinds(),
        stacks(),
        identifiers(),
        cuts(),
        carried(),
        carried_ip(),
    ]
    .concat()
}

fn syn() -> Vec<u8> {
    ipv4(6).carrying(tcp(1234, 22, SYN))
}

fn expected(tags: &[u16]) -> Expected {
    let payload = 54 + 4 * tags.len() as u16;
    Expected::ipv4()
        .tcp(1234, 22, SYN)
        .tags(tags)
        .payload(payload)
}

/// A frame of which `outer` announces the first tag.
fn tagged(outer: u16, tags: Vec<u8>) -> Vec<u8> {
    ethernet(outer, tags)
}

fn kinds() -> Vec<Case> {
    [
        ("vlan_8100_ipv4_tcp_syn", VLAN),
        ("vlan_88a8_ipv4_tcp_syn", SERVICE),
        ("vlan_9100_ipv4_tcp_syn", QINQ),
    ]
    .map(|(name, kind)| {
        let bytes = tagged(kind, vlan(100, ethertype::IPV4, syn()));
        case(name, bytes, expected(&[100]))
    })
    .to_vec()
}

fn stacks() -> Vec<Case> {
    let one = vlan(100, ethertype::IPV4, syn());
    let two = vlan(200, VLAN, one);
    let three = vlan(300, VLAN, two.clone());
    let four = vlan(400, SERVICE, three.clone());
    let five = vlan(500, VLAN, four.clone());
    let too_many = Expected::frame(VLAN)
        .tags(&[500, 400, 300, 200])
        .payload(30)
        .problem(Problem::TooManyTags);
    vec![
        case(
            "vlan_qinq_ipv4_tcp_syn",
            tagged(SERVICE, two.clone()),
            expected(&[200, 100]),
        ),
        case(
            "vlan_9100_8100_ipv4_tcp_syn",
            tagged(QINQ, two.clone()),
            expected(&[200, 100]),
        ),
        case(
            "vlan_8100_8100_ipv4_tcp_syn",
            tagged(VLAN, two),
            expected(&[200, 100]),
        ),
        case(
            "vlan_three_tags",
            tagged(SERVICE, three),
            expected(&[300, 200, 100]),
        ),
        case(
            "vlan_four_tags",
            tagged(VLAN, four),
            expected(&[400, 300, 200, 100]),
        ),
        case("vlan_five_tags", tagged(VLAN, five), too_many),
    ]
}

fn identifiers() -> Vec<Case> {
    [
        // Only a priority (IEEE 802.1Q, 9.6).
        ("vlan_priority_tag", 0xa000),
        ("vlan_untagged_0", 0x0000),
        ("vlan_drop_eligible", 0x1064),
        ("vlan_priority_7", 0xe064),
        ("vlan_reserved_4095", 0x0fff),
        ("vlan_all_ones", 0xffff),
    ]
    .map(|(name, tci)| {
        let bytes = tagged(VLAN, vlan(tci, ethertype::IPV4, syn()));
        case(name, bytes, expected(&[tci]))
    })
    .to_vec()
}

fn cuts() -> Vec<Case> {
    let two = tagged(SERVICE, vlan(200, VLAN, vlan(100, ethertype::IPV4, syn())));
    let first = Expected::frame(SERVICE).problem(Problem::TagTruncated);
    let second = Expected::frame(VLAN)
        .tags(&[200])
        .payload(18)
        .problem(Problem::TagTruncated);
    let network = Expected::frame(ethertype::IPV4)
        .tags(&[200, 100])
        .payload(22)
        .problem(Problem::NetworkTruncated);
    vec![
        case("vlan_cut_before_tag", cut(two.clone(), 14), first),
        case("vlan_cut_in_tag", cut(two.clone(), 17), first),
        case("vlan_cut_before_second_tag", cut(two.clone(), 18), second),
        case("vlan_cut_in_second_tag", cut(two.clone(), 21), second),
        case("vlan_cut_before_ipv4", cut(two.clone(), 22), network),
        case("vlan_cut_in_ipv4", cut(two, 41), network),
    ]
}

fn carried() -> Vec<Case> {
    [
        ("vlan_arp", ethertype::ARP),
        ("vlan_lldp", ethertype::LLDP),
        ("vlan_mpls", ethertype::MPLS),
        ("vlan_pppoe_session", ethertype::PPPOE_SESSION),
        ("vlan_unknown", 0x1234),
    ]
    .map(|(name, found)| {
        let bytes = tagged(VLAN, vlan(7, found, syn()));
        case(name, bytes, Expected::frame(found).tags(&[7]).payload(18))
    })
    .to_vec()
}

fn carried_ip() -> Vec<Case> {
    let echo = ipv6(58).carrying(icmp(128, 0, &[0; 4]));
    let later = ipv4(17).fragment(0x2001).carrying([0x11; 16]);
    let quic = ipv4(17).carrying(udp(50000, 443, &[0xc0; 32]));
    let quic_expected = Expected::ipv4()
        .udp(50000, 443)
        .application(Class::QuicCandidate);
    let with = |ethertype, payload| tagged(VLAN, vlan(7, ethertype, payload));
    let frame = |ethertype| Expected::frame(ethertype).tags(&[7]).payload(18);
    vec![
        case(
            "vlan_ipv6_echo",
            with(ethertype::IPV6, echo),
            Expected::ipv6().icmpv6(128, 0).tags(&[7]).payload(62),
        ),
        case(
            "vlan_ipv4_later",
            with(ethertype::IPV4, later),
            Expected::ipv4().udp(0, 0).later().tags(&[7]).payload(38),
        ),
        case(
            "vlan_ipv4_quic",
            with(ethertype::IPV4, quic),
            quic_expected.tags(&[7]).payload(46),
        ),
        case(
            "vlan_ipv4_malformed",
            with(ethertype::IPV4, vec![0x41; 46]),
            frame(ethertype::IPV4).problem(Problem::NetworkMalformed),
        ),
        case(
            "vlan_length_frame",
            with(46, vec![0x42; 46]),
            frame(ethertype::IEEE_802_3),
        ),
    ]
}
