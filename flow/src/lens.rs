//! From a flow of the table to a record.

use crate::{
    EndReason, Icmp, InterfaceId, Mac, Record, endpoint::endpoints, flow::Flow,
    interface::Interfaces, quic::QuicMeter, rate::Ticks, reverse::is_icmp, sampling::Sampling,
    table::Live,
};
use netweir_wire::map::{Direction, FLOW_FIRST_FRAGMENT, FLOW_LATER_FRAGMENT, FlowKey};

/// What is needed to read a flow, besides the flow.
#[derive(Clone, Copy)]
pub(crate) struct Lens<'a> {
    pub(crate) interfaces: &'a Interfaces,
    pub(crate) ticks: Ticks,
    pub(crate) wall_offset_ns: i64,
    pub(crate) sampling: Sampling,
    pub(crate) quic: Option<&'a QuicMeter>,
}

impl Lens<'_> {
    pub(crate) fn record(&self, live: &Live<'_>, reason: Option<EndReason>) -> Record {
        let Live {
            key,
            flow,
            decision,
            ..
        } = live;
        let (source, destination) = endpoints(key);
        Record {
            netns: key.netns,
            ifindex: key.ifindex,
            interface: self.interfaces.name(interface_id(key)),
            direction: direction(key),
            source,
            destination,
            ethertype: u16::from_be_bytes(key.ethertype),
            protocol: key.protocol,
            vlans: [key.outer_vlan, key.inner_vlan].map(u16::from_be_bytes),
            count: self.sampling.count(flow.count),
            delta: self.sampling.count(flow.unreported()),
            sampling: self.sampling.one_in(),
            first_unix_ns: self.unix_ns(flow.first_ns),
            last_unix_ns: self.unix_ns(flow.last_ns),
            rate: self.sampling.rate(flow.pulse.rate(self.ticks, 0)),
            source_mac: Mac(live.source_mac),
            destination_mac: Mac(live.destination_mac),
            tcp_flags: flow.tcp_flags,
            traffic_class: flow.traffic_class,
            first_fragment: flow.marks & FLOW_FIRST_FRAGMENT != 0,
            later_fragment: flow.marks & FLOW_LATER_FRAGMENT != 0,
            icmp: icmp(key, flow),
            quic: self.quic.and_then(|quic| quic.summary(key)),
            decision: decision.clone(),
            reason,
        }
    }

    pub(crate) const fn unix_ns(&self, ns: u64) -> u64 {
        ns.saturating_add_signed(self.wall_offset_ns)
    }
}

pub(crate) const fn interface_id(key: &FlowKey) -> InterfaceId {
    InterfaceId {
        netns: key.netns,
        ifindex: key.ifindex,
    }
}

/// The direction of a flow in the table, which has no flow without one.
pub(crate) fn direction(key: &FlowKey) -> Direction {
    Direction::try_from(key.direction).unwrap_or(Direction::Ingress)
}

/// Type and code; later fragments have neither, and stand under type 0 if they stand alone.
pub(crate) fn icmp(key: &FlowKey, flow: &Flow) -> Option<Icmp> {
    let [kind, code] = key.destination_port;
    let fragments = FLOW_FIRST_FRAGMENT | FLOW_LATER_FRAGMENT;
    let unread = (kind, code) == (0, 0) && flow.marks & fragments == FLOW_LATER_FRAGMENT;
    (is_icmp(key.ethertype, key.protocol) && !unread).then_some(Icmp { kind, code })
}
