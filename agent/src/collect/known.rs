//! What is known of an interface that has a number.

use netweir_wire::map::InterfaceCounters;

/// Reads in which an interface has counted nothing until it may lose its number.
const IDLE_READS: u32 = 8;

/// An interface that has a number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) number: u32,
    /// Whether the agent told the programs of it, and will say when it is gone.
    told: bool,
    /// Frames that it had seen when it was read.
    frames: u64,
    /// How often it was read since that last changed.
    idle: u32,
}

impl Known {
    pub(super) const fn new(number: u32, told: bool) -> Self {
        Self {
            number,
            told,
            frames: 0,
            idle: 0,
        }
    }

    pub(super) const fn age(&mut self, counters: &InterfaceCounters) {
        let frames = counters.seen.frames;
        self.idle = if frames == self.frames {
            self.idle.saturating_add(1)
        } else {
            0
        };
        self.frames = frames;
    }

    /// Whether nobody told of it, and it counts nothing.
    pub(super) const fn is_idle(&self) -> bool {
        !self.told && self.idle >= IDLE_READS
    }
}
