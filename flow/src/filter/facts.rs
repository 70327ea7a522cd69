//! What a filter can ask about a flow or a host.

use crate::{Head, Record, endpoint::endpoints, lens::direction};
use netweir_wire::map::{Direction, FlowKey};
use std::net::IpAddr;

/// What is known of a flow or a host, without the cost of a record.
///
/// A term about something that is not known does not match.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts<'a> {
    pub(crate) source: Option<IpAddr>,
    pub(crate) destination: Option<IpAddr>,
    pub(crate) source_port: Option<u16>,
    pub(crate) destination_port: Option<u16>,
    pub(super) ethertype: Option<u16>,
    /// Only where there is an IP header.
    pub(crate) protocol: Option<u8>,
    pub(crate) vlans: Option<[u16; 2]>,
    pub(crate) direction: Option<Direction>,
    pub(crate) interface: Option<&'a str>,
    /// Number of the rule that has decided about it; 0 for none.
    pub(crate) rule: Option<u16>,
    /// The label that this rule gives.
    pub(crate) label: Option<&'a str>,
}

impl<'a> Facts<'a> {
    pub(crate) fn of_flow(key: &FlowKey, interface: &'a str) -> Self {
        let (source, destination) = endpoints(key);
        Self {
            source: source.address.ip(),
            destination: destination.address.ip(),
            source_port: source.port,
            destination_port: destination.port,
            ethertype: Some(u16::from_be_bytes(key.ethertype)),
            protocol: source.address.ip().map(|_| key.protocol),
            vlans: Some([key.outer_vlan, key.inner_vlan].map(u16::from_be_bytes)),
            direction: Some(direction(key)),
            interface: Some(interface),
            ..Self::default()
        }
    }

    /// The same with the rule that has decided, 0 for none, and its label.
    pub(crate) const fn under(self, rule: u16, label: Option<&'a str>) -> Self {
        Self {
            rule: Some(rule),
            label,
            ..self
        }
    }

    pub(super) fn of_record(record: &'a Record) -> Self {
        let source = record.source.address.ip();
        Self {
            source,
            destination: record.destination.address.ip(),
            source_port: record.source.port,
            destination_port: record.destination.port,
            ethertype: Some(record.ethertype),
            protocol: source.map(|_| record.protocol),
            vlans: Some(record.vlans),
            direction: Some(record.direction),
            interface: Some(&record.interface),
            rule: Some(record.decision.as_ref().map_or(0, |by| by.rule)),
            label: record.label().map(|label| &*label.name),
        }
    }

    pub(super) fn of_head(head: &'a Head) -> Self {
        let source = head.source.address.ip();
        Self {
            source,
            destination: head.destination.address.ip(),
            source_port: head.source.port,
            destination_port: head.destination.port,
            ethertype: Some(head.ethertype),
            protocol: source.map(|_| head.protocol),
            vlans: Some(head.vlans),
            direction: Some(head.direction),
            interface: Some(&head.interface),
            rule: Some(head.decision.as_ref().map_or(0, |by| by.rule)),
            label: head.label().map(|label| &*label.name),
        }
    }

    /// An address that sends as well as it receives.
    pub(crate) fn of_host(address: IpAddr) -> Self {
        Self {
            source: Some(address),
            destination: Some(address),
            ..Self::default()
        }
    }
}
