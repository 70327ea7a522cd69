//! Ethernet frames that carry no IP, and those that are too short to carry anything.

use netweir_wire::packet::{Problem, ethertype};

use super::case;
use crate::{
    Case, Expected,
    frame::{SYN, cut, ethernet, ethernet_ipv4, ethernet_to, ipv4, length_frame, padded, tcp},
};

/// What is left of a frame without a whole Ethernet header.
fn runt() -> Expected {
    Expected::frame(ethertype::UNKNOWN)
        .no_macs()
        .payload(0)
        .problem(Problem::LinkTruncated)
}

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    [runts(), lengths(), types(), carriers(), unnamed()].concat()
}

fn runts() -> Vec<Case> {
    let whole = ethernet_ipv4(ipv4(6).carrying(tcp(1234, 80, SYN)));
    let no_header = Expected::frame(ethertype::IPV4).problem(Problem::NetworkTruncated);
    vec![
        case("runt_0", vec![], runt()),
        case("runt_1", cut(whole.clone(), 1), runt()),
        case("runt_12", cut(whole.clone(), 12), runt()),
        case("runt_13", cut(whole.clone(), 13), runt()),
        case("runt_14_ipv4", cut(whole.clone(), 14), no_header),
        case("runt_15_ipv4", cut(whole, 15), no_header),
        case(
            "runt_14_arp",
            ethernet(ethertype::ARP, []),
            Expected::frame(ethertype::ARP),
        ),
    ]
}

fn lengths() -> Vec<Case> {
    let expected = Expected::frame(ethertype::IEEE_802_3);
    let spanning_tree = [0x42, 0x42, 0x03, 0, 0, 0, 0, 0, 0x80, 0];
    let packet = ipv4(6).carrying(tcp(1234, 80, SYN));
    // LLC with SNAP may announce IPv4 (RFC 1042); what is behind a length is not entered.
    let snap = [&[0xaa, 0xaa, 0x03, 0, 0, 0, 0x08, 0x00], &packet[..]].concat();
    vec![
        case("length_0", ethernet(0, []), expected),
        case("length_llc_stp", length_frame(&spanning_tree), expected),
        case(
            "length_llc_stp_padded",
            padded(length_frame(&spanning_tree)),
            expected,
        ),
        case("length_snap_ipv4", length_frame(&snap), expected),
        case("length_ipx_raw", length_frame(&[0xff; 46]), expected),
        case("length_1500", length_frame(&[0x42; 1500]), expected),
        // Neither a length nor an ethertype (IEEE 802.3, 3.2.6).
        case("length_1535_undefined", ethernet(0x05ff, [0; 46]), expected),
        case(
            "ethertype_1536_first",
            ethernet(0x0600, [0; 46]),
            Expected::frame(0x0600),
        ),
    ]
}

fn types() -> Vec<Case> {
    let broadcast = [0xff; 6];
    let lldp = [0x01, 0x80, 0xc2, 0, 0, 0x0e];
    let source = crate::frame::SOURCE_MAC;
    let arp = [
        // Ethernet, IPv4, six bytes, four bytes, request.
        &[0, 1, 8, 0, 6, 4, 0, 1][..],
        &source,
        &[10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2],
    ]
    .concat();
    let magic = [&[0xff; 6][..], &crate::frame::DESTINATION_MAC.repeat(16)].concat();
    vec![
        case(
            "arp_request",
            ethernet_to(broadcast, ethertype::ARP, &arp),
            Expected::frame(ethertype::ARP).macs(source, broadcast),
        ),
        case(
            "arp_request_padded",
            padded(ethernet_to(broadcast, ethertype::ARP, &arp)),
            Expected::frame(ethertype::ARP).macs(source, broadcast),
        ),
        case(
            "lldp",
            // Chassis, port, time to live, end.
            ethernet_to(
                lldp,
                ethertype::LLDP,
                [2, 2, 7, 1, 4, 2, 7, 2, 6, 2, 0, 120, 0, 0],
            ),
            Expected::frame(ethertype::LLDP).macs(source, lldp),
        ),
        case(
            "wake_on_lan",
            ethernet_to(broadcast, 0x0842, magic),
            Expected::frame(0x0842).macs(source, broadcast),
        ),
    ]
}

/// Headers that carry IP, and are not entered.
fn carriers() -> Vec<Case> {
    let packet = ipv4(6).carrying(tcp(1234, 80, SYN));
    // Version and type 1, session, session number 7, length; then PPP's number of IPv4.
    let session = [&[0x11, 0, 0, 7, 0, 42, 0, 0x21], &packet[..]].concat();
    let discovery = [0x11, 0x09, 0, 0, 0, 4, 0x01, 0x01, 0, 0];
    // Label 16, bottom of the stack, time to live 64.
    let label = [&[0x00, 0x01, 0x01, 0x40], &packet[..]].concat();
    [
        (
            "pppoe_discovery",
            ethertype::PPPOE_DISCOVERY,
            discovery.to_vec(),
        ),
        ("pppoe_session_ipv4", ethertype::PPPOE_SESSION, session),
        ("mpls_ipv4", ethertype::MPLS, label.clone()),
        ("mpls_multicast_ipv4", ethertype::MPLS_MULTICAST, label),
        ("macsec", 0x88e5, packet.clone()),
        ("provider_backbone", 0x88e7, packet),
    ]
    .map(|(name, found, payload)| case(name, ethernet(found, payload), Expected::frame(found)))
    .to_vec()
}

fn unnamed() -> Vec<Case> {
    [
        ("eapol", 0x888e),
        ("ptp", 0x88f7),
        ("loopback_test", 0x9000),
        ("local_experimental", 0x88b5),
        // A tag number of old switches that is not walked.
        ("ethertype_9200", 0x9200),
        ("ethertype_unassigned", 0x1234),
        ("ethertype_ffff", 0xffff),
    ]
    .map(|(name, found)| case(name, ethernet(found, [0x45; 46]), Expected::frame(found)))
    .to_vec()
}
