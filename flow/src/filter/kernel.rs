//! An expression as the kernel programs take it: every question once, and which answers are enough.
//!
//! The expression is written out as an `or` of `and`s (its disjunctive normal form). A long list of
//! alternatives, such as twenty hosts, is short the other way round: what is *not* admitted is one
//! `and`. So the opposite is tried too.

use super::{
    Filter, Node,
    term::{Side, Term},
};
use ipnet::IpNet;
use netweir_wire::map::{
    FILTER_CLAUSES, FILTER_DESTINATION, FILTER_SOURCE, FILTER_TERMS, FilterClause, FilterKind,
    FilterProgram, FilterTerm, words,
};
use std::net::IpAddr;
use thiserror::Error;

/// Clauses in between at most, before those that say the same are found.
const MAX_CLAUSES_BETWEEN: usize = 256;

/// A filter that the kernel programs evaluate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelFilter {
    /// What crosses the kernel border.
    pub program: FilterProgram,
    /// The names of interfaces that it asks for, by number.
    pub interfaces: Vec<String>,
}

/// Why a filter cannot be evaluated in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TooComplex {
    /// It asks too many different things.
    #[error("the filter asks {0} different things, and the kernel takes {FILTER_TERMS} at most")]
    Terms(usize),
    /// Written out, it has too many alternatives, and its opposite too.
    #[error(
        "the filter, written out as alternatives without parentheses, has more than \
         {FILTER_CLAUSES}, and so has its opposite; the kernel takes no more"
    )]
    Clauses,
    /// It asks for what rules decide.
    #[error(
        "what is counted cannot depend on `label` or `rule`: the kernel filters by addresses, ports, \
         protocols, interfaces, directions and VLANs"
    )]
    Rules,
}

impl Filter {
    /// Compiles it for the kernel programs, which then admit what it matches.
    ///
    /// # Errors
    /// It asks too much.
    pub fn for_kernel(&self) -> Result<KernelFilter, TooComplex> {
        if self.root.asks_rules() {
            return Err(TooComplex::Rules);
        }
        let mut asked = Asked::default();
        asked.add(&self.root);
        if asked.terms.len() > FILTER_TERMS {
            return Err(TooComplex::Terms(asked.terms.len()));
        }
        let fitting = |wanted| {
            let clauses = asked.clauses(&self.root, wanted)?;
            (clauses.len() <= FILTER_CLAUSES).then_some(clauses)
        };
        let (clauses, inverted) = match fitting(true) {
            Some(clauses) => (clauses, 0),
            None => (fitting(false).ok_or(TooComplex::Clauses)?, 1),
        };
        let mut program = FilterProgram {
            term_count: asked.terms.len() as u32,
            clause_count: clauses.len() as u32,
            inverted,
            ..FilterProgram::ALL
        };
        program.terms[..asked.terms.len()].copy_from_slice(&asked.terms);
        program.clauses[..clauses.len()].copy_from_slice(&clauses);
        Ok(KernelFilter {
            program,
            interfaces: asked.interfaces,
        })
    }
}

impl Node {
    /// Whether any term is about what rules decide.
    fn asks_rules(&self) -> bool {
        match self {
            Self::Term(term) => matches!(term, Term::Label(_) | Term::Rule(_)),
            Self::Not(node) => node.asks_rules(),
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().any(Self::asks_rules),
        }
    }
}

impl KernelFilter {
    /// The bits that [`FilterProgram::admits`] takes for an interface of this name.
    pub fn interface_names(&self, name: &str) -> u32 {
        let place = self.interfaces.iter().position(|known| known == name);
        place.map_or(0, |number| 1 << number)
    }
}

/// What an expression asks.
#[derive(Default)]
struct Asked {
    terms: Vec<FilterTerm>,
    interfaces: Vec<String>,
}

impl Asked {
    fn add(&mut self, node: &Node) {
        match node {
            Node::Term(term) => {
                if let Term::Interface(name) = term
                    && !self.interfaces.contains(name)
                {
                    self.interfaces.push(name.clone());
                }
                let term = self.lower(term);
                if !self.terms.contains(&term) {
                    self.terms.push(term);
                }
            }
            Node::Not(node) => self.add(node),
            Node::And(nodes) | Node::Or(nodes) => nodes.iter().for_each(|node| self.add(node)),
        }
    }

    fn lower(&self, term: &Term) -> FilterTerm {
        let number = |kind: FilterKind, low| FilterTerm {
            low,
            kind: kind as u8,
            ..FilterTerm::default()
        };
        match term {
            Term::Net(side, net) => FilterTerm {
                address: words(mapped(net.network())),
                mask: words(mask(net)),
                ends: ends(*side),
                ..number(family(net), 0)
            },
            Term::Ports(side, ports) => FilterTerm {
                high: *ports.end(),
                ends: ends(*side),
                ..number(FilterKind::Ports, *ports.start())
            },
            Term::Protocol(protocol) => number(FilterKind::Protocol, u16::from(*protocol)),
            Term::Ethertype(ethertype) => number(FilterKind::Ethertype, *ethertype),
            Term::Direction(direction) => number(FilterKind::Direction, *direction as u16),
            Term::Vlan(vlan) => number(FilterKind::Vlan, *vlan),
            // Refused before.
            Term::Label(_) | Term::Rule(_) => FilterTerm::default(),
            Term::Interface(name) => {
                let place = self.interfaces.iter().position(|known| known == name);
                // Names past the limit of terms are refused with the terms.
                number(FilterKind::Interface, place.unwrap_or(FILTER_TERMS) as u16)
            }
        }
    }

    /// The clauses under which a node is `wanted`, any of them; none if they become too many.
    fn clauses(&self, node: &Node, wanted: bool) -> Option<Vec<FilterClause>> {
        match node {
            Node::Term(term) => {
                let term = self.lower(term);
                let bit = 1 << self.terms.iter().position(|known| *known == term)?;
                let (yes, no) = if wanted { (bit, 0) } else { (0, bit) };
                Some(vec![FilterClause { yes, no }])
            }
            Node::Not(node) => self.clauses(node, !wanted),
            Node::And(nodes) if wanted => self.all(nodes, wanted),
            Node::Or(nodes) if !wanted => self.all(nodes, wanted),
            Node::And(nodes) | Node::Or(nodes) => self.any(nodes, wanted),
        }
    }

    fn any(&self, nodes: &[Node], wanted: bool) -> Option<Vec<FilterClause>> {
        let mut sum = Vec::new();
        for node in nodes {
            for clause in self.clauses(node, wanted)? {
                add(&mut sum, clause)?;
            }
        }
        Some(sum)
    }

    fn all(&self, nodes: &[Node], wanted: bool) -> Option<Vec<FilterClause>> {
        let mut product = vec![FilterClause::default()];
        for node in nodes {
            let more = self.clauses(node, wanted)?;
            let mut next = Vec::new();
            for one in &product {
                for other in &more {
                    let clause = FilterClause {
                        yes: one.yes | other.yes,
                        no: one.no | other.no,
                    };
                    add(&mut next, clause)?;
                }
            }
            product = next;
        }
        Some(product)
    }
}

/// Adds a clause that can hold and says something new; none if there are too many.
fn add(clauses: &mut Vec<FilterClause>, clause: FilterClause) -> Option<()> {
    let implies = |one: &FilterClause, other: &FilterClause| {
        one.yes & other.yes == other.yes && one.no & other.no == other.no
    };
    let never = clause.yes & clause.no != 0;
    if never || clauses.iter().any(|known| implies(&clause, known)) {
        return Some(());
    }
    clauses.retain(|known| !implies(known, &clause));
    clauses.push(clause);
    (clauses.len() <= MAX_CLAUSES_BETWEEN).then_some(())
}

const fn ends(side: Side) -> u8 {
    match side {
        Side::Either => FILTER_SOURCE | FILTER_DESTINATION,
        Side::Source => FILTER_SOURCE,
        Side::Destination => FILTER_DESTINATION,
    }
}

const fn family(net: &IpNet) -> FilterKind {
    match net {
        IpNet::V4(_) => FilterKind::Ipv4,
        IpNet::V6(_) => FilterKind::Ipv6,
    }
}

/// The 16 bytes of an address, IPv4 as v4-mapped.
pub(crate) const fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// The bits of the prefix; of IPv4, those in front of it are known from the family.
pub(crate) fn mask(net: &IpNet) -> [u8; 16] {
    match net {
        IpNet::V4(net) => u128::from(net.netmask().to_bits()).to_be_bytes(),
        IpNet::V6(net) => net.netmask().octets(),
    }
}
