//! A packet that somebody asks about: which rule decides, and why.

use super::{Field, Numbered, Probe, Rule, RuleError, RuleSet};
use crate::{Protocol, endpoint::has_ports};
use netweir_wire::{map::Direction, packet::protocol};
use std::net::IpAddr;
use thiserror::Error;

/// A packet as it is asked about. What is not said of it matches no rule that asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    source: IpAddr,
    destination: IpAddr,
    ports: Option<[u16; 2]>,
    protocol: u8,
    interface: Option<String>,
    direction: Direction,
    vlan: u16,
    backend: Option<u32>,
}

/// Why there is no such packet.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QuestionError {
    /// Something else is expected there.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// One end is of IPv4, the other of IPv6.
    #[error("{0} and {1} are of two families: no packet has both")]
    Families(IpAddr, IpAddr),
    /// One port is said, the other is not.
    #[error("a packet has two ports or none: say both, or neither")]
    OnePort,
    /// Ports are said of a protocol without.
    #[error("{0} has no ports: leave them out, or name another protocol")]
    NoPorts(String),
}

impl Question {
    /// A packet from the first end to the second, each with its port if there is one. `asked` says what
    /// else is known, as a rule would ask for it; unless said, it is TCP and comes in.
    ///
    /// # Errors
    /// No packet is like that.
    pub fn new(
        [from, to]: [(IpAddr, Option<u16>); 2],
        asked: &[(Field, &str)],
    ) -> Result<Self, QuestionError> {
        let mut rule = Rule::default();
        for (field, text) in asked {
            rule.set(*field, text)?;
        }
        if from.0.is_ipv4() != to.0.is_ipv4() {
            return Err(QuestionError::Families(from.0, to.0));
        }
        let ports = match (from.1, to.1) {
            (Some(from), Some(to)) => Some([from, to]),
            (None, None) => None,
            _ => return Err(QuestionError::OnePort),
        };
        let protocol = rule.protocol.unwrap_or(protocol::TCP);
        if ports.is_some() && !has_ports(protocol) {
            let name = Protocol::Ip(protocol).to_string();
            return Err(QuestionError::NoPorts(name));
        }
        Ok(Self {
            source: from.0,
            destination: to.0,
            ports,
            protocol,
            interface: rule.interface,
            direction: rule.direction.unwrap_or(Direction::Ingress),
            vlan: rule.vlan.unwrap_or(0),
            backend: rule.backend,
        })
    }

    /// The packet as rules see it.
    pub fn probe(&self) -> Probe<'_> {
        Probe {
            source: Some(self.source),
            destination: Some(self.destination),
            ports: self.ports,
            protocol: Some(self.protocol),
            interface: self.interface.as_deref(),
            direction: self.direction,
            vlans: [self.vlan, 0],
            backend: self.backend,
        }
    }
}

/// Why a rule that matches decides, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It comes before all others that match.
    Decides,
    /// Its prefixes are shorter than those of the rule that decides.
    ShorterPrefixes,
    /// They are as long, and its priority is lower.
    LowerPriority,
    /// That is the same too, and its number is higher.
    Newer,
}

impl Reason {
    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Decides => "decides",
            Self::ShorterPrefixes => "its prefixes are shorter",
            Self::LowerPriority => "its priority is lower",
            Self::Newer => "it is newer",
        }
    }
}

impl RuleSet {
    /// All rules that match, in the order of their precedence, with the reason why the first one
    /// decides and the others do not.
    pub fn explain(&self, probe: &Probe<'_>) -> Vec<(&Numbered, Reason)> {
        let matching = self
            .rules()
            .iter()
            .filter(|known| known.rule.matches(probe));
        let mut winner: Option<&Rule> = None;
        matching
            .map(|known| match winner {
                None => {
                    winner = Some(&known.rule);
                    (known, Reason::Decides)
                }
                Some(winner) => (known, behind(&known.rule, winner)),
            })
            .collect()
    }
}

/// What a rule comes behind the one for that decides.
fn behind(rule: &Rule, winner: &Rule) -> Reason {
    if rule.prefix_bits() < winner.prefix_bits() {
        Reason::ShorterPrefixes
    } else if rule.priority < winner.priority {
        Reason::LowerPriority
    } else {
        Reason::Newer
    }
}
