//! The one type that all exits take: a reported flow.

use crate::{Address, Decision, Endpoint, Label, Mac, Protocol, Rate, quic};
use netweir_wire::map::{Count, Direction};
use std::sync::Arc;

/// Why a record was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// No packet came for the idle time-out: the flow has ended.
    Idle,
    /// The flow lasts longer than the active time-out; it goes on.
    Active,
    /// The program ends.
    Exit,
    /// Another rule decides about the flow from now on, so that no record has counts of two labels;
    /// the flow goes on.
    Relabelled,
}

impl EndReason {
    /// The name that views, metrics and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Active => "active",
            Self::Exit => "exit",
            Self::Relabelled => "relabelled",
        }
    }
}

/// Type and code of an ICMP or ICMPv6 message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Icmp {
    /// The type.
    pub kind: u8,
    /// The code.
    pub code: u8,
}

/// A flow at one moment: one direction of a 5-tuple on an interface.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Inode number of the interface's network namespace.
    pub netns: u32,
    /// Interface index within that namespace.
    pub ifindex: u32,
    /// Name of the interface; `if` and the index while nobody has told the name.
    pub interface: Arc<str>,
    /// Which way its packets go, seen from the host.
    pub direction: Direction,
    /// Where its packets come from.
    pub source: Endpoint,
    /// Where its packets go to.
    pub destination: Endpoint,
    /// Ethertype behind the VLAN tags; 0 for IEEE 802.3 and where it is not known.
    pub ethertype: u16,
    /// IP protocol behind the extension headers; 0 for frames that are not IP.
    pub protocol: u8,
    /// VLAN identifiers, outer first; 0 for none.
    pub vlans: [u16; 2],
    /// What was counted since the flow began.
    pub count: Count,
    /// What was counted since the last record of this flow.
    pub delta: Count,
    /// One frame in so many was counted, and counts and rates are multiplied by it; 1 if every frame
    /// was.
    pub sampling: u32,
    /// Time of the first packet, nanoseconds since 1970.
    pub first_unix_ns: u64,
    /// Time of the last packet, nanoseconds since 1970.
    pub last_unix_ns: u64,
    /// Rate in the last whole tick; 0 when the flow was silent in it.
    pub rate: Rate,
    /// Source MAC of the first packet; zero where the link has none.
    pub source_mac: Mac,
    /// Destination MAC of the first packet; zero where the link has none.
    pub destination_mac: Mac,
    /// All TCP flags seen.
    pub tcp_flags: u16,
    /// Type of service or traffic class of the last packet.
    pub traffic_class: u8,
    /// Whether a first fragment was among the packets.
    pub first_fragment: bool,
    /// Whether a later fragment was among the packets.
    pub later_fragment: bool,
    /// Type and code, for ICMP and ICMPv6.
    pub icmp: Option<Icmp>,
    /// What is known of the QUIC connection that it is a part of.
    pub quic: Option<Box<quic::Summary>>,
    /// What a rule has decided about it: in a live view the last one, else that under which all of
    /// `delta` was counted. None where no rule has.
    pub decision: Option<Decision>,
    /// Why it was reported; none in a live view.
    pub reason: Option<EndReason>,
}

impl Record {
    /// Its protocol, whose `Display` is a name: the IP protocol, or the ethertype where it is not
    /// IP.
    pub const fn protocol_name(&self) -> Protocol {
        match self.source.address {
            Address::Ip(_) => Protocol::Ip(self.protocol),
            Address::Mac(_) => Protocol::Ethertype(self.ethertype),
        }
    }

    /// Differentiated services code point of the last packet (RFC 2474).
    pub const fn dscp(&self) -> u8 {
        self.traffic_class >> 2
    }

    /// The label that the rule gives which has decided about it.
    pub fn label(&self) -> Option<&Label> {
        self.decision.as_ref()?.label.as_ref()
    }

    /// Time between the first and the last packet.
    pub const fn duration_ns(&self) -> u64 {
        self.last_unix_ns.saturating_sub(self.first_unix_ns)
    }
}
