//! Filter expressions: which flows, connections or hosts are wanted.
//!
//! ```text
//! src net 10.0.0.0/8 and (port 80-90 or proto sctp) and not interface lo
//! ```
//!
//! Terms are `host A`, `net A/N`, `port N` or `port N-M`, each after `src` or `dst` or neither;
//! an address or a network alone; `proto NAME` or a number; `tcp udp icmp icmp6 sctp esp gre arp ip
//! ip6`; `interface NAME`; `in` and `out`; `vlan N` (0 for none); `ethertype 0x88cc` or a name;
//! `label NAME` (`""` for none), and `rule N` for the number of the rule that has decided (0 for none).
//! They are joined by `and`, `or`, `not`, by `&&`, `||`, `!`, and by parentheses. Words are taken
//! in any case. A name with characters that mean something here stands in double quotes.

mod display;
mod facts;
mod kernel;
mod parse;
mod term;
mod token;
mod word;

pub(crate) use facts::Facts;
pub use kernel::{KernelFilter, TooComplex};
pub(crate) use kernel::{mapped, mask};
pub(crate) use word::{net, ports, vlan_number};

use crate::{Head, Record};
use parse::Parser;
use std::str::FromStr;
use term::Term;
use thiserror::Error;

/// How deep parentheses and negations may be nested.
const MAX_DEPTH: usize = 64;

/// A filter expression; its `Display` is an expression that means the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    root: Node,
}

/// A part of an expression. Chains are flat, so that its depth is that of the parentheses.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Term(Term),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

/// What is wrong with a filter expression, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FilterError {
    /// Something else was expected there.
    #[error("filter, column {column}: expected {expected}, found {found}")]
    Unexpected {
        /// Where, in characters from 1.
        column: usize,
        /// What may stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// Parentheses and negations are nested too deep.
    #[error("filter, column {column}: nested more than {MAX_DEPTH} deep")]
    TooDeep {
        /// Where, in characters from 1.
        column: usize,
    },
}

impl FilterError {
    /// Where the expression is wrong, in characters from 1.
    pub const fn column(&self) -> usize {
        match self {
            Self::Unexpected { column, .. } | Self::TooDeep { column } => *column,
        }
    }
}

impl Filter {
    /// Reads an expression.
    ///
    /// # Errors
    /// Says where the expression is wrong and what was expected there.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let root = Parser::new(text)?.parse()?;
        Ok(Self { root })
    }

    /// Flows that have this label; those that have none if it is empty.
    pub fn of_label(name: &str) -> Self {
        let root = Node::Term(Term::Label(name.to_owned()));
        Self { root }
    }

    /// What matches both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let root = Node::And(vec![self.root, other.root]);
        Self { root }
    }

    /// Whether a flow is wanted.
    pub fn matches(&self, record: &Record) -> bool {
        self.matches_facts(&Facts::of_record(record))
    }

    /// Whether the head of a packet is wanted.
    pub fn matches_head(&self, head: &Head) -> bool {
        self.matches_facts(&Facts::of_head(head))
    }

    pub(crate) fn matches_facts(&self, facts: &Facts<'_>) -> bool {
        self.root.matches(facts)
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::parse(text)
    }
}

impl Node {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Term(term) => term.matches(facts),
            Self::Not(node) => !node.matches(facts),
            Self::And(nodes) => nodes.iter().all(|node| node.matches(facts)),
            Self::Or(nodes) => nodes.iter().any(|node| node.matches(facts)),
        }
    }
}
