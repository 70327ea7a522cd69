//! Link types: how the first bytes of a frame are to be read.

use super::{Headers, Packet, Problem, ethernet, ethertype, headers::Reach};

/// What a frame begins with.
///
/// The kernel meets the first two only; the others come from capture files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// An Ethernet header.
    Ethernet,
    /// An IPv4 or IPv6 header (tun, WireGuard, LINKTYPE_RAW).
    Ip,
    /// Four bytes of address family in the byte order of the capturing host (LINKTYPE_NULL), or
    /// in network order (LINKTYPE_LOOP).
    Null,
    /// The 16-byte cooked header of Linux (LINKTYPE_LINUX_SLL).
    LinuxSll,
    /// The 20-byte cooked header of Linux (LINKTYPE_LINUX_SLL2).
    LinuxSll2,
    /// PPP, with or without address and control bytes (LINKTYPE_PPP, LINKTYPE_PPP_HDLC).
    Ppp,
}

impl LinkType {
    /// The link type of a LINKTYPE_ number in a capture file, if it is one that can be read.
    pub const fn from_capture(number: u16) -> Option<Self> {
        match number {
            0 | 108 => Some(Self::Null),
            1 => Some(Self::Ethernet),
            9 | 50 => Some(Self::Ppp),
            // 12 and 14 are what LINKTYPE_RAW was called by some systems.
            12 | 14 | 101 | 228 | 229 => Some(Self::Ip),
            113 => Some(Self::LinuxSll),
            276 => Some(Self::LinuxSll2),
            _ => None,
        }
    }
}

/// Reads a frame that begins with an IP header of either version.
#[inline(always)]
pub(super) fn read_ip<P: Packet>(packet: &P, headers: &mut Headers, reach: Reach) {
    // No IP header is shorter than two bytes. (The verifier does not follow a check for one.)
    let Ok([first, _]) = packet.bytes::<2>(reach.offset) else {
        headers.problem = Problem::LinkTruncated;
        return;
    };
    headers.ethertype = match first >> 4 {
        4 => ethertype::IPV4,
        6 => ethertype::IPV6,
        _ => {
            headers.problem = Problem::NetworkMalformed;
            return;
        }
    };
    headers.read_network(packet, reach);
}

/// Reads a frame that begins with four bytes of address family.
pub(super) fn read_null<P: Packet>(packet: &P, headers: &mut Headers) {
    let Ok(family) = packet.bytes::<4>(0) else {
        headers.problem = Problem::LinkTruncated;
        return;
    };
    // Whichever byte order the capturing host had, a family is a small number.
    let family = u32::from_be_bytes(family).min(u32::from_le_bytes(family));
    headers.ethertype = match family {
        2 => ethertype::IPV4,
        // AF_INET6 of NetBSD and Windows, FreeBSD, macOS, Linux.
        24 | 28 | 30 | 10 => ethertype::IPV6,
        _ => ethertype::UNKNOWN,
    };
    headers.read_network(packet, Reach::from(4));
}

/// Reads the cooked header of Linux, version 1.
pub(super) fn read_sll<P: Packet>(packet: &P, headers: &mut Headers) {
    let (Ok(length), Ok(address), Ok(ethertype)) = (
        packet.bytes::<2>(4),
        packet.bytes::<6>(6),
        packet.bytes::<2>(14),
    ) else {
        headers.problem = Problem::LinkTruncated;
        return;
    };
    if u16::from_be_bytes(length) == 6 {
        headers.source_mac = address;
    }
    ethernet::read_type(packet, headers, u16::from_be_bytes(ethertype), 16);
}

/// Reads the cooked header of Linux, version 2.
pub(super) fn read_sll2<P: Packet>(packet: &P, headers: &mut Headers) {
    let (Ok(ethertype), Ok([length]), Ok([a, b, c, d, e, f, _, _])) = (
        packet.bytes::<2>(0),
        packet.bytes::<1>(11),
        packet.bytes::<8>(12),
    ) else {
        headers.problem = Problem::LinkTruncated;
        return;
    };
    if length == 6 {
        headers.source_mac = [a, b, c, d, e, f];
    }
    ethernet::read_type(packet, headers, u16::from_be_bytes(ethertype), 20);
}

/// Reads a PPP frame (RFC 1661; RFC 1662 section 3.1 for address and control).
pub(super) fn read_ppp<P: Packet>(packet: &P, headers: &mut Headers) {
    // No protocol field begins with 0xff: it is always the address (RFC 1661 section 6.6).
    let framed = packet.bytes::<1>(0) == Ok([0xff]);
    let offset = if framed { 2 } else { 0 };
    let Ok([first]) = packet.bytes::<1>(offset) else {
        headers.problem = Problem::LinkTruncated;
        return;
    };
    // A compressed protocol field has one byte, and that byte is odd (RFC 1661 section 6.5).
    let (protocol, offset) = if first & 1 == 1 {
        (u16::from(first), offset + 1)
    } else if let Ok(field) = packet.bytes::<2>(offset) {
        (u16::from_be_bytes(field), offset + 2)
    } else {
        headers.problem = Problem::LinkTruncated;
        return;
    };
    headers.ethertype = match protocol {
        0x0021 => ethertype::IPV4,
        0x0057 => ethertype::IPV6,
        0x0281 => ethertype::MPLS,
        0x0283 => ethertype::MPLS_MULTICAST,
        _ => ethertype::UNKNOWN,
    };
    headers.read_network(packet, Reach::from(offset));
}
