//! The usual packet, read the short way.
//!
//! Nearly every packet is TCP or UDP, right behind an IPv4 header without options or an IPv6 header
//! without extensions, behind at most two VLAN tags. The kernel programs look for it first, because
//! reading it this way costs a fraction of the complete walk of [`Headers`](super::Headers); for any
//! other packet the answer is `None`, and the complete walk follows. Where there is an answer it is
//! the same: tests and a fuzz target compare the two.

use super::{MAX_HEADER_BYTES, Window, ethertype, protocol};

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
    pub fn read<P: Window>(packet: &P) -> Option<Self> {
        Self::read_for(packet, |usual| usual)
    }

    /// As [`Self::read`], and hands the packet on to `then`, which is compiled for each way to read
    /// it: so nothing is computed from tags and halves of addresses that are known to be zero.
    #[inline(always)]
    pub fn read_for<P: Window, T>(packet: &P, then: impl FnOnce(Self) -> T) -> Option<T> {
        if !packet.holds(ETHERNET_BYTES + IPV4_BYTES + UDP_BYTES) {
            return None;
        }
        let found = number(packet, ETHERNET_BYTES - 2);
        let frame = Frame {
            offset: ETHERNET_BYTES,
            vlans: [0, 0],
        };
        // Most frames have no tag: so these are asked for first.
        if found == wire(ethertype::IPV4) {
            return frame.read_ipv4(&packet.behind(ETHERNET_BYTES), then);
        }
        if found == wire(ethertype::IPV6) {
            return frame.read_ipv6(&packet.behind(ETHERNET_BYTES), then);
        }
        if !is_tag(found) {
            return None;
        }
        let (outer, found) = read_tag(packet, ETHERNET_BYTES);
        let offset = ETHERNET_BYTES + TAG_BYTES;
        if !is_tag(found) {
            let vlans = [outer, 0];
            return Frame { offset, vlans }.read_ip(&packet.behind(offset), found, then);
        }
        let (inner, found) = read_tag(packet, offset);
        let offset = offset + TAG_BYTES;
        let vlans = [outer, inner];
        Frame { offset, vlans }.read_ip(&packet.behind(offset), found, then)
    }

    /// Reads a frame that begins with an IP header.
    #[inline(always)]
    pub fn read_ip<P: Window>(packet: &P) -> Option<Self> {
        Self::read_ip_for(packet, |usual| usual)
    }

    /// As [`Self::read_ip`], and hands the packet on as [`Self::read_for`] does.
    #[inline(always)]
    pub fn read_ip_for<P: Window, T>(packet: &P, then: impl FnOnce(Self) -> T) -> Option<T> {
        if !packet.holds(IPV4_BYTES + UDP_BYTES) {
            return None;
        }
        let [first] = packet.held(0);
        let found = match first >> 4 {
            4 => ethertype::IPV4,
            6 => ethertype::IPV6,
            _ => return None,
        };
        let frame = Frame {
            offset: 0,
            vlans: [0, 0],
        };
        frame.read_ip(packet, wire(found), then)
    }

    /// Puts a tag that the kernel had taken out of the frame back in front of the others.
    #[inline(always)]
    pub fn push_outer_tag(&mut self, tci: u16) {
        self.vlans = [(tci & 0x0fff).to_be(), self.vlans[0]];
    }
}

/// Two bytes as they stand in the packet.
#[inline(always)]
fn number<P: Window>(packet: &P, offset: usize) -> u16 {
    u16::from_ne_bytes(packet.held(offset))
}

/// A word of memory.
///
/// Packets are read in words here: the kernel programs would load a longer piece byte by byte.
#[inline(always)]
fn word<P: Window>(packet: &P, offset: usize) -> u64 {
    u64::from_ne_bytes(packet.held(offset))
}

/// A tag's VLAN identifier and the type behind it, both as they stand in the packet.
#[inline(always)]
fn read_tag<P: Window>(packet: &P, offset: usize) -> (u16, u16) {
    let [tci0, tci1, type0, type1] = packet.held::<TAG_BYTES>(offset);
    let vlan = u16::from_ne_bytes([tci0, tci1]) & wire(0x0fff);
    (vlan, u16::from_ne_bytes([type0, type1]))
}

/// What was read in front of the IP header.
struct Frame {
    /// Where that header begins.
    offset: usize,
    /// As in [`Usual::vlans`].
    vlans: [u16; 2],
}

impl Frame {
    /// Reads on from the IP header, with which `packet` begins, and hands the packet on.
    #[inline(always)]
    fn read_ip<P: Window, T>(
        self,
        packet: &P,
        found: u16,
        then: impl FnOnce(Usual) -> T,
    ) -> Option<T> {
        if found == wire(ethertype::IPV4) {
            self.read_ipv4(packet, then)
        } else if found == wire(ethertype::IPV6) {
            self.read_ipv6(packet, then)
        } else {
            None
        }
    }

    #[inline(always)]
    fn read_ipv4<P: Window, T>(self, packet: &P, then: impl FnOnce(Usual) -> T) -> Option<T> {
        let mut usual = self.before(ethertype::IPV4);
        usual.payload_offset += read_ipv4(packet, &mut usual)? as u16;
        Some(then(usual))
    }

    #[inline(always)]
    fn read_ipv6<P: Window, T>(self, packet: &P, then: impl FnOnce(Usual) -> T) -> Option<T> {
        let mut usual = self.before(ethertype::IPV6);
        usual.payload_offset += read_ipv6(packet, &mut usual)? as u16;
        Some(then(usual))
    }

    /// The packet as far as it was read.
    #[inline(always)]
    const fn before(self, ethertype: u16) -> Usual {
        Usual {
            source: MAPPED,
            destination: MAPPED,
            ports: 0,
            ethertype: wire(ethertype),
            vlans: self.vlans,
            protocol: 0,
            traffic_class: 0,
            tcp_flags: 0,
            payload_offset: self.offset as u16,
        }
    }
}

/// Reads an IPv4 header and what follows; returns the bytes of both headers.
#[inline(always)]
fn read_ipv4<P: Window>(packet: &P, usual: &mut Usual) -> Option<usize> {
    if !packet.holds(IPV4_BYTES + UDP_BYTES) {
        return None;
    }
    let first = u64::from_be(word(packet, 0));
    if first >> 56 != 0x45 || first & 0x3fff != 0 {
        return None;
    }
    let second = u64::from_be(word(packet, 8));
    usual.protocol = (second >> 48) as u8;
    usual.traffic_class = (first >> 48) as u8;
    usual.source[1] |= last_half((second as u32).to_be());
    usual.destination[1] |= last_half(u32::from_ne_bytes(packet.held(IPV4_BYTES - 4)));
    let bytes = IPV4_BYTES + read_transport(packet, IPV4_BYTES, usual)?;
    (bytes as u64 <= first >> 32 & 0xffff).then_some(bytes)
}

/// Four bytes of memory as the last of a word.
#[inline(always)]
const fn last_half(bytes: u32) -> u64 {
    if cfg!(target_endian = "little") {
        (bytes as u64) << 32
    } else {
        bytes as u64
    }
}

/// Reads an IPv6 header and what follows; returns the bytes of both headers.
#[inline(always)]
fn read_ipv6<P: Window>(packet: &P, usual: &mut Usual) -> Option<usize> {
    if !packet.holds(IPV6_BYTES + UDP_BYTES) {
        return None;
    }
    let first = u64::from_be(word(packet, 0));
    if first >> 60 != 6 {
        return None;
    }
    usual.protocol = (first >> 8) as u8;
    usual.traffic_class = (first >> 52) as u8;
    usual.source = [word(packet, 8), word(packet, 16)];
    usual.destination = [word(packet, 24), word(packet, 32)];
    let length = read_transport(packet, IPV6_BYTES, usual)?;
    (length as u64 <= first >> 16 & 0xffff).then_some(IPV6_BYTES + length)
}

/// Reads the transport header, of which a UDP header's bytes are there; returns its bytes.
#[inline(always)]
fn read_transport<P: Window>(packet: &P, offset: usize, usual: &mut Usual) -> Option<usize> {
    const { assert!(ETHERNET_BYTES + 2 * TAG_BYTES + IPV6_BYTES + TCP_BYTES <= MAX_HEADER_BYTES) };
    usual.ports = u32::from_ne_bytes(packet.held(offset));
    if usual.protocol == protocol::UDP {
        return Some(UDP_BYTES);
    }
    if usual.protocol != protocol::TCP || !packet.holds(offset + TCP_BYTES) {
        return None;
    }
    let last = u64::from_be(word(packet, offset + TCP_BYTES - 8));
    usual.tcp_flags = (last >> 48) as u16 & 0x0fff;
    Some(((last >> 60) as usize * 4).max(TCP_BYTES))
}
