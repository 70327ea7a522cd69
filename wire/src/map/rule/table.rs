//! The rules as the kernel programs evaluate them: rows, and the trees that find them.

use super::{RuleFacts, RuleMark};

/// Rows at most. A rule has one for each way in which it can be met.
pub const RULE_ROWS: usize = 2048;

/// Slots at most.
pub const RULE_SLOTS: usize = 1 << 15;

/// Trees at most.
pub const RULE_TREES: usize = 8;

/// Slots that a decision looks at in one tree, at most, the first turn not counted.
pub const RULE_STEPS: u32 = 24;

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
    /// Always zero.
    pub reserved: [u16; 3],
}

impl RuleRow {
    /// What no flow meets.
    pub const NEVER: Self = Self {
        value: [0; MASKED_WORDS],
        mask: [0; MASKED_WORDS],
        low: [1; 2],
        high: [0; 2],
        mark: 0,
        reserved: [0; 3],
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
/// that number behind its base. A *check* (the topmost bit is 1) compares with a row: if that matches, the
/// tree ends, else it goes on in another slot. 0 ends a tree, and stands in slot 0 as well.
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

    /// Whether it compares with a row.
    pub const fn is_check(self) -> bool {
        self.0 & CHECK != 0
    }

    const fn row(self) -> u32 {
        self.0 >> 16 & (RULE_ROWS as u32 - 1)
    }

    const fn next(self) -> u32 {
        self.0 & (RULE_SLOTS as u32 - 1)
    }

    const fn word(self) -> u32 {
        self.0 >> 28 & 7
    }

    const fn shift(self) -> u32 {
        self.0 >> 22 & 63
    }

    const fn mask(self) -> u32 {
        (1 << (self.0 >> 18 & 15)) - 1
    }

    /// The slot behind a turn.
    #[inline(always)]
    fn taken(self, facts: &RuleFacts) -> u32 {
        let number = (facts.words[self.word() as usize] >> self.shift()) as u32 & self.mask();
        (self.next() + number) & (RULE_SLOTS as u32 - 1)
    }
}

/// The first turn of a tree, laid out so that taking it is quick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct RuleRoot {
    /// Which bits it takes, after the shift.
    pub mask: u32,
    /// The slot that number 0 leads to; never 0.
    pub base: u16,
    /// The word of [`RuleFacts::words`].
    pub word: u8,
    /// Bits below those that it takes.
    pub shift: u8,
}

impl RuleRoot {
    /// No tree.
    pub const NONE: Self = Self {
        mask: 0,
        base: 0,
        word: 0,
        shift: 0,
    };

    /// The same as a slot that is a turn.
    pub const fn of_turn(turn: RuleSlot) -> Self {
        Self {
            mask: turn.mask(),
            base: turn.next() as u16,
            word: turn.word() as u8,
            shift: turn.shift() as u8,
        }
    }

    /// The slot behind it.
    #[inline(always)]
    fn taken(&self, facts: &RuleFacts) -> u32 {
        let word = facts.words[usize::from(self.word & 7)];
        let number = (word >> (self.shift & 63)) as u32 & self.mask;
        (u32::from(self.base) + number) & (RULE_SLOTS as u32 - 1)
    }
}

/// What a decision remembers on its way.
///
/// The kernel programs do so in memory that the verifier does not follow, so that all ways to the same
/// step are one to it.
pub trait RuleMemory {
    /// Remembers a row: its number above its [`RuleMark`], 16 bits each.
    fn keep(&mut self, row: u32);
    /// The row that was remembered last.
    fn kept(&self) -> u32;
    /// Remembers the slot behind the first turn of a tree.
    fn begin(&mut self, tree: usize, slot: RuleSlot);
    /// The slot that was remembered for a tree.
    fn begun(&self, tree: usize) -> RuleSlot;
}

/// That of user space.
struct Remembered {
    row: u32,
    begun: [RuleSlot; RULE_TREES],
}

impl RuleMemory for Remembered {
    fn keep(&mut self, row: u32) {
        self.row = row;
    }

    fn kept(&self) -> u32 {
        self.row
    }

    fn begin(&mut self, tree: usize, slot: RuleSlot) {
        self.begun[tree] = slot;
    }

    fn begun(&self, tree: usize) -> RuleSlot {
        self.begun[tree]
    }
}

/// All rules, as the kernel programs have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct RuleTable {
    /// The turn that begins each tree; [`RuleRoot::NONE`] behind the last one.
    pub roots: [RuleRoot; RULE_TREES],
    /// 1 if a rule names an interface, else 0.
    pub has_interfaces: u32,
    /// 1 if a rule names a QUIC backend, else 0.
    pub has_backends: u32,
    /// Always zero.
    pub reserved: [u32; 2],
    /// [`RuleSlot`]s; the first one is never used.
    pub slots: [u32; RULE_SLOTS],
    /// The rows in the order of their precedence.
    pub rows: [RuleRow; RULE_ROWS],
}

impl RuleTable {
    /// No rules.
    pub const EMPTY: Self = Self {
        roots: [RuleRoot::NONE; RULE_TREES],
        has_interfaces: 0,
        has_backends: 0,
        reserved: [0; 2],
        slots: [0; RULE_SLOTS],
        rows: [RuleRow::NEVER; RULE_ROWS],
    };

    /// The rule that decides about a flow.
    pub fn decide(&self, facts: &RuleFacts) -> RuleMark {
        let mut memory = Remembered {
            row: NO_ROW,
            begun: [RuleSlot::END; RULE_TREES],
        };
        self.decide_in(facts, &mut memory)
    }

    /// The same with other memory.
    #[inline(always)]
    pub fn decide_in(&self, facts: &RuleFacts, memory: &mut impl RuleMemory) -> RuleMark {
        memory.keep(NO_ROW);
        // All first turns at once: none has to wait for another.
        for (tree, root) in self.roots.iter().enumerate() {
            if root.base == 0 {
                break;
            }
            memory.begin(tree, self.slot(root.taken(facts)));
        }
        for (tree, root) in self.roots.iter().enumerate() {
            if root.base == 0 {
                break;
            }
            let mut slot = memory.begun(tree);
            for _step in 0..RULE_STEPS {
                if slot == RuleSlot::END {
                    break;
                }
                slot = self.slot(self.step(slot, facts, memory));
            }
        }
        RuleMark(memory.kept() as u16)
    }

    #[inline(always)]
    fn slot(&self, number: u32) -> RuleSlot {
        RuleSlot(self.slots[number as usize % RULE_SLOTS])
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
        0
    }
}
