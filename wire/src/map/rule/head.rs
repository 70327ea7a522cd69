//! Heads of packets that a rule with the action `sample` tells of.

use core::ops::AddAssign;

use crate::map::FlowKey;

/// Bytes of a frame that are told at most.
pub const HEAD_BYTES: usize = 256;

/// The head of what the ring has of a sampled packet; the first bytes of its frame follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PacketHead {
    /// The flow of the packet.
    pub key: FlowKey,
    /// When it came, nanoseconds of `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    /// Bytes of the frame.
    pub frame_bytes: u32,
    /// Bytes of it that follow.
    pub captured_bytes: u16,
    /// The [`super::RuleMark`] of the rule.
    pub rule: u16,
}

/// Why a packet that was drawn is not told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum HeadLoss {
    /// The allowance of its CPU was used up.
    OverAllowance = 0,
    /// The ring buffer was full.
    RingFull = 1,
    /// Its bytes could not be read.
    Unreadable = 2,
}

impl HeadLoss {
    /// Every reason, in the order of its number.
    pub const ALL: [Self; 3] = [Self::OverAllowance, Self::RingFull, Self::Unreadable];

    /// The name that views, metrics and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OverAllowance => "over_allowance",
            Self::RingFull => "ring_full",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What a CPU counted of frames that rules sample: `drawn + passed_over` came, and
/// `drawn = told + lost`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct HeadCounters {
    /// Frames that are in the ring.
    pub told: u64,
    /// Frames that were not drawn.
    pub passed_over: u64,
    /// Frames that should be in the ring and are not, by [`HeadLoss`].
    pub lost: [u64; HeadLoss::ALL.len()],
    /// The tick up to which the allowance has been granted.
    pub granted_tick: u32,
    /// Heads that it may still have.
    pub allowance: u32,
}

impl AddAssign<&Self> for HeadCounters {
    /// Adds what another CPU counted.
    fn add_assign(&mut self, other: &Self) {
        self.told = self.told.wrapping_add(other.told);
        self.passed_over = self.passed_over.wrapping_add(other.passed_over);
        for (sum, &more) in self.lost.iter_mut().zip(&other.lost) {
            *sum = sum.wrapping_add(more);
        }
    }
}
