//! Rules: which part of the traffic bears which label, and what is done with it.
//!
//! A [`Rule`] says what it matches. A [`RuleSet`] has them in the order of their precedence, and
//! decides about a flow by asking them one after the other: that is what a decision means.
//! [`RuleSet::compile`] makes of it what the kernel programs evaluate.

mod compile;
mod field;
mod probe;
mod question;
mod set;

pub use compile::{CompileError, CompiledRules};
pub use field::{Field, MAX_LABEL, RuleError};
pub use probe::Probe;
pub use question::{Question, QuestionError, Reason};
pub use set::{Numbered, RuleSet};

use ipnet::IpNet;
use netweir_wire::map::{Direction, RuleAction};
use std::ops::RangeInclusive;

/// What is done with the packets that a rule decides about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Action {
    /// They are counted, as without a rule.
    #[default]
    Count,
    /// The head of one in so many (at least 1) is told, at random.
    Sample(u32),
    /// They are counted and dropped.
    Drop,
    /// They take the way through user space of the inline path.
    Tap,
}

impl Action {
    /// What crosses the kernel border.
    pub const fn kind(self) -> RuleAction {
        match self {
            Self::Count => RuleAction::Count,
            Self::Sample(_) => RuleAction::Sample,
            Self::Drop => RuleAction::Drop,
            Self::Tap => RuleAction::Tap,
        }
    }
}

/// A rule: everything that it states has to hold for a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Name of the part of the traffic that it is about; several rules may give the same.
    pub label: String,
    /// What is done with the packets.
    pub action: Action,
    /// Of rules whose prefixes are as long, that with the highest priority decides.
    pub priority: i32,
    /// Whether it holds for the opposite direction too: ends and direction exchanged.
    pub both_ways: bool,
    /// Where packets come from.
    pub source: Option<IpNet>,
    /// Where they go.
    pub destination: Option<IpNet>,
    /// IP protocol.
    pub protocol: Option<u8>,
    /// Source ports.
    pub source_ports: Option<RangeInclusive<u16>>,
    /// Destination ports.
    pub destination_ports: Option<RangeInclusive<u16>>,
    /// Name of the interface.
    pub interface: Option<String>,
    /// Which way they go, seen from the host.
    pub direction: Option<Direction>,
    /// VLAN identifier on either tag; 0 for no tag at all.
    pub vlan: Option<u16>,
    /// Backend that the QUIC connection ID names.
    pub backend: Option<u32>,
}

impl Rule {
    /// Bits of both prefixes together: the longer they are, the earlier a rule is asked.
    pub fn prefix_bits(&self) -> u32 {
        let ends = [&self.source, &self.destination];
        let bits = ends.map(|end| end.map_or(0, |net| u32::from(net.prefix_len())));
        bits[0] + bits[1]
    }

    /// The rule for the opposite direction.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_ports: self.destination_ports.clone(),
            destination_ports: self.source_ports.clone(),
            direction: self.direction.map(|direction| match direction {
                Direction::Ingress => Direction::Egress,
                Direction::Egress => Direction::Ingress,
            }),
            ..self.clone()
        }
    }

    /// Whether all that it states holds.
    pub fn matches(&self, probe: &Probe<'_>) -> bool {
        self.matches_one_way(probe) || self.both_ways && self.reversed().matches_one_way(probe)
    }

    fn matches_one_way(&self, probe: &Probe<'_>) -> bool {
        let holds = |net: &Option<IpNet>, address| match net {
            Some(net) => matches!(address, Some(address) if net.contains(&address)),
            None => true,
        };
        let in_range = |ports: &Option<RangeInclusive<u16>>, port| match ports {
            Some(ports) => matches!(port, Some(port) if ports.contains(&port)),
            None => true,
        };
        holds(&self.source, probe.source)
            && holds(&self.destination, probe.destination)
            && in_range(&self.source_ports, probe.ports.map(|[source, _]| source))
            && in_range(&self.destination_ports, probe.ports.map(|[_, to]| to))
            && is_asked_for(self.protocol, probe.protocol)
            && is_asked_for(self.interface.as_deref(), probe.interface)
            && is_asked_for(self.direction, Some(probe.direction))
            && is_asked_for(self.backend, probe.backend)
            && match self.vlan {
                Some(0) => probe.vlans == [0, 0],
                Some(vlan) => probe.vlans.contains(&vlan),
                None => true,
            }
    }
}

/// Whether a rule asks for nothing, or for what is known.
fn is_asked_for<T: PartialEq + Copy>(asked: Option<T>, known: Option<T>) -> bool {
    asked.is_none() || asked == known
}
