//! A flow as the questions see it.

use super::{FILTER_DESTINATION, FILTER_SOURCE, FilterKind, FilterTerm, is_mapped, words};
use crate::{
    map::FlowKey,
    packet::{ethertype, protocol},
};

/// A flow as terms ask about it.
pub(super) struct Facts {
    /// Laid out like [`FilterTerm::address`]; MACs where there is no IP.
    source: [u64; 2],
    destination: [u64; 2],
    source_port: u32,
    destination_port: u32,
    has_ports: bool,
    is_ipv4: bool,
    is_ipv6: bool,
    protocol: u32,
    ethertype: u32,
    direction: u32,
    outer_vlan: u32,
    inner_vlan: u32,
    interface_names: u32,
}

impl Facts {
    #[inline(always)]
    pub(super) fn new(key: &FlowKey, interface_names: u32, forget: impl Fn(u32) -> u32) -> Self {
        let (source, destination) = (words(key.source), words(key.destination));
        let source_port = u32::from(u16::from_be_bytes(key.source_port));
        let destination_port = u32::from(u16::from_be_bytes(key.destination_port));
        let ethertype = u16::from_be_bytes(key.ethertype);
        let yes = |fact: bool| forget(u32::from(fact)) != 0;
        Self {
            // Port 0 is reserved (RFC 6335 section 6): both are 0 where none could be read.
            has_ports: yes(has_ports(key.protocol) && source_port | destination_port != 0),
            is_ipv4: yes(ethertype == ethertype::IPV4
                && is_mapped(source)
                && is_mapped(destination)),
            is_ipv6: yes(ethertype == ethertype::IPV6
                && !(key.protocol == 0 && is_mac(source) && is_mac(destination))),
            source,
            destination,
            source_port,
            destination_port,
            protocol: u32::from(key.protocol),
            ethertype: u32::from(ethertype),
            direction: u32::from(key.direction),
            outer_vlan: u32::from(u16::from_be_bytes(key.outer_vlan)),
            inner_vlan: u32::from(u16::from_be_bytes(key.inner_vlan)),
            interface_names,
        }
    }

    #[inline(always)]
    pub(super) fn answer(&self, term: &FilterTerm) -> bool {
        const IPV4: u8 = FilterKind::Ipv4 as u8;
        const IPV6: u8 = FilterKind::Ipv6 as u8;
        const PORTS: u8 = FilterKind::Ports as u8;
        const PROTOCOL: u8 = FilterKind::Protocol as u8;
        const ETHERTYPE: u8 = FilterKind::Ethertype as u8;
        const DIRECTION: u8 = FilterKind::Direction as u8;
        const VLAN: u8 = FilterKind::Vlan as u8;
        const INTERFACE: u8 = FilterKind::Interface as u8;
        let number = u32::from(term.low);
        match term.kind {
            IPV4 => self.is_ipv4 && self.is_in_net(term),
            IPV6 => self.is_ipv6 && self.is_in_net(term),
            PORTS => self.has_ports && self.is_in_ports(term),
            PROTOCOL => (self.is_ipv4 || self.is_ipv6) && self.protocol == number,
            ETHERTYPE => self.ethertype == number,
            DIRECTION => self.direction == number,
            VLAN if number == 0 => self.outer_vlan | self.inner_vlan == 0,
            VLAN => self.outer_vlan == number || self.inner_vlan == number,
            INTERFACE => self.interface_names >> (number & 31) & 1 == 1,
            _ => false,
        }
    }

    #[inline(always)]
    fn is_in_net(&self, term: &FilterTerm) -> bool {
        let is_in = |address: [u64; 2]| {
            (address[0] ^ term.address[0]) & term.mask[0] == 0
                && (address[1] ^ term.address[1]) & term.mask[1] == 0
        };
        term.ends & FILTER_SOURCE != 0 && is_in(self.source)
            || term.ends & FILTER_DESTINATION != 0 && is_in(self.destination)
    }

    #[inline(always)]
    fn is_in_ports(&self, term: &FilterTerm) -> bool {
        let (low, high) = (u32::from(term.low), u32::from(term.high));
        let is_in = |port: u32| low <= port && port <= high;
        term.ends & FILTER_SOURCE != 0 && is_in(self.source_port)
            || term.ends & FILTER_DESTINATION != 0 && is_in(self.destination_port)
    }
}

/// Whether there is nothing behind the six bytes of a MAC.
#[inline(always)]
pub(in crate::map) const fn is_mac(address: [u64; 2]) -> bool {
    const REST: u64 = u64::from_ne_bytes([0, 0, 0, 0, 0, 0, 0xff, 0xff]);
    ((address[0] & REST) | address[1]) == 0
}

#[inline(always)]
pub(in crate::map) const fn has_ports(number: u8) -> bool {
    matches!(
        number,
        protocol::TCP | protocol::UDP | protocol::SCTP | protocol::DCCP | protocol::UDP_LITE
    )
}
