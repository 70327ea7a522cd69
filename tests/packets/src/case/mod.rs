//! The tables of cases, a file for each noun.

mod address;
mod ethernet;
mod extension;
mod fragment;
mod icmp;
mod ipv4;
mod ipv6;
mod link;
mod protocol;
mod sctp;
mod tcp;
mod udp;
mod vlan;

use netweir_wire::packet::LinkType;

use crate::{Case, Expected};

/// Every case.
pub fn corpus() -> Vec<Case> {
    [
        ethernet::cases(),
        vlan::cases(),
        ipv4::cases(),
        fragment::cases(),
        tcp::cases(),
        udp::cases(),
        sctp::cases(),
        icmp::cases(),
        protocol::cases(),
        ipv6::cases(),
        extension::cases(),
        address::cases(),
        link::cases(),
    ]
    .concat()
}

/// A frame that begins with an Ethernet header.
fn case(name: &'static str, bytes: Vec<u8>, expected: Expected) -> Case {
    on(LinkType::Ethernet, name, bytes, expected)
}

/// A frame of another link type.
fn on(link: LinkType, name: &'static str, bytes: Vec<u8>, expected: Expected) -> Case {
    Case {
        name,
        link,
        bytes,
        expected,
    }
}
