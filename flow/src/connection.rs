//! Both directions of a conversation, as one.
//!
//! Which flows belong together is what the module `reverse` says. The initiator is who sent a SYN
//! without ACK, else who was seen first, else who has the higher port. Where packets of one
//! direction alone are seen, as by XDP, their source is the initiator.

use crate::{
    Decision, Endpoint, Icmp, Protocol, Rate, Record,
    lens::{Lens, icmp},
    quic,
    reverse::is_reply,
    table::Table,
    tcp,
};
use netweir_wire::{map::Count, packet::protocol};
use std::{cmp::Reverse, sync::Arc};

/// How far a TCP connection has come, by the flags seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionState {
    /// Neither end has closed it, or only one of two.
    Open,
    /// Every end that was seen has sent FIN.
    Closed,
    /// An end has sent RST before that.
    Reset,
}

impl ConnectionState {
    /// The name that views, metrics and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Reset => "reset",
        }
    }
}

/// Both directions of a conversation on an interface.
///
/// A conversation over a loopback device makes two of them, in each of which every packet counts
/// once: one has the initiator's packets as seen at ingress, the other as seen at egress.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// Inode number of the interface's network namespace.
    pub netns: u32,
    /// Interface index within that namespace.
    pub ifindex: u32,
    /// Name of the interface.
    pub interface: Arc<str>,
    /// Who began it.
    pub initiator: Endpoint,
    /// Who answers.
    pub responder: Endpoint,
    /// Ethertype behind the VLAN tags.
    pub ethertype: u16,
    /// IP protocol behind the extension headers.
    pub protocol: u8,
    /// What it speaks, whose `Display` is a name.
    pub protocol_name: Protocol,
    /// VLAN identifiers, outer first; 0 for none.
    pub vlans: [u16; 2],
    /// From the initiator to the responder.
    pub forward: Count,
    /// From the responder to the initiator.
    pub reverse: Count,
    /// Rate from the initiator to the responder in the last whole tick.
    pub forward_rate: Rate,
    /// Rate from the responder to the initiator in the last whole tick.
    pub reverse_rate: Rate,
    /// One frame in so many was counted, and counts and rates are multiplied by it; 1 if every frame
    /// was.
    pub sampling: u32,
    /// Time of the first packet, nanoseconds since 1970.
    pub first_unix_ns: u64,
    /// Time of the last packet, nanoseconds since 1970.
    pub last_unix_ns: u64,
    /// Type and code of what the initiator sent, for ICMP and ICMPv6.
    pub icmp: Option<Icmp>,
    /// How far it has come, for TCP.
    pub state: Option<ConnectionState>,
    /// What a rule has decided about the initiator's flow; if none has, about the responder's.
    pub decision: Option<Decision>,
    /// What is known of the QUIC connection that it is.
    pub quic: Option<Box<quic::Summary>>,
}

impl Connection {
    /// Time between the first and the last packet.
    pub const fn duration_ns(&self) -> u64 {
        self.last_unix_ns.saturating_sub(self.first_unix_ns)
    }
}

/// One or two flows of the table that are tied together, the initiator's first.
#[derive(Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) forward: u32,
    pub(crate) reverse: Option<u32>,
}

impl Pair {
    /// The pair of a flow, told for one of its two flows only.
    pub(crate) fn of(table: &Table, id: u32) -> Option<Self> {
        let Some(partner) = table.partner(id) else {
            return Some(Self {
                forward: id,
                reverse: None,
            });
        };
        if id > partner {
            return None;
        }
        let (forward, reverse) = if is_initiative(table, id, partner) {
            (id, partner)
        } else {
            (partner, id)
        };
        Some(Self {
            forward,
            reverse: Some(reverse),
        })
    }

    /// Its flows.
    pub(crate) fn flows(self) -> impl Iterator<Item = u32> {
        [self.forward].into_iter().chain(self.reverse)
    }

    /// Reads it.
    pub(crate) fn read(self, table: &Table, lens: &Lens<'_>) -> Connection {
        let initiator = table.live(self.forward);
        let forward = lens.record(&initiator, None);
        let reverse = self.reverse.map(|id| lens.record(&table.live(id), None));
        let of_reverse = |read: fn(&Record) -> u64| reverse.as_ref().map(read);
        let first_unix_ns = of_reverse(|record| record.first_unix_ns).unwrap_or(u64::MAX);
        let last_unix_ns = of_reverse(|record| record.last_unix_ns).unwrap_or(0);
        Connection {
            netns: forward.netns,
            ifindex: forward.ifindex,
            initiator: forward.source,
            responder: forward.destination,
            ethertype: forward.ethertype,
            protocol: forward.protocol,
            protocol_name: forward.protocol_name(),
            vlans: forward.vlans,
            forward: forward.count,
            reverse: reverse
                .as_ref()
                .map_or_else(Count::default, |record| record.count),
            forward_rate: forward.rate,
            reverse_rate: reverse
                .as_ref()
                .map_or_else(Rate::default, |record| record.rate),
            sampling: forward.sampling,
            first_unix_ns: forward.first_unix_ns.min(first_unix_ns),
            last_unix_ns: forward.last_unix_ns.max(last_unix_ns),
            icmp: icmp(&initiator.key, initiator.flow),
            state: (forward.protocol == protocol::TCP).then(|| self.state(table)),
            interface: forward.interface,
            decision: forward
                .decision
                .or_else(|| reverse.and_then(|record| record.decision)),
            quic: forward.quic,
        }
    }

    fn state(self, table: &Table) -> ConnectionState {
        let has = |flag| move |id| table.get(id).tcp_flags & flag != 0;
        if self.flows().all(has(tcp::FIN)) {
            ConnectionState::Closed
        } else if self.flows().any(has(tcp::RST)) {
            ConnectionState::Reset
        } else {
            ConnectionState::Open
        }
    }
}

/// Whether the first of two flows is the initiator's.
fn is_initiative(table: &Table, id: u32, other: u32) -> bool {
    let signs = |id| {
        let (flow, link) = (table.get(id), table.link(id));
        let port = Reverse(flow.source_port);
        (
            !flow.has_opened(),
            flow.first_ns,
            is_reply(flow, link),
            port,
        )
    };
    let by_signs = signs(id).cmp(&signs(other));
    let by_key = || table.key(id).cmp(&table.key(other));
    by_signs.then_with(by_key).is_le()
}
