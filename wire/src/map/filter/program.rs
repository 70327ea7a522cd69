//! The questions, and which answers admit a packet.

use super::{FilterTerm, facts::Facts};
use crate::map::FlowKey;

/// Terms of a program at most.
pub const FILTER_TERMS: usize = 16;
/// Clauses of a program at most.
pub const FILTER_CLAUSES: usize = 8;

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
