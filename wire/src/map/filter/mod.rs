//! Which packets are counted at all: a filter, compiled for the kernel programs.
//!
//! The terms ask about a packet, one bit each; a clause names bits that have to be set and bits that
//! have to be clear; a packet is admitted if any clause agrees. User space compiles an expression to
//! it, both sides evaluate it by the same function, which answers as the expression itself does.

mod address;
mod facts;
mod program;
mod term;

pub(super) use address::is_mapped;
pub use address::words;
pub(super) use facts::{has_ports, is_mac};
pub use program::{FILTER_CLAUSES, FILTER_TERMS, FilterClause, FilterProgram};
pub use term::{FILTER_DESTINATION, FILTER_SOURCE, FilterKind, FilterTerm};

#[cfg(test)]
mod tests;
