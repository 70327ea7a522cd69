//! Which rows go into one tree.

use super::{
    CompileError,
    tree::{Room, Trees},
};
use netweir_wire::map::{RULE_STEPS, RULE_TREES, RuleRoot, RuleRow, RuleTable};

/// What rows ask for that may be crossed: source, destination, source port, destination port. One
/// tree for each combination of those that a mask leaves.
const DIVISIONS: [u8; 5] = [0b0000, 0b0011, 0b1100, 0b0111, 0b1011];

/// The trees of one division.
struct Division<'a> {
    /// Slots that the longest decision looks at.
    steps: u32,
    trees: Trees<'a>,
    /// The turns that begin them.
    roots: Vec<RuleRoot>,
}

/// Builds the trees of all rows, in the division in which deciding takes the fewest steps, and puts
/// them into the table with the rows; returns how many steps these are.
pub(super) fn trees(rows: &[RuleRow], table: &mut RuleTable) -> Result<u32, CompileError> {
    let best = [Room::AMPLE, Room::SCARCE].into_iter().find_map(|room| {
        let divisions = DIVISIONS
            .into_iter()
            .filter_map(|asked| build(rows, asked, room).ok());
        divisions.min_by_key(|division| division.steps)
    });
    let best = best.ok_or(CompileError::TooEntangled)?;
    for (place, root) in table.roots.iter_mut().zip(best.roots) {
        *place = root;
    }
    for (place, slot) in table.slots.iter_mut().zip(best.trees.slots()) {
        *place = *slot;
    }
    for (place, row) in table.rows.iter_mut().zip(rows) {
        *place = *row;
    }
    Ok(best.steps)
}

/// The trees of one division.
fn build(rows: &[RuleRow], division: u8, room: Room) -> Result<Division<'_>, CompileError> {
    let mut groups = vec![Vec::new(); 16];
    for (number, row) in (0..).zip(rows) {
        groups[usize::from(asked(row) & division)].push(number);
    }
    let mut trees = Trees::new(rows, room);
    let mut roots = Vec::new();
    let mut steps = 0;
    for group in groups.iter().filter(|group| !group.is_empty()) {
        let built = trees.add(group)?;
        if built.steps > RULE_STEPS || roots.len() == RULE_TREES {
            return Err(CompileError::TooEntangled);
        }
        steps += built.steps;
        roots.push(RuleRoot::of_turn(built.slot));
    }
    Ok(Division {
        steps,
        trees,
        roots,
    })
}

/// What a row asks for, as the bits of a division.
fn asked(row: &RuleRow) -> u8 {
    let asks = |is_asked: bool, bit: u8| if is_asked { 1 << bit } else { 0 };
    asks(row.mask[0] | row.mask[1] != 0, 0)
        | asks(row.mask[2] | row.mask[3] != 0, 1)
        | asks(row.low[0] != 0 || row.high[0] != u16::MAX, 2)
        | asks(row.low[1] != 0 || row.high[1] != u16::MAX, 3)
}
