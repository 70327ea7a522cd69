//! The usual packet, read the short way.
//!
//! Nearly every packet is TCP or UDP, right behind an IPv4 header without options or an IPv6 header
//! without extensions, behind at most two VLAN tags. The kernel programs look for it first, because
//! reading it this way costs a fraction of the complete walk of [`Headers`](super::Headers); for any
//! other packet the answer is `None`, and the complete walk follows. Where there is an answer it is
//! the same: tests and a fuzz target compare the two.

use super::{MAX_HEADER_BYTES, Packet, ethertype, protocol};

/// What a usual packet is counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usual {
    /// Source address as two words of memory, IPv4 as v4-mapped.
    pub source: [u64; 2],
    /// Destination address as two words of memory.
    pub destination: [u64; 2],
    /// Source and destination port as they stand in the packet.
    pub ports: u32,
    /// Ethertype behind the tags, as it stands in the packet.
    pub ethertype: u16,
    /// VLAN identifiers, outer first, in network order; 0 for none.
    pub vlans: [u16; 2],
    /// TCP or UDP.
    pub protocol: u8,
    /// Type of service or traffic class.
    pub traffic_class: u8,
    /// TCP flags, host order; 0 for UDP.
    pub tcp_flags: u16,
    /// Offset of the byte behind the transport header and its options.
    pub payload_offset: u16,
}

const ETHERNET_BYTES: usize = 14;
const TAG_BYTES: usize = 4;
const IPV4_BYTES: usize = 20;
const IPV6_BYTES: usize = 40;
const TCP_BYTES: usize = 20;
const UDP_BYTES: usize = 8;

/// The words of memory in which a v4-mapped address has no address bits.
const MAPPED: [u64; 2] = [0, u64::from_ne_bytes([0, 0, 0xff, 0xff, 0, 0, 0, 0])];

/// An ethertype as it stands in the packet.
const fn wire(number: u16) -> u16 {
    number.to_be()
}

const fn is_tag(found: u16) -> bool {
    found == wire(ethertype::VLAN)
        || found == wire(ethertype::SERVICE_VLAN)
        || found == wire(ethertype::QINQ)
}

impl Usual {
    /// Reads an Ethernet frame; `None` if it is not a usual one, or not whole.
    #[inline(always)]
    pub fn read<P: Packet>(packet: &P) -> Option<Self> {
        let [.., t0, t1] = packet.bytes::<ETHERNET_BYTES>(0).ok()?;
        let found = u16::from_ne_bytes([t0, t1]);
        if !is_tag(found) {
            return read_network(packet, ETHERNET_BYTES, found, [0, 0]);
        }
        let (outer, found) = read_tag(packet, ETHERNET_BYTES)?;
        if !is_tag(found) {
            return read_network(packet, ETHERNET_BYTES + TAG_BYTES, found, [outer, 0]);
        }
        let (inner, found) = read_tag(packet, ETHERNET_BYTES + TAG_BYTES)?;
        read_network(
            packet,
            ETHERNET_BYTES + 2 * TAG_BYTES,
            found,
            [outer, inner],
        )
    }

    /// Reads a frame that begins with an IP header.
    #[inline(always)]
    pub fn read_ip<P: Packet>(packet: &P) -> Option<Self> {
        let [first, _] = packet.bytes::<2>(0).ok()?;
        let found = match first >> 4 {
            4 => ethertype::IPV4,
            6 => ethertype::IPV6,
            _ => return None,
        };
        read_network(packet, 0, wire(found), [0, 0])
    }

    /// Puts a tag that the kernel had taken out of the frame back in front of the others.
    #[inline(always)]
    pub fn push_outer_tag(&mut self, tci: u16) {
        self.vlans = [(tci & 0x0fff).to_be(), self.vlans[0]];
    }
}

/// A tag's VLAN identifier and the type behind it, both as they stand in the packet.
#[inline(always)]
fn read_tag<P: Packet>(packet: &P, offset: usize) -> Option<(u16, u16)> {
    let [tci0, tci1, type0, type1] = packet.bytes::<TAG_BYTES>(offset).ok()?;
    let vlan = u16::from_ne_bytes([tci0, tci1]) & wire(0x0fff);
    Some((vlan, u16::from_ne_bytes([type0, type1])))
}

#[inline(always)]
fn read_network<P: Packet>(
    packet: &P,
    offset: usize,
    found: u16,
    vlans: [u16; 2],
) -> Option<Usual> {
    let mut usual = Usual {
        source: MAPPED,
        destination: MAPPED,
        ports: 0,
        ethertype: found,
        vlans,
        protocol: 0,
        traffic_class: 0,
        tcp_flags: 0,
        payload_offset: 0,
    };
    if found == wire(ethertype::IPV4) {
        read_ipv4(packet, offset, &mut usual)?;
    } else if found == wire(ethertype::IPV6) {
        read_ipv6(packet, offset, &mut usual)?;
    } else {
        return None;
    }
    Some(usual)
}

#[inline(always)]
fn read_ipv4<P: Packet>(packet: &P, offset: usize, usual: &mut Usual) -> Option<()> {
    let header = packet.bytes::<IPV4_BYTES>(offset).ok()?;
    let fragment = u16::from_ne_bytes([header[6], header[7]]) & wire(0x3fff);
    if header[0] != 0x45 || fragment != 0 {
        return None;
    }
    usual.protocol = header[9];
    usual.traffic_class = header[1];
    usual.source[1] |= word_of([header[12], header[13], header[14], header[15]]);
    usual.destination[1] |= word_of([header[16], header[17], header[18], header[19]]);
    let total = u16::from_be_bytes([header[2], header[3]]);
    let room = usize::from(total).checked_sub(IPV4_BYTES)?;
    read_transport(packet, offset + IPV4_BYTES, room, usual)
}

/// An IPv4 address in the upper half of a word of memory.
#[inline(always)]
const fn word_of([a, b, c, d]: [u8; 4]) -> u64 {
    u64::from_ne_bytes([0, 0, 0, 0, a, b, c, d])
}

#[inline(always)]
fn read_ipv6<P: Packet>(packet: &P, offset: usize, usual: &mut Usual) -> Option<()> {
    let [first, second, .., l0, l1, next, _] = packet.bytes::<8>(offset).ok()?;
    if first >> 4 != 6 {
        return None;
    }
    usual.protocol = next;
    usual.traffic_class = first << 4 | second >> 4;
    let word = |ahead| {
        let bytes = packet.bytes::<8>(offset + ahead).ok()?;
        Some(u64::from_ne_bytes(bytes))
    };
    usual.source = [word(8)?, word(16)?];
    usual.destination = [word(24)?, word(32)?];
    let room = usize::from(u16::from_be_bytes([l0, l1]));
    read_transport(packet, offset + IPV6_BYTES, room, usual)
}

/// Reads the transport header, for which the IP header tells of `room` bytes.
#[inline(always)]
fn read_transport<P: Packet>(
    packet: &P,
    offset: usize,
    room: usize,
    usual: &mut Usual,
) -> Option<()> {
    const { assert!(ETHERNET_BYTES + 2 * TAG_BYTES + IPV6_BYTES + TCP_BYTES <= MAX_HEADER_BYTES) };
    let length = if usual.protocol == protocol::TCP {
        let header = packet.bytes::<TCP_BYTES>(offset).ok()?;
        usual.ports = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]);
        usual.tcp_flags = u16::from_be_bytes([header[12], header[13]]) & 0x0fff;
        (usize::from(header[12] >> 4) * 4).max(TCP_BYTES)
    } else if usual.protocol == protocol::UDP {
        let header = packet.bytes::<UDP_BYTES>(offset).ok()?;
        usual.ports = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]);
        UDP_BYTES
    } else {
        return None;
    };
    usual.payload_offset = (offset + length) as u16;
    (length <= room).then_some(())
}
