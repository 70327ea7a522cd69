//! The result of reading a packet.

use crate::map::{FLOW_FIRST_FRAGMENT, FLOW_LATER_FRAGMENT};

use super::{
    LinkType, Packet, Problem, Truncated, ethernet, ethertype, ipv4, ipv6, link, transport,
};

/// Where a packet stands in its fragmented datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Fragment {
    /// Not a fragment, or the only one (RFC 6946).
    #[default]
    Whole = 0,
    /// The first fragment: it has the transport header.
    First = 1,
    /// A later fragment: no ports can be known.
    Later = 2,
}

impl Fragment {
    /// The `FLOW_*` bits of a flow that has such a packet.
    #[inline(always)]
    pub const fn marks(self) -> u8 {
        match self {
            Self::Whole => 0,
            Self::First => FLOW_FIRST_FRAGMENT,
            Self::Later => FLOW_LATER_FRAGMENT,
        }
    }
}

/// One VLAN tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tag {
    /// Priority, drop eligibility and VLAN identifier (IEEE 802.1Q, 9.6).
    pub tci: u16,
}

impl Tag {
    /// The VLAN identifier; 0 for a tag that carries a priority alone.
    #[inline(always)]
    pub const fn vlan(self) -> u16 {
        self.tci & 0x0fff
    }
}

/// The headers of one packet, as far as they could be read.
///
/// Numbers are in host order, addresses as on the wire. IPv4 addresses are v4-mapped
/// (`::ffff:a.b.c.d`, RFC 4291 section 2.5.5.2).
///
/// Aligned so that the kernel programs, where they are kept in a map, clear and copy them in words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(align(8))]
pub struct Headers {
    /// Source MAC; zero where the link has none.
    pub source_mac: [u8; 6],
    /// Destination MAC; zero where the link has none.
    pub destination_mac: [u8; 6],
    /// The outermost two VLAN tags, outer first.
    pub tags: [Tag; 2],
    /// Number of VLAN tags, those past the second included.
    pub tag_count: u8,
    /// Ethertype behind the VLAN tags, or of the tag at which reading ended; 0 for frames of
    /// IEEE 802.3 and where it is not known.
    pub ethertype: u16,
    /// Source address; zero where there is no readable IP header.
    pub source: [u8; 16],
    /// Destination address; zero where there is no readable IP header.
    pub destination: [u8; 16],
    /// Whether an IP header was read, and the addresses are its own.
    pub is_ip: bool,
    /// IP protocol behind the extension headers, or the header at which reading ended.
    pub protocol: u8,
    /// Type of service or traffic class: DSCP in the upper six bits, ECN in the lower two.
    pub traffic_class: u8,
    /// Whether, and which, fragment this is.
    pub fragment: Fragment,
    /// Source port of TCP, UDP, SCTP, DCCP, UDP-Lite; 0 for others.
    pub source_port: u16,
    /// Destination port; for ICMP and ICMPv6 `type << 8 | code`, as IPFIX exporters have it.
    pub destination_port: u16,
    /// TCP flags: the lower 12 bits of bytes 12 and 13, without the data offset.
    pub tcp_flags: u16,
    /// Offset of the byte behind the transport header, or behind the last header read whole.
    ///
    /// Where there is a problem past the IP header, `protocol` is the header at this offset. TCP
    /// options need not be in the frame; of DCCP, the first 12 bytes are taken for its header.
    pub payload_offset: u16,
    /// Why reading ended before the transport header's end.
    pub problem: Problem,
}

/// Where the next header begins, and where the packet that it belongs to ends.
#[derive(Clone, Copy)]
pub(super) struct Reach {
    /// Offset of the next header.
    pub(super) offset: usize,
    /// Offset behind the packet's last byte by the IP header's account; `usize::MAX` if unknown.
    pub(super) end: usize,
}

impl From<usize> for Reach {
    #[inline(always)]
    fn from(offset: usize) -> Self {
        Self {
            offset,
            end: usize::MAX,
        }
    }
}

impl Reach {
    /// The `N` bytes at `ahead` past the offset, if the packet has them and no limit is passed.
    #[inline(always)]
    pub(super) fn bytes<const N: usize>(
        self,
        packet: &impl Packet,
        ahead: usize,
    ) -> Result<[u8; N], Truncated> {
        if self.offset + ahead + N > self.end {
            return Err(Truncated);
        }
        packet.bytes(self.offset + ahead)
    }

    /// Whether the packet has every byte before the offset.
    #[inline(always)]
    pub(super) fn is_complete(self, packet: &impl Packet) -> bool {
        self.offset <= self.end && packet.bytes::<1>(self.offset - 1).is_ok()
    }
}

impl Headers {
    /// Reads a frame from its first byte.
    #[inline(always)]
    pub fn read<P: Packet>(packet: &P, link: LinkType) -> Self {
        let mut headers = Self::default();
        headers.read_from(packet, link);
        headers
    }

    /// Reads a frame from its first byte into these headers, whatever they held before.
    ///
    /// The kernel programs keep headers in a map: their stack is too small for what the compiler
    /// makes of a value that is passed around.
    #[inline(always)]
    pub fn read_from<P: Packet>(&mut self, packet: &P, link: LinkType) {
        *self = Self::default();
        match link {
            LinkType::Ethernet => ethernet::read(packet, self),
            LinkType::Ip => link::read_ip(packet, self, Reach::from(0)),
            LinkType::Null => link::read_null(packet, self),
            LinkType::LinuxSll => link::read_sll(packet, self),
            LinkType::LinuxSll2 => link::read_sll2(packet, self),
            LinkType::Ppp => link::read_ppp(packet, self),
        }
    }

    /// Puts a tag that the kernel had taken out of the frame back in front of the others.
    #[inline(always)]
    pub fn push_outer_tag(&mut self, tci: u16) {
        self.tags = [Tag { tci }, self.tags[0]];
        self.tag_count += 1;
    }

    /// Reads on from the network header, whose ethertype is known.
    #[inline(always)]
    pub(super) fn read_network<P: Packet>(&mut self, packet: &P, reach: Reach) {
        let reach = Reach::from(packet.forget(reach.offset));
        self.payload_offset = reach.offset as u16;
        let transport = match self.ethertype {
            ethertype::IPV4 => ipv4::read(packet, self, reach),
            ethertype::IPV6 => ipv6::read(packet, self, reach),
            _ => None,
        };
        if let Some(reach) = transport {
            transport::read(packet, self, reach);
        }
    }
}
