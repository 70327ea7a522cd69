//! The meaning of a packet, written down by hand.

use std::net::IpAddr;

use netweir_wire::{
    map::{Class, PORT_HTTP, PORT_HTTPS, PORT_QUIC},
    packet::{Fragment, Headers, Problem, Tag, ethertype, protocol},
};

use crate::frame;

/// The meaning of a packet: what has to be read from it, and how it has to be counted.
///
/// It begins with one of the constructors, which assume an Ethernet frame with the MACs of
/// [`frame::ethernet`]; each method changes one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// What has to be read.
    pub headers: Headers,
    /// Family, transport and application by the ports of [`port_bits`].
    pub classes: [Class; 3],
}

/// The `PORT_*` bits that the corpus is classified with: 80 and 8080 are HTTP, 443 is HTTPS and
/// QUIC, 8443 is QUIC.
pub const fn port_bits(port: u16) -> u8 {
    match port {
        80 | 8080 => PORT_HTTP,
        443 => PORT_HTTPS | PORT_QUIC,
        8443 => PORT_QUIC,
        _ => 0,
    }
}

impl Expected {
    /// A frame whose payload is not IP, or cannot be read as such.
    pub fn frame(ethertype: u16) -> Self {
        let headers = Headers {
            source_mac: frame::SOURCE_MAC,
            destination_mac: frame::DESTINATION_MAC,
            ethertype,
            payload_offset: 14,
            ..Headers::default()
        };
        Self {
            headers,
            classes: [Class::OtherFamily, Class::None, Class::None],
        }
    }

    /// An IP packet of the version that the addresses have.
    pub fn ip(source: &str, destination: &str) -> Self {
        let (source, version) = address(source);
        let (destination, _) = address(destination);
        let mut expected = Self::frame(version);
        expected.headers.source = source;
        expected.headers.destination = destination;
        expected.headers.is_ip = true;
        expected.classes[0] = match version {
            ethertype::IPV4 => Class::Ipv4,
            _ => Class::Ipv6,
        };
        expected.protocol(protocol::NO_NEXT_HEADER)
    }

    /// An IPv4 packet between the addresses of [`frame::ipv4`].
    pub fn ipv4() -> Self {
        Self::ip("10.0.0.1", "10.0.0.2")
    }

    /// An IPv6 packet between the addresses of [`frame::ipv6`].
    pub fn ipv6() -> Self {
        Self::ip("2001:db8::1", "2001:db8::2")
    }

    /// Carries `protocol`, of which nothing is read but its number.
    pub fn protocol(mut self, protocol: u8) -> Self {
        self.headers.protocol = protocol;
        self.classes[1] = Class::OtherTransport;
        self
    }

    /// Carries `protocol` between two ports.
    pub fn ports(self, protocol: u8, source: u16, destination: u16) -> Self {
        let mut expected = self.protocol(protocol);
        expected.headers.source_port = source;
        expected.headers.destination_port = destination;
        expected
    }

    /// Carries TCP between two ports, with flags.
    pub fn tcp(self, source: u16, destination: u16, flags: u16) -> Self {
        let mut expected = self.ports(protocol::TCP, source, destination);
        expected.headers.tcp_flags = flags;
        expected.transport(Class::Tcp)
    }

    /// Carries UDP between two ports.
    pub fn udp(self, source: u16, destination: u16) -> Self {
        self.ports(protocol::UDP, source, destination)
            .transport(Class::Udp)
    }

    /// Carries ICMP.
    pub fn icmp(self, kind: u8, code: u8) -> Self {
        self.ports(protocol::ICMP, 0, u16::from(kind) << 8 | u16::from(code))
            .transport(Class::Icmp)
    }

    /// Carries ICMPv6.
    pub fn icmpv6(self, kind: u8, code: u8) -> Self {
        self.ports(protocol::ICMPV6, 0, u16::from(kind) << 8 | u16::from(code))
            .transport(Class::Icmp)
    }

    /// Is counted under another transport.
    pub fn transport(mut self, class: Class) -> Self {
        self.classes[1] = class;
        self
    }

    /// Is counted under an application.
    pub fn application(mut self, class: Class) -> Self {
        self.classes[2] = class;
        self
    }

    /// Is the first of several fragments.
    pub fn first(mut self) -> Self {
        self.headers.fragment = Fragment::First;
        self
    }

    /// Is a later fragment.
    pub fn later(mut self) -> Self {
        self.headers.fragment = Fragment::Later;
        self.application(Class::LaterFragment)
    }

    /// Has a type of service or traffic class.
    pub fn traffic_class(mut self, traffic_class: u8) -> Self {
        self.headers.traffic_class = traffic_class;
        self
    }

    /// Has VLAN tags, outermost first, by their control information; the third and later ones are
    /// only counted.
    pub fn tags(mut self, tags: &[u16]) -> Self {
        for (place, &tci) in self.headers.tags.iter_mut().zip(tags) {
            *place = Tag { tci };
        }
        self.headers.tag_count = tags.len() as u8;
        self
    }

    /// Has these MACs, source first.
    pub fn macs(mut self, source: [u8; 6], destination: [u8; 6]) -> Self {
        self.headers.source_mac = source;
        self.headers.destination_mac = destination;
        self
    }

    /// Comes from a link without MACs.
    pub fn no_macs(self) -> Self {
        self.macs([0; 6], [0; 6])
    }

    /// Has its payload at `offset` of the frame.
    pub fn payload(mut self, offset: u16) -> Self {
        self.headers.payload_offset = offset;
        self
    }

    /// Cannot be read further.
    pub fn problem(mut self, problem: Problem) -> Self {
        self.headers.problem = problem;
        self
    }
}

/// An address as [`Headers`] has it, and the ethertype of its version.
fn address(text: &str) -> ([u8; 16], u16) {
    match text
        .parse()
        .expect("addresses of the corpus are written by hand")
    {
        IpAddr::V4(address) => (address.to_ipv6_mapped().octets(), ethertype::IPV4),
        IpAddr::V6(address) => (address.octets(), ethertype::IPV6),
    }
}
