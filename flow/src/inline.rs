//! The inline path: what became of the frames that come by one interface and go on to another one.
//!
//! What an interface has seen its own counters tell; what became of it three others count: the kernel where
//! it hands a frame to the other interface, the programs, and whoever forwards in user space. So that the sum
//! is right says something.

use std::sync::Arc;

use netweir_wire::map::{Bypass, InlineCounters, TapSlot};

use crate::InterfaceId;

/// What was counted since the start of the frames that come by an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineSample {
    /// The interface that they come by.
    pub id: InterfaceId,
    /// Index of the one that they go on to.
    pub other: u32,
    /// All CPUs together.
    pub counters: InlineCounters,
    /// All queues together.
    pub tap: TapSlot,
}

/// Why a frame that should have gone on did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InlineLoss {
    /// The other interface is gone.
    NoWay,
    /// The other interface had no room for it, or is down: in the kernel.
    Unsent,
    /// The kernel refused to hand it on.
    Refused,
    /// A socket did not take it.
    SocketRefused,
    /// The other interface had no room for it: by user space.
    TapFull,
    /// The other interface was down: by user space.
    TapDown,
    /// It was with a process that has died.
    LeftBehind,
    /// A rule taps it, it could not go by user space, and was not to pass otherwise.
    Withheld,
}

impl InlineLoss {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::NoWay,
        Self::Unsent,
        Self::Refused,
        Self::SocketRefused,
        Self::TapFull,
        Self::TapDown,
        Self::LeftBehind,
        Self::Withheld,
    ];

    /// The name that views, metrics and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoWay => "no_way",
            Self::Unsent => "unsent",
            Self::Refused => "refused",
            Self::SocketRefused => "socket_refused",
            Self::TapFull => "tap_full",
            Self::TapDown => "tap_down",
            Self::LeftBehind => "left_behind",
            Self::Withheld => "withheld",
        }
    }
}

/// Where the frames went that came by an interface:
/// `seen = crossed + tapped + dropped + lost + in_tap + unconfirmed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineAccounting {
    /// The interface that they come by.
    pub id: InterfaceId,
    /// Its name.
    pub name: Arc<str>,
    /// Name of the one that they go on to.
    pub to: Arc<str>,
    /// All that came.
    pub seen: u64,
    /// Handed on by the kernel, as it says itself.
    pub crossed: u64,
    /// Handed on by user space.
    pub tapped: u64,
    /// Dropped, because a rule says so.
    pub dropped: u64,
    /// Lost, by [`InlineLoss`].
    pub lost: [u64; InlineLoss::ALL.len()],
    /// With user space, or on the way there.
    pub in_tap: u64,
    /// As much of `crossed` as a rule taps, by [`Bypass`].
    pub bypassed: [u64; Bypass::ALL.len()],
    /// As much of `lost` as was withheld, by [`Bypass`].
    pub withheld: [u64; Bypass::ALL.len()],
    /// As much of what went to user space as was recorded.
    pub recorded: u64,
    /// As much as was not, though it was to be.
    pub unrecorded: u64,
}

impl InlineAccounting {
    pub(crate) fn of(
        sample: &InlineSample,
        names: (Arc<str>, Arc<str>),
        (seen, dropped): (u64, u64),
    ) -> Self {
        let InlineSample { counters, tap, .. } = sample;
        let (name, to) = names;
        Self {
            id: sample.id,
            name,
            to,
            seen,
            crossed: counters.sent,
            tapped: tap.forwarded,
            dropped,
            lost: InlineLoss::ALL.map(|reason| match reason {
                InlineLoss::NoWay => counters.no_way,
                InlineLoss::Unsent => counters.unsent,
                InlineLoss::Refused => counters.refused,
                InlineLoss::SocketRefused => tap.refused,
                InlineLoss::TapFull => tap.full,
                InlineLoss::TapDown => tap.down,
                InlineLoss::LeftBehind => tap.left_behind,
                InlineLoss::Withheld => sum(&counters.withheld),
            }),
            in_tap: tap.outstanding(),
            bypassed: counters.bypassed,
            withheld: counters.withheld,
            recorded: tap.recorded,
            unrecorded: tap.unrecorded,
        }
    }

    /// Those that were lost for one reason.
    pub const fn lost_to(&self, reason: InlineLoss) -> u64 {
        self.lost[reason as usize]
    }

    /// All losses together.
    pub fn lost_total(&self) -> u64 {
        sum(&self.lost)
    }

    /// All that a rule taps and that crossed in the kernel.
    pub fn bypassed_total(&self) -> u64 {
        sum(&self.bypassed)
    }

    /// Seen less all that is known to have become of it: given to the kernel, to be handed on, and not
    /// confirmed. At rest that is 0, unless the kernel did not run the programs that count what it says: some
    /// sandboxes keep tracing programs from running while a process of theirs is interrupted.
    pub fn unconfirmed(&self) -> i64 {
        let told = sum(&[self.crossed, self.tapped, self.dropped, self.in_tap]);
        let told = told.wrapping_add(self.lost_total());
        self.seen.wrapping_sub(told).cast_signed()
    }
}

/// Counters wrap around, and so do their sums.
fn sum(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum, count| sum.wrapping_add(*count))
}
