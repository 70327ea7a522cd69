//! An expression as text: no more parentheses than are needed, and it reads back as the same.

use super::{
    Filter, Node,
    term::{Side, Term},
    token::is_plain,
};
use crate::Protocol;
use ipnet::IpNet;
use netweir_wire::map::Direction;
use std::fmt::{self, Display as _, Write as _};

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Term(term) => term.fmt(f),
            Self::Not(node) => {
                f.write_str("not ")?;
                node.write_within(f)
            }
            Self::And(nodes) => write_joined(f, nodes, " and "),
            Self::Or(nodes) => write_joined(f, nodes, " or "),
        }
    }
}

fn write_joined(f: &mut fmt::Formatter<'_>, nodes: &[Node], joint: &str) -> fmt::Result {
    for (at, node) in nodes.iter().enumerate() {
        if at > 0 {
            f.write_str(joint)?;
        }
        match node {
            // `and` binds closer than `or` without parentheses.
            Node::And(_) => node.fmt(f)?,
            _ => node.write_within(f)?,
        }
    }
    Ok(())
}

impl Node {
    /// Writes it as a part of something that binds closer than chains do.
    fn write_within(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(_) | Self::Or(_) => write!(f, "({self})"),
            Self::Term(_) | Self::Not(_) => self.fmt(f),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(side, net) => {
                f.write_str(side.prefix())?;
                write_net(f, net)
            }
            Self::Ports(side, ports) if ports.start() == ports.end() => {
                write!(f, "{}port {}", side.prefix(), ports.start())
            }
            Self::Ports(side, ports) => {
                write!(f, "{}port {}-{}", side.prefix(), ports.start(), ports.end())
            }
            Self::Protocol(number) => write!(f, "proto {}", lower(Protocol::Ip(*number))),
            Self::Ethertype(number) => {
                write!(f, "ethertype {number:#06x}")
            }
            Self::Interface(name) => {
                f.write_str("interface ")?;
                write_name(f, name)
            }
            Self::Direction(Direction::Ingress) => f.write_str("in"),
            Self::Direction(Direction::Egress) => f.write_str("out"),
            Self::Vlan(vlan) => write!(f, "vlan {vlan}"),
            Self::Label(name) => {
                f.write_str("label ")?;
                write_name(f, name)
            }
            Self::Rule(number) => write!(f, "rule {number}"),
        }
    }
}

impl Side {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Either => "",
            Self::Source => "src ",
            Self::Destination => "dst ",
        }
    }
}

fn lower(protocol: Protocol) -> String {
    protocol.to_string().to_ascii_lowercase()
}

fn write_net(f: &mut fmt::Formatter<'_>, net: &IpNet) -> fmt::Result {
    if net.prefix_len() == net.max_prefix_len() {
        write!(f, "host {}", net.addr())
    } else {
        write!(f, "net {net}")
    }
}

/// Writes a name, in quotes where it would not be one word.
fn write_name(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    if !name.is_empty() && name.chars().all(is_plain) {
        return f.write_str(name);
    }
    f.write_char('"')?;
    for character in name.chars() {
        if matches!(character, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(character)?;
    }
    f.write_char('"')
}
