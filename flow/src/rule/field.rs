//! The text of a rule: what each of its fields is called, and what may stand there.
//!
//! Files, the command line and the API all read and write rules by these names.

use super::{Action, Rule};
use crate::{
    Protocol,
    endpoint::has_ports,
    filter::{net, ports, vlan_number},
};
use ipnet::IpNet;
use netweir_wire::map::Direction;
use std::{fmt, ops::RangeInclusive, str::FromStr};
use thiserror::Error;

/// Characters of a label at most.
pub const MAX_LABEL: usize = 64;

/// What a rule can say, each by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// [`Rule::label`].
    Label,
    /// [`Rule::action`].
    Action,
    /// [`Rule::priority`].
    Priority,
    /// [`Rule::source`].
    Source,
    /// [`Rule::destination`].
    Destination,
    /// [`Rule::protocol`].
    Protocol,
    /// [`Rule::source_ports`].
    SourcePort,
    /// [`Rule::destination_ports`].
    DestinationPort,
    /// [`Rule::both_ways`].
    BothWays,
    /// [`Rule::interface`].
    Interface,
    /// [`Rule::direction`].
    Direction,
    /// [`Rule::vlan`].
    Vlan,
    /// [`Rule::backend`].
    Backend,
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RuleError {
    /// No field has this name.
    #[error("`{0}` is nothing that a rule can say: it takes {FIELDS}")]
    Unknown(String),
    /// Something else is expected there.
    #[error("`{field}`: {value:?} is not {expected}")]
    Value {
        /// Which field.
        field: &'static str,
        /// What stands there.
        value: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// Every rule has a label.
    #[error("`label` is missing: a rule gives a part of the traffic a name")]
    NoLabel,
    /// Nothing can match.
    #[error(
        "`source` is of IPv4 and `destination` of IPv6, or the other way round: no packet is both"
    )]
    Families,
    /// Nothing can match.
    #[error("`protocol`: {0} has no ports, so a rule of it that states ports matches nothing")]
    NoPorts(String),
    /// Nothing can match.
    #[error(
        "`{0}`: addresses of ::ffff:0:0/96 stand for IPv4 ones and are in no packet: write them as IPv4"
    )]
    Mapped(&'static str),
}

/// The names of all fields, for messages.
const FIELDS: &str = "label, action, priority, source, destination, protocol, source_port, \
                      destination_port, both_ways, interface, direction, vlan and backend";

impl Field {
    /// Every field, in the order in which rules are written.
    pub const ALL: [Self; 13] = [
        Self::Label,
        Self::Action,
        Self::Priority,
        Self::Source,
        Self::Destination,
        Self::Protocol,
        Self::SourcePort,
        Self::DestinationPort,
        Self::BothWays,
        Self::Interface,
        Self::Direction,
        Self::Vlan,
        Self::Backend,
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Action => "action",
            Self::Priority => "priority",
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Protocol => "protocol",
            Self::SourcePort => "source_port",
            Self::DestinationPort => "destination_port",
            Self::BothWays => "both_ways",
            Self::Interface => "interface",
            Self::Direction => "direction",
            Self::Vlan => "vlan",
            Self::Backend => "backend",
        }
    }

    /// What may stand there.
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Label => "a label: 1 to 64 letters (a to z, A to Z), digits and . _ : / -",
            Self::Action => {
                "an action: `count`, `drop`, `tap`, or `sample N` for the head of one in N"
            }
            Self::Priority => "a whole number from -1000000 to 1000000",
            Self::Source | Self::Destination => "an address or a network, such as 10.0.0.0/8",
            Self::Protocol => "an IP protocol, such as tcp, udp, icmp, or a number from 1 to 255",
            Self::SourcePort | Self::DestinationPort => {
                "a port (0 to 65535) or a range, such as 443 or 80-90"
            }
            Self::BothWays => "`true` or `false`",
            Self::Interface => "the name of one interface: 1 to 15 characters, and no pattern",
            Self::Direction => "a direction: `in` or `out`",
            Self::Vlan => "a VLAN identifier from 1 to 4095, or 0 for no tag",
            Self::Backend => "a QUIC backend: a number from 0 to 4294967293",
        }
    }
}

impl FromStr for Field {
    type Err = RuleError;

    fn from_str(name: &str) -> Result<Self, RuleError> {
        let known = Self::ALL.into_iter().find(|field| field.name() == name);
        known.ok_or_else(|| RuleError::Unknown(name.to_owned()))
    }
}

impl Rule {
    /// Sets what a text says.
    ///
    /// # Errors
    /// It is not what the field takes.
    pub fn set(&mut self, field: Field, text: &str) -> Result<(), RuleError> {
        if self.read(field, text.trim()).is_some() {
            return Ok(());
        }
        Err(RuleError::Value {
            field: field.name(),
            value: text.to_owned(),
            expected: field.expected(),
        })
    }

    fn read(&mut self, field: Field, text: &str) -> Option<()> {
        match field {
            Field::Label => self.label = label(text)?,
            Field::Action => self.action = text.parse().ok()?,
            Field::Priority => {
                let within = |number: &i32| number.unsigned_abs() <= 1_000_000;
                self.priority = text.parse().ok().filter(within)?;
            }
            Field::Source => self.source = Some(net(text)?),
            Field::Destination => self.destination = Some(net(text)?),
            Field::Protocol => self.protocol = Some(protocol(text)?),
            Field::SourcePort => self.source_ports = Some(ports(text)?),
            Field::DestinationPort => self.destination_ports = Some(ports(text)?),
            Field::BothWays => self.both_ways = text.parse().ok()?,
            Field::Interface => self.interface = Some(interface(text)?),
            Field::Direction => self.direction = Some(direction(text)?),
            Field::Vlan => self.vlan = Some(vlan_number(text)?),
            Field::Backend => {
                // One more than it has to be a number too, and 0 is for none.
                let within = |number: &u32| *number <= u32::MAX - 2;
                self.backend = Some(text.parse().ok().filter(within)?);
            }
        }
        Some(())
    }

    /// Whether it says enough, and nothing that cannot be.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), RuleError> {
        if self.label.is_empty() {
            return Err(RuleError::NoLabel);
        }
        let states_ports = self.source_ports.is_some() || self.destination_ports.is_some();
        if let Some(protocol) = self.protocol
            && states_ports
            && !has_ports(protocol)
        {
            return Err(RuleError::NoPorts(protocol_text(protocol)));
        }
        for (field, net) in [
            (Field::Source, &self.source),
            (Field::Destination, &self.destination),
        ] {
            if net.as_ref().is_some_and(is_mapped) {
                return Err(RuleError::Mapped(field.name()));
            }
        }
        match (&self.source, &self.destination) {
            (Some(IpNet::V4(_)), Some(IpNet::V6(_))) | (Some(IpNet::V6(_)), Some(IpNet::V4(_))) => {
                Err(RuleError::Families)
            }
            _ => Ok(()),
        }
    }

    /// What it says, in the order of [`Field::ALL`]; what it does not say is left out.
    pub fn fields(&self) -> Vec<(Field, String)> {
        let text = |field| Some((field, self.text(field)?));
        Field::ALL.into_iter().filter_map(text).collect()
    }

    /// What stands in a field.
    pub fn text(&self, field: Field) -> Option<String> {
        match field {
            Field::Label => Some(self.label.clone()),
            Field::Action => Some(self.action.to_string()),
            Field::Priority => (self.priority != 0).then(|| self.priority.to_string()),
            Field::Source => self.source.as_ref().map(net_text),
            Field::Destination => self.destination.as_ref().map(net_text),
            Field::Protocol => self.protocol.map(protocol_text),
            Field::SourcePort => self.source_ports.as_ref().map(ports_text),
            Field::DestinationPort => self.destination_ports.as_ref().map(ports_text),
            Field::BothWays => self.both_ways.then(|| "true".to_owned()),
            Field::Interface => self.interface.clone(),
            Field::Direction => self.direction.map(|direction| match direction {
                Direction::Ingress => "in".to_owned(),
                Direction::Egress => "out".to_owned(),
            }),
            Field::Vlan => self.vlan.map(|vlan| vlan.to_string()),
            Field::Backend => self.backend.map(|backend| backend.to_string()),
        }
    }
}

impl FromStr for Action {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut words = text.split_whitespace();
        let action = match (words.next(), words.next()) {
            (Some("count"), None) => Self::Count,
            (Some("drop"), None) => Self::Drop,
            (Some("tap"), None) => Self::Tap,
            (Some("sample"), None) => Self::Sample(1),
            (Some("sample"), Some(number)) => match number.parse() {
                Ok(one_in @ 1..) => Self::Sample(one_in),
                _ => return Err(()),
            },
            _ => return Err(()),
        };
        if words.next().is_some() {
            Err(())
        } else {
            Ok(action)
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sample(one_in) => write!(formatter, "sample {one_in}"),
            other => formatter.write_str(other.kind().name()),
        }
    }
}

fn label(text: &str) -> Option<String> {
    let is_right = |letter: char| letter.is_ascii_alphanumeric() || "._:/-".contains(letter);
    let fits = (1..=MAX_LABEL).contains(&text.len()) && text.chars().all(is_right);
    fits.then(|| text.to_owned())
}

/// A name as the kernel takes it (`dev_valid_name`), but for those that are patterns elsewhere.
fn interface(text: &str) -> Option<String> {
    let is_right = |letter: char| !"/:*?[".contains(letter) && !letter.is_whitespace();
    let fits = (1..=15).contains(&text.len()) && text.chars().all(is_right);
    fits.then(|| text.to_owned())
}

fn protocol(text: &str) -> Option<u8> {
    if let Ok(number) = text.parse() {
        return (number != 0).then_some(number);
    }
    match Protocol::from_name(text)? {
        Protocol::Ip(number) => Some(number),
        Protocol::Ethertype(_) => None,
    }
}

/// Whether all addresses of a network stand for IPv4 ones.
fn is_mapped(net: &IpNet) -> bool {
    matches!(net, IpNet::V6(net) if net.prefix_len() >= 96 && net.addr().to_ipv4_mapped().is_some())
}

fn direction(text: &str) -> Option<Direction> {
    match text {
        "in" => Some(Direction::Ingress),
        "out" => Some(Direction::Egress),
        _ => None,
    }
}

fn net_text(net: &IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() {
        net.addr().to_string()
    } else {
        net.to_string()
    }
}

fn protocol_text(number: u8) -> String {
    let name = Protocol::Ip(number).name();
    name.map_or_else(|| number.to_string(), str::to_ascii_lowercase)
}

fn ports_text(ports: &RangeInclusive<u16>) -> String {
    if ports.start() == ports.end() {
        ports.start().to_string()
    } else {
        format!("{}-{}", ports.start(), ports.end())
    }
}
