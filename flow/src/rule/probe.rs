//! What is known of a flow when a rule is asked.

use crate::filter::Facts;
use netweir_wire::map::{Direction, FlowKey};
use std::net::IpAddr;

/// A flow as rules see it. What is not known matches no rule that asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe<'a> {
    /// Where it comes from.
    pub source: Option<IpAddr>,
    /// Where it goes.
    pub destination: Option<IpAddr>,
    /// Source and destination port, where the protocol has ports and they could be read.
    pub ports: Option<[u16; 2]>,
    /// IP protocol.
    pub protocol: Option<u8>,
    /// Name of the interface.
    pub interface: Option<&'a str>,
    /// Which way it goes, seen from the host.
    pub direction: Direction,
    /// VLAN identifiers, the outer one first; 0 for none.
    pub vlans: [u16; 2],
    /// QUIC backend.
    pub backend: Option<u32>,
}

impl<'a> Probe<'a> {
    /// The flow of a key, on an interface of this name.
    pub fn of_key(key: &FlowKey, interface: &'a str, backend: Option<u32>) -> Self {
        let facts = Facts::of_flow(key, interface);
        Self {
            source: facts.source,
            destination: facts.destination,
            ports: facts
                .source_port
                .zip(facts.destination_port)
                .map(|(from, to)| [from, to]),
            protocol: facts.protocol,
            interface: facts.interface,
            direction: facts.direction.unwrap_or(Direction::Ingress),
            vlans: facts.vlans.unwrap_or_default(),
            backend,
        }
    }
}
