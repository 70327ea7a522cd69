//! Classes of packets: by family, by transport, by well-known port.

use crate::packet::{Headers, ethertype, protocol};

/// A class that an interface counts packets in.
///
/// A packet is in one class of family, in one of transport, and in at most one of application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Class {
    /// Frames with a readable IPv4 header.
    Ipv4 = 0,
    /// Frames with a readable IPv6 header.
    Ipv6 = 1,
    /// All other frames.
    OtherFamily = 2,
    /// TCP.
    Tcp = 3,
    /// UDP.
    Udp = 4,
    /// ICMP and ICMPv6.
    Icmp = 5,
    /// SCTP.
    Sctp = 6,
    /// Every other IP protocol.
    OtherTransport = 7,
    /// TCP with one of the HTTP ports on either side.
    Http = 8,
    /// TCP with one of the HTTPS ports on either side.
    Https = 9,
    /// UDP with one of the QUIC ports on either side: it may be QUIC.
    QuicCandidate = 10,
    /// Later fragments, whose application cannot be known.
    LaterFragment = 11,
    /// No class at all; the place is a sink for what is in no class of its kind.
    None = 12,
}

impl Class {
    /// Every class, in the order of its number.
    pub const ALL: [Self; 13] = [
        Self::Ipv4,
        Self::Ipv6,
        Self::OtherFamily,
        Self::Tcp,
        Self::Udp,
        Self::Icmp,
        Self::Sctp,
        Self::OtherTransport,
        Self::Http,
        Self::Https,
        Self::QuicCandidate,
        Self::LaterFragment,
        Self::None,
    ];

    /// The name that views, metrics and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::OtherFamily => "other_family",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Sctp => "sctp",
            Self::OtherTransport => "other_transport",
            Self::Http => "http",
            Self::Https => "https",
            Self::QuicCandidate => "quic_candidate",
            Self::LaterFragment => "later_fragment",
            Self::None => "none",
        }
    }
}

/// Bit of [`PortClasses`]: a TCP port of HTTP.
pub const PORT_HTTP: u8 = 1;
/// Bit of [`PortClasses`]: a TCP port of HTTPS.
pub const PORT_HTTPS: u8 = 2;
/// Bit of [`PortClasses`]: a UDP port of QUIC.
pub const PORT_QUIC: u8 = 4;

/// For each port the `PORT_*` bits that the configuration gave it.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct PortClasses {
    /// Indexed by port in host order.
    pub bits: [u8; 65536],
}

/// The classes of a packet: family, transport, application.
///
/// `port_bits` gives the `PORT_*` bits of a port; it is asked for TCP and UDP alone.
#[inline(always)]
pub fn classes(headers: &Headers, port_bits: impl Fn(u16) -> u8) -> [Class; 3] {
    let family = match headers.ethertype {
        ethertype::IPV4 if headers.is_ip => Class::Ipv4,
        ethertype::IPV6 if headers.is_ip => Class::Ipv6,
        _ => return [Class::OtherFamily, Class::None, Class::None],
    };
    let transport = match headers.protocol {
        protocol::TCP => Class::Tcp,
        protocol::UDP => Class::Udp,
        protocol::ICMP | protocol::ICMPV6 => Class::Icmp,
        protocol::SCTP => Class::Sctp,
        _ => Class::OtherTransport,
    };
    [
        family,
        transport,
        application(headers, transport, port_bits),
    ]
}

#[inline(always)]
fn application(headers: &Headers, transport: Class, port_bits: impl Fn(u16) -> u8) -> Class {
    if matches!(headers.fragment, crate::packet::Fragment::Later) {
        return Class::LaterFragment;
    }
    if !matches!(transport, Class::Tcp | Class::Udp) {
        return Class::None;
    }
    let bits = port_bits(headers.source_port) | port_bits(headers.destination_port);
    match transport {
        Class::Tcp if bits & PORT_HTTP != 0 => Class::Http,
        Class::Tcp if bits & PORT_HTTPS != 0 => Class::Https,
        Class::Udp if bits & PORT_QUIC != 0 => Class::QuicCandidate,
        _ => Class::None,
    }
}
