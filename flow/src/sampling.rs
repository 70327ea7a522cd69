//! From what was counted of a sample of the frames to what all of them were.
//!
//! The kernel picks one frame in N at random. What comes in and what is accounted for stays as it
//! was counted; views and records multiply it here.

use crate::Rate;
use netweir_wire::map::{Count, Volume};

/// One frame in so many is counted; never 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampling(u32);

impl Sampling {
    /// 0 is taken for 1: every frame.
    pub(crate) const fn new(one_in: u32) -> Self {
        Self(if one_in == 0 { 1 } else { one_in })
    }

    pub(crate) const fn one_in(self) -> u32 {
        self.0
    }

    /// What there was, by estimate; it stops at the greatest number instead of beginning anew.
    pub(crate) const fn count(self, counted: Count) -> Count {
        let factor = self.0 as u64;
        Count {
            packets: counted.packets.saturating_mul(factor),
            frames: counted.frames.saturating_mul(factor),
            bytes: counted.bytes.saturating_mul(factor),
        }
    }

    /// The same without frames.
    pub(crate) const fn volume(self, counted: Volume) -> Volume {
        let factor = self.0 as u64;
        Volume {
            packets: counted.packets.saturating_mul(factor),
            bytes: counted.bytes.saturating_mul(factor),
        }
    }

    /// How fast it went, by estimate.
    pub(crate) fn rate(self, counted: Rate) -> Rate {
        let factor = f64::from(self.0);
        Rate {
            bytes_per_second: counted.bytes_per_second * factor,
            packets_per_second: counted.packets_per_second * factor,
        }
    }
}
