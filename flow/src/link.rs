//! What a flow has in common with many others: where it is seen, what it carries, between which
//! two stations.

use crate::{InterfaceId, index::Key, shared::Share};
use netweir_wire::map::{FlowCounters, FlowKey};

/// All of a flow's key but addresses, ports and direction; and the MACs of its first packet.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Link {
    netns: u32,
    ifindex: u32,
    pub(crate) ethertype: [u8; 2],
    outer_vlan: [u8; 2],
    inner_vlan: [u8; 2],
    pub(crate) protocol: u8,
    pub(crate) source_mac: [u8; 6],
    pub(crate) destination_mac: [u8; 6],
}

/// Addresses, ports and direction of a flow.
pub(crate) struct Ends {
    pub(crate) source: [u8; 16],
    pub(crate) destination: [u8; 16],
    pub(crate) source_port: [u8; 2],
    pub(crate) destination_port: [u8; 2],
    pub(crate) direction: u8,
}

impl Link {
    pub(crate) const fn new(key: &FlowKey, counters: &FlowCounters) -> Self {
        Self {
            netns: key.netns,
            ifindex: key.ifindex,
            ethertype: key.ethertype,
            outer_vlan: key.outer_vlan,
            inner_vlan: key.inner_vlan,
            protocol: key.protocol,
            source_mac: counters.source_mac,
            destination_mac: counters.destination_mac,
        }
    }

    /// The interface of it.
    pub(crate) const fn interface(&self) -> InterfaceId {
        InterfaceId {
            netns: self.netns,
            ifindex: self.ifindex,
        }
    }

    /// The key of a flow over this link.
    pub(crate) const fn key(&self, ends: &Ends) -> FlowKey {
        FlowKey {
            netns: self.netns,
            ifindex: self.ifindex,
            source: ends.source,
            destination: ends.destination,
            source_port: ends.source_port,
            destination_port: ends.destination_port,
            ethertype: self.ethertype,
            outer_vlan: self.outer_vlan,
            inner_vlan: self.inner_vlan,
            protocol: self.protocol,
            direction: ends.direction,
            reserved: [0; 4],
        }
    }

    /// Whether the key of a flow has what this has, MACs aside.
    pub(crate) fn carries(&self, key: &FlowKey) -> bool {
        self.is_as(&Self::new(key, &FlowCounters::ZERO))
    }

    /// Whether two are the same, MACs aside.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        self.netns == other.netns
            && self.ifindex == other.ifindex
            && self.ethertype == other.ethertype
            && self.outer_vlan == other.outer_vlan
            && self.inner_vlan == other.inner_vlan
            && self.protocol == other.protocol
    }

    /// What makes it what it is, MACs aside.
    pub(crate) fn bytes(&self) -> [u8; 15] {
        let mut bytes = [0; 15];
        bytes[..4].copy_from_slice(&self.netns.to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.ifindex.to_ne_bytes());
        bytes[8..10].copy_from_slice(&self.ethertype);
        bytes[10..12].copy_from_slice(&self.outer_vlan);
        bytes[12..14].copy_from_slice(&self.inner_vlan);
        bytes[14] = self.protocol;
        bytes
    }
}

impl Share for Link {
    fn hash(&self, key: &Key) -> u32 {
        let mut bytes = [0; 27];
        bytes[..15].copy_from_slice(&self.bytes());
        bytes[15..21].copy_from_slice(&self.source_mac);
        bytes[21..].copy_from_slice(&self.destination_mac);
        key.hash(&bytes)
    }
}
