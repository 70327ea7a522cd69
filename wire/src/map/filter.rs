//! Which packets are counted at all: a filter, compiled for the kernel programs.
//!
//! The terms ask about a packet, one bit each; a clause names bits that have to be set and bits that
//! have to be clear; a packet is admitted if any clause agrees. User space compiles an expression to
//! it, both sides evaluate it by the same function, which answers as the expression itself does.

use super::FlowKey;
use crate::packet::{ethertype, protocol};

/// Terms of a program at most.
pub const FILTER_TERMS: usize = 16;
/// Clauses of a program at most.
pub const FILTER_CLAUSES: usize = 8;

/// Bit of [`FilterTerm::ends`]: the term is about the source.
pub const FILTER_SOURCE: u8 = 1;
/// Bit of [`FilterTerm::ends`]: the term is about the destination.
pub const FILTER_DESTINATION: u8 = 2;

/// What a [`FilterTerm`] asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FilterKind {
    /// An IPv4 address under a mask.
    Ipv4 = 0,
    /// An IPv6 address under a mask.
    Ipv6 = 1,
    /// Ports from `low` to `high`, where the protocol has ports and they could be read.
    Ports = 2,
    /// The IP protocol `low`, where there is an IP header.
    Protocol = 3,
    /// The ethertype `low`.
    Ethertype = 4,
    /// The [`super::Direction`] `low`.
    Direction = 5,
    /// The VLAN identifier `low` on either tag; 0 for no identifier on both.
    Vlan = 6,
    /// The interface has the name of number `low`.
    Interface = 7,
}

impl FilterKind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 8] = [
        Self::Ipv4,
        Self::Ipv6,
        Self::Ports,
        Self::Protocol,
        Self::Ethertype,
        Self::Direction,
        Self::Vlan,
        Self::Interface,
    ];
}

/// A question with one answer. What its kind does not use is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct FilterTerm {
    /// The 16 bytes of an address as on the wire, IPv4 as v4-mapped; two numbers, so that the kernel
    /// programs do not read it byte by byte.
    pub address: [u64; 2],
    /// Which of its bits count; laid out like it.
    pub mask: [u64; 2],
    /// A number, or the first of several; host order.
    pub low: u16,
    /// The last of several; host order.
    pub high: u16,
    /// A [`FilterKind`].
    pub kind: u8,
    /// `FILTER_SOURCE`, `FILTER_DESTINATION`, or both for either: for addresses and ports.
    pub ends: u8,
    /// Padding.
    pub reserved: [u8; 2],
}

/// Terms that all have to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct FilterClause {
    /// Bits of the terms whose answer has to be yes.
    pub yes: u32,
    /// Bits of the terms whose answer has to be no.
    pub no: u32,
}

/// Which packets are counted. The default admits all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct FilterProgram {
    /// What is asked; term `n` answers with bit `n`.
    pub terms: [FilterTerm; FILTER_TERMS],
    /// Any of them is enough.
    pub clauses: [FilterClause; FILTER_CLAUSES],
    /// How many terms there are; none if there is no filter.
    pub term_count: u32,
    /// How many clauses there are.
    pub clause_count: u32,
    /// 1 if the clauses say what is not admitted, else 0.
    pub inverted: u32,
    /// Always 0.
    pub reserved: u32,
}

impl Default for FilterProgram {
    fn default() -> Self {
        Self::ALL
    }
}

impl FilterProgram {
    /// Admits every packet.
    pub const ALL: Self = Self {
        terms: [FilterTerm {
            address: [0; 2],
            mask: [0; 2],
            low: 0,
            high: 0,
            kind: 0,
            ends: 0,
            reserved: [0; 2],
        }; FILTER_TERMS],
        clauses: [FilterClause { yes: 0, no: 0 }; FILTER_CLAUSES],
        term_count: 0,
        clause_count: 0,
        inverted: 0,
        reserved: 0,
    };

    /// Whether a packet of this flow is counted. Bit `n` of `interface_names` says whether its
    /// interface has name `n` of those that the filter asks for.
    #[inline(always)]
    pub fn admits(&self, key: &FlowKey, interface_names: u32) -> bool {
        self.admits_forgetting(key, interface_names, |number| number)
    }

    /// The same, where `forget` returns its argument in a way that the verifier does not follow, so
    /// that paths which differ in nothing but the answers so far become one.
    #[inline(always)]
    pub fn admits_forgetting(
        &self,
        key: &FlowKey,
        interface_names: u32,
        forget: impl Fn(u32) -> u32,
    ) -> bool {
        if self.term_count == 0 {
            return true;
        }
        let facts = Facts::new(key, interface_names, &forget);
        let mut answers = 0;
        for number in 0..(self.term_count as usize).min(FILTER_TERMS) {
            if let Some(term) = self.terms.get(number) {
                let answer = forget(u32::from(facts.answer(term)));
                answers = forget(answers | answer << number);
            }
        }
        let mut agreed = 0;
        for number in 0..(self.clause_count as usize).min(FILTER_CLAUSES) {
            if let Some(clause) = self.clauses.get(number) {
                // Nothing that should be set is clear, and nothing that should be clear is set.
                let wrong = (clause.yes & !answers) | (clause.no & answers);
                agreed = forget(agreed | forget(u32::from(wrong == 0)));
            }
        }
        agreed != self.inverted
    }
}

/// A flow as terms ask about it.
struct Facts {
    /// Laid out like [`FilterTerm::address`]; MACs where there is no IP.
    source: [u64; 2],
    destination: [u64; 2],
    source_port: u32,
    destination_port: u32,
    has_ports: bool,
    is_ipv4: bool,
    is_ipv6: bool,
    protocol: u32,
    ethertype: u32,
    direction: u32,
    outer_vlan: u32,
    inner_vlan: u32,
    interface_names: u32,
}

impl Facts {
    #[inline(always)]
    fn new(key: &FlowKey, interface_names: u32, forget: impl Fn(u32) -> u32) -> Self {
        let (source, destination) = (words(key.source), words(key.destination));
        let source_port = u32::from(u16::from_be_bytes(key.source_port));
        let destination_port = u32::from(u16::from_be_bytes(key.destination_port));
        let ethertype = u16::from_be_bytes(key.ethertype);
        let yes = |fact: bool| forget(u32::from(fact)) != 0;
        Self {
            // Port 0 is reserved (RFC 6335 section 6): both are 0 where none could be read.
            has_ports: yes(has_ports(key.protocol) && source_port | destination_port != 0),
            is_ipv4: yes(ethertype == ethertype::IPV4
                && is_mapped(source)
                && is_mapped(destination)),
            is_ipv6: yes(ethertype == ethertype::IPV6
                && !(key.protocol == 0 && is_mac(source) && is_mac(destination))),
            source,
            destination,
            source_port,
            destination_port,
            protocol: u32::from(key.protocol),
            ethertype: u32::from(ethertype),
            direction: u32::from(key.direction),
            outer_vlan: u32::from(u16::from_be_bytes(key.outer_vlan)),
            inner_vlan: u32::from(u16::from_be_bytes(key.inner_vlan)),
            interface_names,
        }
    }

    #[inline(always)]
    fn answer(&self, term: &FilterTerm) -> bool {
        const IPV4: u8 = FilterKind::Ipv4 as u8;
        const IPV6: u8 = FilterKind::Ipv6 as u8;
        const PORTS: u8 = FilterKind::Ports as u8;
        const PROTOCOL: u8 = FilterKind::Protocol as u8;
        const ETHERTYPE: u8 = FilterKind::Ethertype as u8;
        const DIRECTION: u8 = FilterKind::Direction as u8;
        const VLAN: u8 = FilterKind::Vlan as u8;
        const INTERFACE: u8 = FilterKind::Interface as u8;
        let number = u32::from(term.low);
        match term.kind {
            IPV4 => self.is_ipv4 && self.is_in_net(term),
            IPV6 => self.is_ipv6 && self.is_in_net(term),
            PORTS => self.has_ports && self.is_in_ports(term),
            PROTOCOL => (self.is_ipv4 || self.is_ipv6) && self.protocol == number,
            ETHERTYPE => self.ethertype == number,
            DIRECTION => self.direction == number,
            VLAN if number == 0 => self.outer_vlan | self.inner_vlan == 0,
            VLAN => self.outer_vlan == number || self.inner_vlan == number,
            INTERFACE => self.interface_names >> (number & 31) & 1 == 1,
            _ => false,
        }
    }

    #[inline(always)]
    fn is_in_net(&self, term: &FilterTerm) -> bool {
        let is_in = |address: [u64; 2]| {
            (address[0] ^ term.address[0]) & term.mask[0] == 0
                && (address[1] ^ term.address[1]) & term.mask[1] == 0
        };
        term.ends & FILTER_SOURCE != 0 && is_in(self.source)
            || term.ends & FILTER_DESTINATION != 0 && is_in(self.destination)
    }

    #[inline(always)]
    fn is_in_ports(&self, term: &FilterTerm) -> bool {
        let (low, high) = (u32::from(term.low), u32::from(term.high));
        let is_in = |port: u32| low <= port && port <= high;
        term.ends & FILTER_SOURCE != 0 && is_in(self.source_port)
            || term.ends & FILTER_DESTINATION != 0 && is_in(self.destination_port)
    }
}

/// The 16 bytes of an address as two numbers that have the same bytes in memory.
#[inline(always)]
pub const fn words(address: [u8; 16]) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = address;
    [
        u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
        u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
    ]
}

/// Whether an address is IPv4 as v4-mapped (RFC 4291 section 2.5.5.2).
#[inline(always)]
pub(super) const fn is_mapped(address: [u64; 2]) -> bool {
    const PREFIX: u64 = u64::from_ne_bytes([0, 0, 0xff, 0xff, 0, 0, 0, 0]);
    const MASK: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    (address[0] | ((address[1] & MASK) ^ PREFIX)) == 0
}

/// Whether there is nothing behind the six bytes of a MAC.
#[inline(always)]
const fn is_mac(address: [u64; 2]) -> bool {
    const REST: u64 = u64::from_ne_bytes([0, 0, 0, 0, 0, 0, 0xff, 0xff]);
    ((address[0] & REST) | address[1]) == 0
}

#[inline(always)]
const fn has_ports(number: u8) -> bool {
    matches!(
        number,
        protocol::TCP | protocol::UDP | protocol::SCTP | protocol::DCCP | protocol::UDP_LITE
    )
}

#[cfg(test)]
mod tests {
    use super::{
        FILTER_DESTINATION, FILTER_SOURCE, FilterClause, FilterKind, FilterProgram, FilterTerm,
        FlowKey, ethertype, protocol, words,
    };

    /// 10.0.0.`last`, v4-mapped.
    const fn address(last: u8) -> [u8; 16] {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, last]
    }

    /// TCP from 10.0.0.1:5000 to 10.0.0.2:443.
    fn tcp() -> FlowKey {
        FlowKey {
            source: address(1),
            destination: address(2),
            source_port: 5000_u16.to_be_bytes(),
            destination_port: 443_u16.to_be_bytes(),
            ethertype: ethertype::IPV4.to_be_bytes(),
            protocol: protocol::TCP,
            ..FlowKey::default()
        }
    }

    fn number(kind: FilterKind, low: u16) -> FilterTerm {
        FilterTerm {
            low,
            kind: kind as u8,
            ..FilterTerm::default()
        }
    }

    fn port(low: u16, high: u16, ends: u8) -> FilterTerm {
        FilterTerm {
            high,
            ends,
            ..number(FilterKind::Ports, low)
        }
    }

    fn program(terms: &[FilterTerm], clauses: &[(u32, u32)]) -> FilterProgram {
        let mut program = FilterProgram {
            term_count: terms.len() as u32,
            clause_count: clauses.len() as u32,
            ..FilterProgram::ALL
        };
        program.terms[..terms.len()].copy_from_slice(terms);
        for (clause, &(yes, no)) in program.clauses.iter_mut().zip(clauses) {
            *clause = FilterClause { yes, no };
        }
        program
    }

    /// Whether a program of one term admits a flow.
    fn holds(term: FilterTerm, key: &FlowKey) -> bool {
        program(&[term], &[(1, 0)]).admits(key, 0b100)
    }

    #[test]
    fn every_kind_stands_at_its_number() {
        for (number, kind) in FilterKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number, "{kind:?}");
        }
    }

    #[test]
    fn nothing_asked_is_everything_admitted() {
        assert!(FilterProgram::ALL.admits(&FlowKey::default(), 0));
        assert!(!program(&[FilterTerm::default()], &[]).admits(&tcp(), 0));
    }

    #[test]
    fn numbers_are_compared() {
        let table = [
            (FilterKind::Protocol, 6, true),
            (FilterKind::Protocol, 17, false),
            (FilterKind::Ethertype, 0x0800, true),
            (FilterKind::Ethertype, 0x86dd, false),
            (FilterKind::Direction, 0, true),
            (FilterKind::Direction, 1, false),
            (FilterKind::Vlan, 0, true),
            (FilterKind::Vlan, 1, false),
            (FilterKind::Interface, 2, true),
            (FilterKind::Interface, 1, false),
        ];
        for (kind, low, expected) in table {
            assert_eq!(holds(number(kind, low), &tcp()), expected, "{kind:?} {low}");
        }
        let tagged = FlowKey {
            outer_vlan: [0, 5],
            ..tcp()
        };
        for (vlan, expected) in [(0, false), (5, true), (6, false)] {
            assert_eq!(holds(number(FilterKind::Vlan, vlan), &tagged), expected);
        }
        let unknown = FilterTerm {
            kind: 99,
            ..FilterTerm::default()
        };
        assert!(!holds(unknown, &tcp()));
    }

    #[test]
    fn ports_are_those_of_protocols_that_have_them() {
        let both = FILTER_SOURCE | FILTER_DESTINATION;
        assert!(holds(port(443, 443, both), &tcp()));
        assert!(holds(port(400, 443, FILTER_DESTINATION), &tcp()));
        assert!(!holds(port(443, 443, FILTER_SOURCE), &tcp()));
        assert!(!holds(port(444, 4999, both), &tcp()));
        let ping = FlowKey {
            protocol: protocol::ICMP,
            ..tcp()
        };
        assert!(!holds(port(0, 65535, both), &ping));
        let fragment = FlowKey {
            source_port: [0; 2],
            destination_port: [0; 2],
            ..tcp()
        };
        assert!(!holds(port(0, 65535, both), &fragment));
    }

    #[test]
    fn addresses_are_of_their_family_and_no_macs() {
        let any = |kind: FilterKind| FilterTerm {
            ends: FILTER_SOURCE,
            ..number(kind, 0)
        };
        let host = |last: u8| FilterTerm {
            address: words(address(last)),
            mask: [u64::MAX; 2],
            ..any(FilterKind::Ipv4)
        };
        assert!(holds(host(1), &tcp()));
        assert!(!holds(host(2), &tcp()));
        assert!(!holds(any(FilterKind::Ipv6), &tcp()));
        let mapped_in_ipv6 = FlowKey {
            ethertype: ethertype::IPV6.to_be_bytes(),
            ..tcp()
        };
        assert!(!holds(host(1), &mapped_in_ipv6));
        assert!(holds(any(FilterKind::Ipv6), &mapped_in_ipv6));
        for number in [ethertype::IPV4, ethertype::IPV6, 0x0806] {
            let macs = FlowKey {
                source: [2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                ethertype: number.to_be_bytes(),
                ..FlowKey::default()
            };
            assert!(!holds(any(FilterKind::Ipv4), &macs), "{number:#x}");
            assert!(!holds(any(FilterKind::Ipv6), &macs), "{number:#x}");
        }
    }

    #[test]
    fn any_clause_is_enough_and_all_can_be_turned_round() {
        let terms = [
            number(FilterKind::Protocol, 6),
            number(FilterKind::Direction, 1),
            number(FilterKind::Ethertype, 0x0800),
        ];
        for (clauses, expected) in [
            (&[(0b001, 0)][..], true),
            (&[(0b011, 0)], false),
            (&[(0b101, 0b010)], true),
            (&[(0b010, 0), (0, 0b010)], true),
            (&[(0b010, 0), (0, 0b100)], false),
            (&[(0, 0)], true),
        ] {
            let mut program = program(&terms, clauses);
            assert_eq!(program.admits(&tcp(), 0), expected, "{clauses:?}");
            program.inverted = 1;
            assert_eq!(program.admits(&tcp(), 0), !expected, "{clauses:?}");
        }
    }
}
