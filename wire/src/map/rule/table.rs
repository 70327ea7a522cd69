//! The rules as the kernel programs evaluate them: rows, and the trees that find them.

use super::{RuleFacts, RuleMark};

/// Rows at most. A rule has one for each way in which it can be met.
pub const RULE_ROWS: usize = 2048;

/// Slots at most.
pub const RULE_SLOTS: usize = 1 << 15;

/// Slots that a decision looks at, at most.
pub const RULE_STEPS: u32 = 96;

/// What [`RuleMemory`] has before any row was found: behind all rows, and no mark.
const NO_ROW: u32 = (RULE_ROWS as u32) << 16;

/// Words of [`RuleFacts`] that rows name bits of; the one behind them has the ports.
const MASKED_WORDS: usize = 6;

/// One way in which a rule can be met: all of it has to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct RuleRow {
    /// What the bits of [`RuleFacts::words`] have to be; 0 where they do not count.
    pub value: [u64; MASKED_WORDS],
    /// Which bits count.
    pub mask: [u64; MASKED_WORDS],
    /// The first source port and the first destination port.
    pub low: [u16; 2],
    /// The last ones.
    pub high: [u16; 2],
    /// The [`RuleMark`] of the rule.
    pub mark: u16,
    /// The slot that has the tree behind that of the row; 0 where there is none.
    pub behind: u16,
    /// Always zero.
    pub reserved: [u16; 2],
}

impl RuleRow {
    /// What no decision comes to.
    pub const NEVER: Self = Self {
        value: [0; MASKED_WORDS],
        mask: [0; MASKED_WORDS],
        low: [0; 2],
        high: [0; 2],
        mark: 0,
        behind: 0,
        reserved: [0; 2],
    };

    /// Whether a flow meets it.
    #[inline(always)]
    pub fn matches(&self, facts: &RuleFacts) -> bool {
        let [a, b, c, d, e, f, ports, _] = facts.words;
        let difference = |place: usize, word: u64| (word ^ self.value[place]) & self.mask[place];
        let different = difference(0, a)
            | difference(1, b)
            | difference(2, c)
            | difference(3, d)
            | difference(4, e)
            | difference(5, f);
        // Where one is less than the other, the difference has its upper bits set.
        let outside = |place: usize, port: u64| {
            port.wrapping_sub(u64::from(self.low[place]))
                | u64::from(self.high[place]).wrapping_sub(port)
        };
        let outside = outside(0, ports >> 16) | outside(1, ports & 0xffff);
        different | outside >> 32 == 0
    }
}

/// A step of a decision, in 32 bits.
///
/// A *turn* (the topmost bit is 0) takes some bits of a word as a number, and goes on in the slot of
/// that number behind its base. A *check* (the topmost bit is 1) compares with a row: if that matches, it
/// goes on with the tree behind, else in another slot. Where a tree ends is the beginning of the tree
/// behind it, and where the last one ends is 0, which stands in slot 0 as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct RuleSlot(pub u32);

/// Set in a check.
const CHECK: u32 = 1 << 31;

impl RuleSlot {
    /// What ends a tree.
    pub const END: Self = Self(0);

    /// Takes the `bits` of a word from `shift` on; at most 15 of them, and not all slots behind `base`
    /// may be past the end.
    pub const fn turn(word: u8, shift: u8, bits: u8, base: u16) -> Self {
        Self(
            (word as u32 & 7) << 28
                | (shift as u32 & 63) << 22
                | (bits as u32 & 15) << 18
                | base as u32 & (RULE_SLOTS as u32 - 1),
        )
    }

    /// Compares with a row; `next` is the slot to go on with where it does not match.
    pub const fn check(row: u16, next: u16) -> Self {
        Self(
            CHECK
                | (row as u32 & (RULE_ROWS as u32 - 1)) << 16
                | next as u32 & (RULE_SLOTS as u32 - 1),
        )
    }

    const fn is_check(self) -> bool {
        self.0 & CHECK != 0
    }

    const fn row(self) -> u32 {
        self.0 >> 16 & (RULE_ROWS as u32 - 1)
    }

    const fn next(self) -> u32 {
        self.0 & (RULE_SLOTS as u32 - 1)
    }

    /// The slot behind a turn.
    #[inline(always)]
    fn taken(self, facts: &RuleFacts) -> u32 {
        let word = facts.words[(self.0 >> 28 & 7) as usize];
        let bits = (1 << (self.0 >> 18 & 15)) - 1;
        let number = (word >> (self.0 >> 22 & 63)) as u32 & bits;
        (self.next() + number) & (RULE_SLOTS as u32 - 1)
    }
}

/// Where a decision remembers the first row that it found: its number above its [`RuleMark`], 16 bits
/// each.
///
/// The kernel programs do so in memory that the verifier does not follow, so that all ways to the same
/// step are one to it.
pub trait RuleMemory {
    /// Remembers a row.
    fn keep(&mut self, row: u32);
    /// What was remembered last.
    fn kept(&self) -> u32;
}

impl RuleMemory for u32 {
    fn keep(&mut self, row: u32) {
        *self = row;
    }

    fn kept(&self) -> u32 {
        *self
    }
}

/// All rules, as the kernel programs have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct RuleTable {
    /// The [`RuleSlot`] that begins the first tree; 0 where there are no rules.
    pub root: u32,
    /// 1 if a rule names an interface, else 0.
    pub has_interfaces: u32,
    /// 1 if a rule names a QUIC backend, else 0.
    pub has_backends: u32,
    /// Always zero.
    pub reserved: u32,
    /// [`RuleSlot`]s; the first one is never used.
    pub slots: [u32; RULE_SLOTS],
    /// The rows in the order of their precedence.
    pub rows: [RuleRow; RULE_ROWS],
}

impl RuleTable {
    /// No rules.
    pub const EMPTY: Self = Self {
        root: 0,
        has_interfaces: 0,
        has_backends: 0,
        reserved: 0,
        slots: [0; RULE_SLOTS],
        rows: [RuleRow::NEVER; RULE_ROWS],
    };

    /// The rule that decides about a flow.
    pub fn decide(&self, facts: &RuleFacts) -> RuleMark {
        self.decide_in(facts, &mut 0)
    }

    /// The same with other memory.
    #[inline(always)]
    pub fn decide_in(&self, facts: &RuleFacts, memory: &mut impl RuleMemory) -> RuleMark {
        memory.keep(NO_ROW);
        let mut at = self.root;
        for _step in 0..RULE_STEPS {
            if at == 0 {
                break;
            }
            let next = self.step(RuleSlot(at), facts, memory);
            at = self.slots[next as usize % RULE_SLOTS];
        }
        RuleMark(memory.kept() as u16)
    }

    /// Looks at a slot; returns the number of the next one.
    #[inline(always)]
    fn step(&self, slot: RuleSlot, facts: &RuleFacts, memory: &mut impl RuleMemory) -> u32 {
        if !slot.is_check() {
            return slot.taken(facts);
        }
        let row = &self.rows[slot.row() as usize % RULE_ROWS];
        if !row.matches(facts) {
            return slot.next();
        }
        // Each tree finds its first row; of these the first one decides.
        let found = slot.row() << 16 | u32::from(row.mark);
        memory.keep(memory.kept().min(found));
        u32::from(row.behind)
    }
}
