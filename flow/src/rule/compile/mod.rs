//! Rules as the kernel programs evaluate them.
//!
//! Each rule is written as [rows](row), in the order of precedence. [Trees](tree) find the first row
//! that matches: each of their turns takes some bits of what is known of the flow, and leads to the
//! rows that these bits leave possible. Rules that ask for different things would have to be crossed
//! in one tree, which then grows with their product: such sets are [divided](divide) among several
//! trees.

mod divide;
mod region;
mod row;
mod tree;

use super::{Numbered, RuleSet};
use netweir_wire::map::{MAX_RULES, RULE_ROWS, RuleTable};
use row::{InterfaceNames, rows};
use thiserror::Error;

/// Why rules cannot be evaluated in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CompileError {
    /// There are too many.
    #[error("{0} rules are too many: the kernel programs take {MAX_RULES} at most")]
    TooMany(usize),
    /// Written out, they are too many.
    #[error(
        "the rules, written out for both ways and for both VLAN tags, become {0} rows, and the \
         kernel programs take {RULE_ROWS} at most: use fewer rules, or fewer of these"
    )]
    TooManyRows(usize),
    /// To tell them apart takes too long or too much memory.
    #[error(
        "the rules overlap too much for the kernel programs to decide in a bounded time: use fewer \
         port ranges that overlap others without prefixes, or fewer rules"
    )]
    TooEntangled,
}

/// Rules that the kernel programs evaluate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledRules {
    /// What crosses the kernel border.
    pub table: Box<RuleTable>,
    /// For each rule with the action `sample`, its number and one in how many frames it wants.
    pub sampled: Vec<(u16, u32)>,
    interfaces: InterfaceNames,
    steps: u32,
}

impl CompiledRules {
    /// The number that [`RuleFacts`](netweir_wire::map::RuleFacts) have for an interface of this name;
    /// 0 where no rule names it.
    pub fn interface_number(&self, name: &str) -> u32 {
        self.interfaces.number(name)
    }

    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.table.roots == RuleTable::EMPTY.roots
    }

    /// Steps that the longest decision takes, first turns not counted.
    pub const fn steps(&self) -> u32 {
        self.steps
    }
}

impl RuleSet {
    /// Compiles the rules for the kernel programs, which then decide as [`RuleSet::decide`] does.
    ///
    /// # Errors
    /// They are too many, or overlap too much.
    pub fn compile(&self) -> Result<CompiledRules, CompileError> {
        let rules = self.rules();
        if rules.len() > MAX_RULES {
            return Err(CompileError::TooMany(rules.len()));
        }
        let interfaces = InterfaceNames::of(rules);
        let rows = rows(rules, &interfaces);
        if rows.len() > RULE_ROWS {
            return Err(CompileError::TooManyRows(rows.len()));
        }
        let mut table = Box::new(RuleTable::EMPTY);
        table.has_interfaces = rules
            .iter()
            .any(|rule| rule.rule.interface.is_some())
            .into();
        table.has_backends = rules.iter().any(|rule| rule.rule.backend.is_some()).into();
        let steps = divide::trees(&rows, &mut table)?;
        Ok(CompiledRules {
            table,
            sampled: rules.iter().filter_map(sampled).collect(),
            interfaces,
            steps,
        })
    }
}

fn sampled(Numbered { number, rule }: &Numbered) -> Option<(u16, u32)> {
    match rule.action {
        super::Action::Sample(one_in) => Some((*number, one_in.max(1))),
        _ => None,
    }
}
