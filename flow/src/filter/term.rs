//! The terms of an expression, and what they match.

use super::Facts;
use ipnet::IpNet;
use netweir_wire::map::Direction;
use std::ops::RangeInclusive;

/// Which end of a flow a term is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Either,
    Source,
    Destination,
}

/// A question with one answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Term {
    /// A host is a network of one address.
    Net(Side, IpNet),
    Ports(Side, RangeInclusive<u16>),
    Protocol(u8),
    Ethertype(u16),
    Interface(String),
    Direction(Direction),
    /// On either tag; 0 for no tag at all.
    Vlan(u16),
    /// What the rule gives that has decided about it; empty for none.
    Label(String),
    /// The number of that rule; 0 for none.
    Rule(u16),
}

impl Term {
    pub(super) fn matches(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Net(side, net) => side.any(facts.source, facts.destination, |address| {
                net.contains(&address)
            }),
            Self::Ports(side, ports) => {
                side.any(facts.source_port, facts.destination_port, |port| {
                    ports.contains(&port)
                })
            }
            Self::Protocol(number) => facts.protocol == Some(*number),
            Self::Ethertype(number) => facts.ethertype == Some(*number),
            Self::Interface(name) => facts.interface == Some(name),
            Self::Direction(direction) => facts.direction == Some(*direction),
            Self::Label(name) => facts.rule.is_some() && facts.label.unwrap_or("") == name,
            Self::Rule(number) => facts.rule == Some(*number),
            Self::Vlan(0) => facts.vlans == Some([0, 0]),
            Self::Vlan(vlan) => facts.vlans.is_some_and(|vlans| vlans.contains(vlan)),
        }
    }
}

impl Side {
    /// Whether a known one of the ends that this is about passes the test.
    fn any<T>(self, source: Option<T>, destination: Option<T>, test: impl Fn(T) -> bool) -> bool {
        let is_source = self != Self::Destination && source.is_some_and(&test);
        is_source || self != Self::Source && destination.is_some_and(&test)
    }
}
