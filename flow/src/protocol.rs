//! Names of protocols.
//!
//! A flow is named by its IP protocol, or by its ethertype where it is not IP. Names are those of
//! the IANA and IEEE registries; a number that has no name here is written as a number.

use netweir_wire::packet::{ethertype, protocol};
use std::fmt;

/// What a flow speaks, written by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// An IP protocol number.
    Ip(u8),
    /// An ethertype; 0 for IEEE 802.3.
    Ethertype(u16),
}

/// IP protocols with their names (IANA registry).
const IP: &[(u8, &str)] = &[
    (protocol::HOP_BY_HOP, "HOPOPT"),
    (protocol::ICMP, "ICMP"),
    (2, "IGMP"),
    (4, "IPv4"),
    (protocol::TCP, "TCP"),
    (8, "EGP"),
    (9, "IGP"),
    (protocol::UDP, "UDP"),
    (27, "RDP"),
    (protocol::DCCP, "DCCP"),
    (41, "IPv6"),
    (protocol::ROUTING, "IPv6-Route"),
    (protocol::FRAGMENT, "IPv6-Frag"),
    (46, "RSVP"),
    (protocol::GRE, "GRE"),
    (protocol::ESP, "ESP"),
    (protocol::AH, "AH"),
    (protocol::ICMPV6, "ICMPv6"),
    (protocol::NO_NEXT_HEADER, "IPv6-NoNxt"),
    (protocol::DESTINATION, "IPv6-Opts"),
    (88, "EIGRP"),
    (89, "OSPF"),
    (94, "IPIP"),
    (97, "ETHERIP"),
    (103, "PIM"),
    (108, "IPComp"),
    (112, "VRRP"),
    (115, "L2TP"),
    (protocol::SCTP, "SCTP"),
    (133, "FC"),
    (protocol::MOBILITY, "Mobility"),
    (protocol::UDP_LITE, "UDPLite"),
    (137, "MPLS-in-IP"),
    (protocol::HIP, "HIP"),
    (protocol::SHIM6, "Shim6"),
    (255, "Reserved"),
];

/// Ethertypes with their names; where several share a name, the first is the one it stands for.
const ETHERTYPES: &[(u16, &str)] = &[
    (ethertype::IEEE_802_3, "802.3"),
    (ethertype::IPV4, "IP"),
    (ethertype::ARP, "ARP"),
    (0x0842, "WoL"),
    (0x8035, "RARP"),
    (ethertype::VLAN, "VLAN"),
    (ethertype::IPV6, "IP6"),
    (0x8808, "PAUSE"),
    (0x8809, "LACP"),
    (ethertype::MPLS, "MPLS"),
    (ethertype::MPLS_MULTICAST, "MPLS"),
    (ethertype::PPPOE_SESSION, "PPPoE"),
    (ethertype::PPPOE_DISCOVERY, "PPPoE"),
    (0x888e, "EAPOL"),
    (0x88a2, "AoE"),
    (ethertype::SERVICE_VLAN, "QinQ"),
    (ethertype::LLDP, "LLDP"),
    (0x88e5, "MACsec"),
    (0x88f7, "PTP"),
    (0x8902, "CFM"),
    (0x8906, "FCoE"),
    (0x8915, "RoCE"),
];

impl Protocol {
    /// The protocol of that name, in any case, IP protocols first; `icmp6` is taken for ICMPv6.
    pub fn from_name(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("icmp6") {
            return Some(Self::Ip(protocol::ICMPV6));
        }
        let ip = number_in(IP, name).map(Self::Ip);
        ip.or_else(|| Self::ethertype_from_name(name).map(Self::Ethertype))
    }

    /// The ethertype of that name, in any case.
    pub fn ethertype_from_name(name: &str) -> Option<u16> {
        number_in(ETHERTYPES, name)
    }

    /// Its name, if it has one here.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Ip(number) => name_in(IP, number),
            Self::Ethertype(number) => name_in(ETHERTYPES, number),
        }
    }
}

fn name_in<N: PartialEq + Copy>(names: &[(N, &'static str)], number: N) -> Option<&'static str> {
    let found = names.iter().find(|(known, _)| *known == number);
    found.map(|&(_, name)| name)
}

fn number_in<N: Copy>(names: &[(N, &str)], name: &str) -> Option<N> {
    let mut found = names
        .iter()
        .filter(|(_, known)| known.eq_ignore_ascii_case(name));
    found.next().map(|&(number, _)| number)
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self) {
            (Some(name), _) => f.pad(name),
            (None, Self::Ip(number)) => f.pad(&number.to_string()),
            (None, Self::Ethertype(number)) => f.pad(&format!("{number:#06x}")),
        }
    }
}
