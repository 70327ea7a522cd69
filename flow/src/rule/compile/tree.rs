//! A tree that finds the first of some rows which a flow matches.

use super::{
    CompileError,
    region::{Cut, Region},
};
use netweir_wire::map::{RULE_SLOTS, RULE_STEPS, RuleRow, RuleSlot};
use std::collections::HashMap;

/// How generously trees take slots: with more of them, decisions take fewer steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Rows that are checked one after the other rather than told apart by another turn.
    few_rows: usize,
    /// Bits that turns take, the most first.
    cut_bits: &'static [u8],
}

impl Room {
    /// For most rules.
    pub(super) const AMPLE: Self = Self {
        few_rows: 1,
        cut_bits: &[12, 10, 8, 6, 4, 2, 1],
    };
    /// Where those would not fit in.
    pub(super) const SCARCE: Self = Self {
        few_rows: 2,
        cut_bits: &[8, 6, 4, 2, 1],
    };
}

/// Slots of a turn for each row that it tells apart, at most: where there are few rows there is room.
const fn room_for_row(all_rows: usize) -> usize {
    match all_rows {
        0..=128 => 64,
        129..=512 => 32,
        _ => 24,
    }
}

/// The slots of trees, as they are built.
pub(super) struct Trees<'a> {
    rows: &'a [RuleRow],
    room: Room,
    slots: Vec<u32>,
    /// What stands for rows in a region, and how many steps it takes.
    built: HashMap<(Region, Vec<u16>), Built>,
}

/// A slot that begins a tree or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Built {
    pub(super) slot: RuleSlot,
    /// Slots that are looked at, at most.
    pub(super) steps: u32,
}

impl<'a> Trees<'a> {
    pub(super) fn new(rows: &'a [RuleRow], room: Room) -> Self {
        Self {
            rows,
            room,
            // Where trees end.
            slots: vec![RuleSlot::END.0],
            built: HashMap::new(),
        }
    }

    pub(super) fn slots(&self) -> &[u32] {
        &self.slots
    }

    /// Builds the tree of some rows, which are in the order of their precedence. It begins with a turn.
    pub(super) fn add(&mut self, rows: &[u16]) -> Result<Built, CompileError> {
        let built = self.build(rows, &Region::ALL, 0)?;
        if !built.slot.is_check() {
            return Ok(Built {
                steps: built.steps - 1,
                ..built
            });
        }
        let place = self.take(1)?;
        self.slots[usize::from(place)] = built.slot.0;
        Ok(Built {
            slot: RuleSlot::turn(0, 0, 0, place),
            ..built
        })
    }

    fn build(&mut self, rows: &[u16], region: &Region, depth: u32) -> Result<Built, CompileError> {
        if depth > RULE_STEPS {
            return Err(CompileError::TooEntangled);
        }
        let rows = self.possible(rows, region);
        if rows.is_empty() {
            return Ok(Built {
                slot: RuleSlot::END,
                steps: 0,
            });
        }
        // What nothing asks for is forgotten: what is built serves for all regions that differ in it.
        let name = (region.as_seen_by(self.rows, &rows), rows);
        if let Some(known) = self.built.get(&name) {
            return Ok(*known);
        }
        let (region, rows) = &name;
        let cut = if rows.len() <= self.room.few_rows {
            None
        } else {
            self.best_cut(rows, region)
        };
        let built = match cut {
            Some(cut) => self.turn(rows, region, cut, depth)?,
            None => self.checks(rows)?,
        };
        self.built.insert(name, built);
        Ok(built)
    }

    fn row(&self, number: u16) -> Option<&'a RuleRow> {
        self.rows.get(usize::from(number))
    }

    /// Those rows that flows of the region can match, up to one that they all match.
    fn possible(&self, rows: &[u16], region: &Region) -> Vec<u16> {
        let mut possible = Vec::new();
        for &number in rows {
            let Some(row) = self.row(number) else {
                continue;
            };
            if region.allows(row) {
                possible.push(number);
                if region.is_covered_by(row) {
                    break;
                }
            }
        }
        possible
    }

    /// One row after the other.
    fn checks(&mut self, rows: &[u16]) -> Result<Built, CompileError> {
        let (mut slot, mut next) = (RuleSlot::END, 0);
        for (place, &row) in rows.iter().rev().enumerate() {
            if place > 0 {
                next = self.take(1)?;
                self.slots[usize::from(next)] = slot.0;
            }
            slot = RuleSlot::check(row, next);
        }
        let steps = rows.len() as u32;
        Ok(Built { slot, steps })
    }

    fn turn(
        &mut self,
        rows: &[u16],
        region: &Region,
        cut: Cut,
        depth: u32,
    ) -> Result<Built, CompileError> {
        let base = self.take(cut.parts())?;
        let mut steps = 0;
        for number in 0..cut.parts() {
            let Some(part) = region.part(cut, number) else {
                continue;
            };
            let built = self.build(rows, &part, depth + 1)?;
            self.slots[usize::from(base) + number] = built.slot.0;
            steps = steps.max(built.steps);
        }
        Ok(Built {
            slot: RuleSlot::turn(cut.word, cut.shift, cut.bits, base),
            steps: steps + 1,
        })
    }

    /// The number of the first of so many slots in a row.
    fn take(&mut self, slots: usize) -> Result<u16, CompileError> {
        let first = self.slots.len();
        if first + slots > RULE_SLOTS {
            return Err(CompileError::TooEntangled);
        }
        self.slots.resize(first + slots, RuleSlot::END.0);
        Ok(first as u16)
    }

    /// The cut after which the part with the most rows has the fewest, if any has fewer than now; of
    /// several that with few in the others as well, and not too many parts.
    fn best_cut(&self, rows: &[u16], region: &Region) -> Option<Cut> {
        let mut best: Option<(usize, Cut)> = None;
        let mut narrowing: Option<(usize, Cut)> = None;
        for &bits in self.room.cut_bits {
            if 1 << bits > room_for_row(self.rows.len()) * rows.len() {
                continue;
            }
            for cut in region.cuts(self.rows, rows, bits) {
                let room = 4 * rows.len() + cut.parts();
                let Some(counts) = region.counts(self.rows, rows, cut, room) else {
                    continue;
                };
                let most = counts.iter().copied().max().unwrap_or(0);
                let sum: usize = counts.iter().sum();
                // A part more weighs as much as the thousandth of a row.
                let score = 1024 * most + 4096 * sum / cut.parts() + cut.parts();
                // Ports are cut from their uppermost bits on, also where these are the same in all rows.
                let kept = match cut.is_of_ports() && counts.contains(&0) {
                    _ if most < rows.len() => &mut best,
                    true => &mut narrowing,
                    false => continue,
                };
                if kept.is_none_or(|(known, _)| score < known) {
                    *kept = Some((score, cut));
                }
            }
        }
        best.or(narrowing).map(|(_, cut)| cut)
    }
}
