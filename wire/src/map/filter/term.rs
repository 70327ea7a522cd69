//! One question about a flow.

/// Bit of [`FilterTerm::ends`]: the term is about the source.
pub const FILTER_SOURCE: u8 = 1;
/// Bit of [`FilterTerm::ends`]: the term is about the destination.
pub const FILTER_DESTINATION: u8 = 2;

/// What a [`FilterTerm`] asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FilterKind {
    /// An IPv4 address under a mask.
    Ipv4 = 0,
    /// An IPv6 address under a mask.
    Ipv6 = 1,
    /// Ports from `low` to `high`, where the protocol has ports and they could be read.
    Ports = 2,
    /// The IP protocol `low`, where there is an IP header.
    Protocol = 3,
    /// The ethertype `low`.
    Ethertype = 4,
    /// The [`crate::map::Direction`] `low`.
    Direction = 5,
    /// The VLAN identifier `low` on either tag; 0 for no identifier on both.
    Vlan = 6,
    /// The interface has the name of number `low`.
    Interface = 7,
}

impl FilterKind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 8] = [
        Self::Ipv4,
        Self::Ipv6,
        Self::Ports,
        Self::Protocol,
        Self::Ethertype,
        Self::Direction,
        Self::Vlan,
        Self::Interface,
    ];
}

/// A question with one answer. What its kind does not use is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct FilterTerm {
    /// The 16 bytes of an address as on the wire, IPv4 as v4-mapped; two numbers, so that the kernel
    /// programs do not read it byte by byte.
    pub address: [u64; 2],
    /// Which of its bits count; laid out like it.
    pub mask: [u64; 2],
    /// A number, or the first of several; host order.
    pub low: u16,
    /// The last of several; host order.
    pub high: u16,
    /// A [`FilterKind`].
    pub kind: u8,
    /// `FILTER_SOURCE`, `FILTER_DESTINATION`, or both for either: for addresses and ports.
    pub ends: u8,
    /// Padding.
    pub reserved: [u8; 2],
}
