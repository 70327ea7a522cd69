//! Who a flow is between: addresses, ports, and how they are written.

use netweir_wire::{
    map::FlowKey,
    packet::{ethertype, protocol},
};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// A MAC address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The address of one end: of IP where there is an IP header, of the link else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// An IP address; IPv4 as such, not mapped.
    Ip(IpAddr),
    /// A MAC address: the frame is not IP, or its IP header could not be read.
    Mac(Mac),
}

impl Address {
    /// The IP address, if it is one.
    pub const fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(ip),
            Self::Mac(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Mac(mac) => mac.fmt(f),
        }
    }
}

/// One end of a flow, written `10.0.0.1:443`, `[2001:db8::1]:443`, or the address alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// Its address.
    pub address: Address,
    /// Its port; none for protocols without ports, and where no port could be read.
    pub port: Option<u16>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.port) {
            (Address::Ip(IpAddr::V6(ip)), Some(port)) => write!(f, "[{ip}]:{port}"),
            (address, Some(port)) => write!(f, "{address}:{port}"),
            (address, None) => address.fmt(f),
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(end: SocketAddr) -> Self {
        Self {
            address: Address::Ip(end.ip()),
            port: Some(end.port()),
        }
    }
}

/// The source and the destination of a flow.
pub(crate) fn endpoints(key: &FlowKey) -> (Endpoint, Endpoint) {
    let family = family(key);
    let ports = ports(key);
    (
        Endpoint {
            address: family.read(key.source),
            port: ports.map(|(source, _)| source),
        },
        Endpoint {
            address: family.read(key.destination),
            port: ports.map(|(_, destination)| destination),
        },
    )
}

/// What the addresses of a flow are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Family {
    #[default]
    Ipv4,
    Ipv6,
    Mac,
}

impl Family {
    pub(crate) fn read(self, bytes: [u8; 16]) -> Address {
        match self {
            Self::Ipv4 => {
                let [.., a, b, c, d] = bytes;
                Address::Ip(Ipv4Addr::new(a, b, c, d).into())
            }
            Self::Ipv6 => Address::Ip(Ipv6Addr::from(bytes).into()),
            Self::Mac => {
                let [a, b, c, d, e, f, ..] = bytes;
                Address::Mac(Mac([a, b, c, d, e, f]))
            }
        }
    }
}

/// How the addresses of a flow are to be read.
pub(crate) fn family(key: &FlowKey) -> Family {
    match u16::from_be_bytes(key.ethertype) {
        ethertype::IPV4 if is_mapped(key.source) && is_mapped(key.destination) => Family::Ipv4,
        ethertype::IPV6 if !has_macs(key) => Family::Ipv6,
        _ => Family::Mac,
    }
}

fn is_mapped(address: [u8; 16]) -> bool {
    address[..12] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
}

/// Whether the addresses of an IPv6 frame are MACs, since its header could not be read.
fn has_macs(key: &FlowKey) -> bool {
    key.protocol == 0 && key.source[6..] == [0; 10] && key.destination[6..] == [0; 10]
}

/// Source and destination port. Port 0 is reserved (RFC 6335 section 6): when both are 0 the
/// transport header was not there to be read.
fn ports(key: &FlowKey) -> Option<(u16, u16)> {
    let source = u16::from_be_bytes(key.source_port);
    let destination = u16::from_be_bytes(key.destination_port);
    (has_ports(key.protocol) && (source, destination) != (0, 0)).then_some((source, destination))
}

pub(crate) const fn has_ports(number: u8) -> bool {
    matches!(
        number,
        protocol::TCP | protocol::UDP | protocol::SCTP | protocol::DCCP | protocol::UDP_LITE
    )
}
