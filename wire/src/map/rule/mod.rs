//! Rules: which flows get which label, and what is done with their packets.
//!
//! User space sorts the rules by precedence, writes each as one or more *rows*, and compiles these to
//! *trees*; both sides decide by the same function, [`RuleTable::decide`]. A rule's number lasts: it
//! stands in the flows that the kernel counts.

mod facts;
mod head;
mod table;

pub use facts::{RuleFacts, RuleFlow};
pub use head::{HEAD_BYTES, HeadCounters, HeadLoss, PacketHead};
pub use table::{
    RULE_ROWS, RULE_SLOTS, RULE_STEPS, RULE_TREES, RuleMemory, RuleRoot, RuleRow, RuleSlot,
    RuleTable,
};

/// Rules at most.
pub const MAX_RULES: usize = 1024;

/// Numbers that rules can have: from 1 up to below this. Many more than rules, so that a number is
/// not given away again while flows still bear it.
pub const RULE_NUMBERS: u16 = 1 << 14;

/// What is done with the packets of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum RuleAction {
    /// They are counted, as without a rule.
    #[default]
    Count = 0,
    /// The heads of some of them are told to user space.
    Sample = 1,
    /// They are counted, and dropped where the hook can do that.
    Drop = 2,
    /// They take the way through user space of the inline path.
    Tap = 3,
}

impl RuleAction {
    /// Every action, in the order of its number.
    pub const ALL: [Self; 4] = [Self::Count, Self::Sample, Self::Drop, Self::Tap];

    /// The name that rules, views and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sample => "sample",
            Self::Drop => "drop",
            Self::Tap => "tap",
        }
    }
}

/// A rule's number and action in 16 bits, as flows bear it; 0 for no rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct RuleMark(pub u16);

impl RuleMark {
    /// No rule.
    pub const NONE: Self = Self(0);

    /// The mark of a rule with this number, which is below [`RULE_NUMBERS`].
    #[inline(always)]
    pub const fn new(number: u16, action: RuleAction) -> Self {
        Self(number & (RULE_NUMBERS - 1) | ((action as u16) * RULE_NUMBERS))
    }

    /// The rule's number; 0 for none.
    #[inline(always)]
    pub const fn number(self) -> u16 {
        self.0 & (RULE_NUMBERS - 1)
    }

    /// What is done with the packets.
    #[inline(always)]
    pub const fn action(self) -> RuleAction {
        match self.0 / RULE_NUMBERS {
            1 => RuleAction::Sample,
            2 => RuleAction::Drop,
            3 => RuleAction::Tap,
            _ => RuleAction::Count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RULE_NUMBERS, RuleAction, RuleMark};

    #[test]
    fn a_mark_keeps_number_and_action() {
        for action in RuleAction::ALL {
            for number in [1, 77, RULE_NUMBERS - 1] {
                let mark = RuleMark::new(number, action);
                assert_eq!((mark.number(), mark.action()), (number, action));
            }
        }
        assert_eq!(RuleMark::new(0, RuleAction::Count), RuleMark::NONE);
    }
}
