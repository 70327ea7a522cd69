//! Where a datagram was seen, and between whom.

use crate::endpoint::endpoints;
use netweir_wire::{
    map::{Direction, FlowKey},
    packet::protocol,
};
use std::net::SocketAddr;

/// What connections are told apart by before anything of QUIC is read: no connection ID of one
/// link means anything on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Link {
    pub(super) netns: u32,
    pub(super) ifindex: u32,
    pub(super) vlans: [u16; 2],
}

/// Both directions of a 5-tuple on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Path {
    pub(super) link: Link,
    /// The lower end first.
    ends: [SocketAddr; 2],
}

/// Where a datagram was seen, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) path: Path,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) direction: Direction,
    pub(super) time_ns: u64,
    /// Bytes of the UDP payload.
    pub(super) payload_bytes: u32,
}

impl At {
    /// Reads the key of a flow; `None` where it is not UDP over IP, or has no direction.
    pub(super) fn new(key: &FlowKey, time_ns: u64) -> Option<Self> {
        let direction = Direction::try_from(key.direction).ok()?;
        let (source, destination) = endpoints(key);
        let address = |end: crate::Endpoint| Some(SocketAddr::new(end.address.ip()?, end.port?));
        let (source, destination) = (address(source)?, address(destination)?);
        let link = Link {
            netns: key.netns,
            ifindex: key.ifindex,
            vlans: [key.outer_vlan, key.inner_vlan].map(u16::from_be_bytes),
        };
        (key.protocol == protocol::UDP).then_some(Self {
            path: Path {
                link,
                ends: [source.min(destination), source.max(destination)],
            },
            source,
            destination,
            direction,
            time_ns,
            payload_bytes: 0,
        })
    }

    /// Whether the source looks like the server: by the ports of servers, else by the lower port.
    pub(super) fn is_from_server(&self, ports: &[u16]) -> bool {
        let rank = |end: SocketAddr| (!ports.contains(&end.port()), end.port());
        rank(self.source) < rank(self.destination)
    }
}
