//! Frames that do not begin with an Ethernet header.

use netweir_wire::packet::{LinkType, Problem, ethertype};

use super::on;
use crate::{
    Case, Expected,
    frame::{SOURCE_MAC, SYN, cut, ipv4, ipv6, linux_sll, linux_sll2, null, patched, tcp, vlan},
};

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    [raw(), families(), cooked(), cooked2(), ppp(), ppp_others()].concat()
}

fn v4() -> Vec<u8> {
    ipv4(6).carrying(tcp(1234, 22, SYN))
}

fn v6() -> Vec<u8> {
    ipv6(6).carrying(tcp(1234, 22, SYN))
}

/// The IPv4 packet behind a link header of so many bytes.
fn read4(link_bytes: u16) -> Expected {
    let expected = Expected::ipv4().tcp(1234, 22, SYN).no_macs();
    expected.payload(link_bytes + 40)
}

/// The IPv6 packet behind a link header of so many bytes.
fn read6(link_bytes: u16) -> Expected {
    let expected = Expected::ipv6().tcp(1234, 22, SYN).no_macs();
    expected.payload(link_bytes + 60)
}

/// Something other behind a link header of so many bytes.
fn other(ethertype: u16, link_bytes: u16) -> Expected {
    Expected::frame(ethertype).no_macs().payload(link_bytes)
}

/// The link header is not whole.
fn runt() -> Expected {
    other(ethertype::UNKNOWN, 0).problem(Problem::LinkTruncated)
}

fn raw() -> Vec<Case> {
    let malformed = other(ethertype::UNKNOWN, 0).problem(Problem::NetworkMalformed);
    let truncated = |ethertype| other(ethertype, 0).problem(Problem::NetworkTruncated);
    [
        ("ip_v4", v4(), read4(0)),
        ("ip_v6", v6(), read6(0)),
        ("ip_empty", vec![], runt()),
        ("ip_v4_cut_1", cut(v4(), 1), runt()),
        ("ip_v6_cut_39", cut(v6(), 39), truncated(ethertype::IPV6)),
        ("ip_version_0", vec![0; 60], malformed),
        ("ip_version_5", vec![0x55; 60], malformed),
        ("ip_version_15", vec![0xff; 60], malformed),
        (
            "ip_v4_header_length_0",
            patched(v4(), 0, &[0x40]),
            malformed_ipv4(),
        ),
    ]
    .map(|(name, bytes, expected)| on(LinkType::Ip, name, bytes, expected))
    .to_vec()
}

/// The version is that of IPv4, the rest is not.
fn malformed_ipv4() -> Expected {
    other(ethertype::IPV4, 0).problem(Problem::NetworkMalformed)
}

fn families() -> Vec<Case> {
    [
        ("null_ipv4_little", null([2, 0, 0, 0], v4()), read4(4)),
        ("null_ipv4_big", null([0, 0, 0, 2], v4()), read4(4)),
        ("null_ipv6_netbsd", null([24, 0, 0, 0], v6()), read6(4)),
        ("null_ipv6_freebsd", null([28, 0, 0, 0], v6()), read6(4)),
        ("null_ipv6_freebsd_big", null([0, 0, 0, 28], v6()), read6(4)),
        ("null_ipv6_macos", null([30, 0, 0, 0], v6()), read6(4)),
        ("null_ipv6_macos_big", null([0, 0, 0, 30], v6()), read6(4)),
        ("null_ipv6_linux", null([10, 0, 0, 0], v6()), read6(4)),
        ("null_family_0", null([0; 4], v4()), other(0, 4)),
        (
            "null_family_appletalk",
            null([16, 0, 0, 0], v4()),
            other(0, 4),
        ),
        ("null_family_huge", null([2, 0, 0, 1], v4()), other(0, 4)),
        ("null_empty", vec![], runt()),
        ("null_cut_3", vec![2, 0, 0], runt()),
        (
            "null_ipv4_says_ipv6",
            null([2, 0, 0, 0], v6()),
            malformed_ipv4().payload(4),
        ),
    ]
    .map(|(name, bytes, expected)| on(LinkType::Null, name, bytes, expected))
    .to_vec()
}

fn cooked() -> Vec<Case> {
    let from = |expected: Expected| expected.macs(SOURCE_MAC, [0; 6]);
    let sll = |ethertype, payload: Vec<u8>| linux_sll(ethertype, payload);
    let tagged = vlan(100, ethertype::IPV4, v4());
    // A tun device has no address.
    let tun = patched(sll(ethertype::IPV4, v4()), 2, &[0xff, 0xfe, 0, 0]);
    [
        ("sll_ipv4", sll(ethertype::IPV4, v4()), from(read4(16))),
        ("sll_ipv6", sll(ethertype::IPV6, v6()), from(read6(16))),
        (
            "sll_arp",
            sll(ethertype::ARP, vec![0; 28]),
            from(other(ethertype::ARP, 16)),
        ),
        (
            "sll_vlan_ipv4",
            sll(ethertype::VLAN, tagged),
            from(read4(20)).tags(&[100]),
        ),
        // Frames of IEEE 802.2 have the number 4 in the place of an ethertype.
        (
            "sll_llc",
            sll(4, vec![0x42; 38]),
            from(other(ethertype::IEEE_802_3, 16)),
        ),
        ("sll_tun_ipv4", tun, read4(16)),
        ("sll_empty", vec![], runt()),
        ("sll_cut_15", cut(sll(ethertype::IPV4, v4()), 15), runt()),
        (
            "sll_cut_16",
            cut(sll(ethertype::IPV4, v4()), 16),
            from(other(ethertype::IPV4, 16)).problem(Problem::NetworkTruncated),
        ),
    ]
    .map(|(name, bytes, expected)| on(LinkType::LinuxSll, name, bytes, expected))
    .to_vec()
}

fn cooked2() -> Vec<Case> {
    let from = |expected: Expected| expected.macs(SOURCE_MAC, [0; 6]);
    let sll2 = |ethertype, payload: Vec<u8>| linux_sll2(ethertype, payload);
    let tagged = vlan(100, ethertype::IPV6, v6());
    let tun = patched(sll2(ethertype::IPV4, v4()), 11, &[0]);
    [
        ("sll2_ipv4", sll2(ethertype::IPV4, v4()), from(read4(20))),
        ("sll2_ipv6", sll2(ethertype::IPV6, v6()), from(read6(20))),
        (
            "sll2_arp",
            sll2(ethertype::ARP, vec![0; 28]),
            from(other(ethertype::ARP, 20)),
        ),
        (
            "sll2_vlan_ipv6",
            sll2(ethertype::VLAN, tagged),
            from(read6(24)).tags(&[100]),
        ),
        ("sll2_tun_ipv4", tun, read4(20)),
        ("sll2_empty", vec![], runt()),
        ("sll2_cut_18", cut(sll2(ethertype::IPV4, v4()), 18), runt()),
        ("sll2_cut_19", cut(sll2(ethertype::IPV4, v4()), 19), runt()),
    ]
    .map(|(name, bytes, expected)| on(LinkType::LinuxSll2, name, bytes, expected))
    .to_vec()
}

fn framed(header: &[u8], packet: &[u8]) -> Vec<u8> {
    [header, packet].concat()
}

fn ppp() -> Vec<Case> {
    [
        (
            "ppp_framed_ipv4",
            framed(&[0xff, 0x03, 0x00, 0x21], &v4()),
            read4(4),
        ),
        (
            "ppp_framed_ipv6",
            framed(&[0xff, 0x03, 0x00, 0x57], &v6()),
            read6(4),
        ),
        ("ppp_ipv4", framed(&[0x00, 0x21], &v4()), read4(2)),
        ("ppp_ipv6", framed(&[0x00, 0x57], &v6()), read6(2)),
        (
            "ppp_framed_compressed_ipv4",
            framed(&[0xff, 0x03, 0x21], &v4()),
            read4(3),
        ),
        ("ppp_compressed_ipv4", framed(&[0x21], &v4()), read4(1)),
        ("ppp_compressed_ipv6", framed(&[0x57], &v6()), read6(1)),
    ]
    .map(|(name, bytes, expected)| on(LinkType::Ppp, name, bytes, expected))
    .to_vec()
}

fn ppp_others() -> Vec<Case> {
    [
        // Link control, IPv6 control.
        (
            "ppp_lcp",
            framed(&[0xff, 0x03, 0xc0, 0x21], &[1, 1, 0, 4]),
            other(0, 4),
        ),
        (
            "ppp_ipv6cp",
            framed(&[0x80, 0x57], &[1, 1, 0, 4]),
            other(0, 2),
        ),
        (
            "ppp_mpls",
            framed(&[0x02, 0x81], &v4()),
            other(ethertype::MPLS, 2),
        ),
        (
            "ppp_mpls_multicast",
            framed(&[0x02, 0x83], &v4()),
            other(ethertype::MPLS_MULTICAST, 2),
        ),
        ("ppp_empty", vec![], runt()),
        ("ppp_cut_1", vec![0x00], runt()),
        ("ppp_framed_cut_1", vec![0xff], runt()),
        ("ppp_framed_cut_2", vec![0xff, 0x03], runt()),
        ("ppp_framed_cut_3", vec![0xff, 0x03, 0x00], runt()),
    ]
    .map(|(name, bytes, expected)| on(LinkType::Ppp, name, bytes, expected))
    .to_vec()
}
