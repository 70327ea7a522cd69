//! The inline path: frames that cross from one interface to another one, in the kernel or through user
//! space.
//!
//! Each interface of the two has a load of the programs, and so one of each of these, for the frames that
//! come in there.

/// Queues of an interface whose frames can be tapped; those of queues beyond cross in the kernel.
pub const TAP_QUEUES: usize = 64;

/// Why a frame that a rule taps did not go to user space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Bypass {
    /// No process has a socket for its queue.
    NoSocket = 0,
    /// The ring was full, or not all that it had held was forwarded yet since.
    NoRoom = 1,
    /// The process takes nothing of what it was given.
    Stalled = 2,
    /// It is longer than a frame in user space can be.
    TooLong = 3,
    /// The driver has no room for metadata before a frame.
    NoMetadata = 4,
}

impl Bypass {
    /// Every reason, in the order of its number.
    pub const ALL: [Self; 5] = [
        Self::NoSocket,
        Self::NoRoom,
        Self::Stalled,
        Self::TooLong,
        Self::NoMetadata,
    ];

    /// The name that views and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoSocket => "no_socket",
            Self::NoRoom => "no_room",
            Self::Stalled => "stalled",
            Self::TooLong => "too_long",
            Self::NoMetadata => "no_metadata",
        }
    }

    /// The reason with this number.
    pub const fn of(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::NoSocket),
            1 => Some(Self::NoRoom),
            2 => Some(Self::Stalled),
            3 => Some(Self::TooLong),
            4 => Some(Self::NoMetadata),
            _ => None,
        }
    }
}

/// What became of frames, as the programs of a CPU have counted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct InlineCounters {
    /// Handed to the other interface by the kernel; behind its driver, as far as is not known to be lost.
    pub sent: u64,
    /// Lost: the other interface took them not (its ring was full, it is down).
    pub unsent: u64,
    /// Lost: the kernel refused to hand them to the other interface.
    pub refused: u64,
    /// Lost: there is no other interface any more.
    pub no_way: u64,
    /// Of those that crossed in the kernel, the ones that a rule taps, by [`Bypass`].
    pub bypassed: [u64; Bypass::ALL.len()],
    /// Lost: a rule taps them, and they were not to pass by user space, by [`Bypass`].
    pub withheld: [u64; Bypass::ALL.len()],
}

impl core::ops::AddAssign<&Self> for InlineCounters {
    fn add_assign(&mut self, other: &Self) {
        let sum = |to: &mut u64, more: u64| *to = to.wrapping_add(more);
        sum(&mut self.sent, other.sent);
        sum(&mut self.unsent, other.unsent);
        sum(&mut self.refused, other.refused);
        sum(&mut self.no_way, other.no_way);
        for (to, more) in self.bypassed.iter_mut().zip(other.bypassed) {
            sum(to, more);
        }
        for (to, more) in self.withheld.iter_mut().zip(other.withheld) {
            sum(to, more);
        }
    }
}

/// What programs and user space know of the way through user space, in memory that they share.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TapSlots {
    /// How the programs are to go about it.
    pub settings: TapSettings,
    /// One for each queue.
    pub slots: [TapSlot; TAP_QUEUES],
}

/// How the programs are to go about the way through user space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct TapSettings {
    /// 1 where what cannot go through user space is not to pass.
    pub closed: u32,
    /// Bytes of the longest frame that goes there.
    pub max_bytes: u32,
    /// A process that has done nothing for so many ticks, though there was something, is passed by.
    pub stall_ticks: u32,
    /// Always zero.
    pub padding: u32,
    /// Frames that the other interface had dropped, as it says itself, before any was sent on to it.
    pub dropped_before: u64,
    /// Always zero.
    pub reserved: [u32; 10],
}

/// The way of one queue. Numbers of frames are sums since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct TapSlot {
    /// Handed to a socket. The programs write this and the next four, user space the others.
    pub taken: u64,
    /// Of these, the ones that the kernel could not put into the socket's ring: lost.
    pub refused: u64,
    /// What [`Self::done`] was when it was looked at last.
    pub seen: u64,
    /// When that had changed.
    pub progress_tick: u32,
    /// One more than the [`Bypass`] for which frames cross in the kernel until half of the ring is free; 0 where
    /// they do not.
    pub behind: u32,
    /// Always zero: what each side writes has cache lines of its own.
    pub reserved: [u64; 4],
    /// How many the ring has had room for: beyond it nothing is handed to the socket.
    pub room: u64,
    /// What user space has ended with: `forwarded + full + down + left_behind`.
    pub done: u64,
    /// Handed to the other interface.
    pub forwarded: u64,
    /// Lost: the other interface had no room.
    pub full: u64,
    /// Lost: the other interface is down or gone.
    pub down: u64,
    /// Lost: they were with a process that has died.
    pub left_behind: u64,
    /// Recorded.
    pub recorded: u64,
    /// Not recorded: more came than could be.
    pub unrecorded: u64,
}

impl TapSlot {
    /// Frames that user space has, or that are on the way there.
    pub const fn outstanding(&self) -> u64 {
        self.taken
            .wrapping_sub(self.refused)
            .wrapping_sub(self.done)
    }
}

/// What stands right before a frame that goes to user space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct TapMark {
    /// When it came, nanoseconds of `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    /// The rule, as a [`super::RuleMark`].
    pub rule: u16,
    /// The queue that it came by.
    pub queue: u16,
    /// Always zero.
    pub reserved: u32,
}

#[cfg(test)]
mod tests {
    use super::{Bypass, TapSlot, TapSlots};
    use core::mem::offset_of;

    #[test]
    fn each_side_writes_to_cache_lines_of_its_own() {
        assert_eq!(offset_of!(TapSlots, slots) % 64, 0);
        assert_eq!(offset_of!(TapSlot, room), 64);
        assert_eq!(size_of::<TapSlot>(), 128);
    }

    #[test]
    fn reasons_have_their_numbers() {
        for (number, reason) in Bypass::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, number);
            assert_eq!(Bypass::of(number as u32), Some(reason));
        }
        assert_eq!(Bypass::of(Bypass::ALL.len() as u32), None);
    }
}
