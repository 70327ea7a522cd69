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
    /// No class at all; nothing is counted in its place.
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

#[cfg(test)]
mod tests {
    use super::{Class, PORT_HTTP, PORT_HTTPS, PORT_QUIC, classes, ethertype, protocol};
    use crate::packet::{Fragment, Headers};

    const BITS: fn(u16) -> u8 = |port| match port {
        80 => PORT_HTTP,
        443 => PORT_HTTPS | PORT_QUIC,
        _ => 0,
    };

    fn between(protocol: u8, source_port: u16, destination_port: u16) -> Headers {
        Headers {
            ethertype: ethertype::IPV4,
            is_ip: true,
            protocol,
            source_port,
            destination_port,
            ..Headers::default()
        }
    }

    #[test]
    fn every_class_stands_at_its_number() {
        for (number, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, number, "{}", class.name());
        }
    }

    #[test]
    fn the_application_goes_by_transport_and_either_port() {
        for (headers, expected) in [
            (between(protocol::TCP, 5000, 80), Class::Http),
            (between(protocol::TCP, 80, 443), Class::Http),
            (between(protocol::TCP, 443, 5000), Class::Https),
            (between(protocol::UDP, 5000, 443), Class::QuicCandidate),
            (between(protocol::UDP, 5000, 80), Class::None),
            (between(protocol::SCTP, 80, 443), Class::None),
            // Type and code of ICMP stand in the place of a port.
            (between(protocol::ICMP, 0, 80), Class::None),
        ] {
            assert_eq!(classes(&headers, BITS)[2], expected, "{headers:?}");
        }
    }

    #[test]
    fn a_later_fragment_has_no_application() {
        let headers = Headers {
            fragment: Fragment::Later,
            ..between(protocol::TCP, 0, 80)
        };
        let expected = [Class::Ipv4, Class::Tcp, Class::LaterFragment];
        assert_eq!(classes(&headers, BITS), expected);
    }

    #[test]
    fn what_is_not_ip_is_in_one_class_alone() {
        let unread = Headers {
            is_ip: false,
            ..between(protocol::TCP, 0, 80)
        };
        let expected = [Class::OtherFamily, Class::None, Class::None];
        assert_eq!(classes(&unread, BITS), expected);
        assert_eq!(classes(&Headers::default(), BITS), expected);
    }
}
