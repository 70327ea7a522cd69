//! Whether the spin bit of one sender says how long a round trip takes (RFC 9000 section 17.4).
//!
//! A peer that does not take part sends 0 always, or random bits; nothing in a packet tells which.
//! Random bits turn with every second packet, whatever the time between packets is.

use netweir_wire::map::SpinSums;

/// No round trip is shorter: times below come from random or reordered bits.
const LEAST_NS: u64 = 100_000;
/// Packets for each turn at least: random bits have two.
const PACKETS_PER_TURN: u64 = 4;
/// Turns before anything is said of their time.
const LEAST_TURNS: u32 = 4;
/// Packets without a turn before the bit counts as disabled.
const LEAST_PACKETS: u32 = 64;
/// Time without a turn before the bit counts as disabled where nothing was told of it: longer than a
/// round trip takes.
const LEAST_SILENT_NS: u64 = 2_000_000_000;
/// How many times longer or shorter than the handshake's a round trip may be.
const HANDSHAKE_RATIO: u64 = 10;

/// What is to be thought of a spin bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpinState {
    /// Too few packets, or too few turns.
    TooFew,
    /// It does not turn.
    Disabled,
    /// It turns in a way that no round trips make: at random, too fast, or far from the handshake's
    /// time.
    Noisy,
    /// It turns as often as packets go round.
    Credible,
}

/// Round-trip time by the spin bit, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpinTime {
    /// The shortest.
    pub min_ns: u64,
    /// The mean.
    pub mean_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

/// The spin bit of one sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spin {
    /// All that was told of it.
    all: SpinSums,
    /// What of it has no time that is too short.
    plausible: SpinSums,
}

impl SpinState {
    /// What is to be thought of a bit of which nothing was told, in so many packets and so long a
    /// time: it is told of when it has turned twice.
    pub(super) const fn of_untold(packets: u64, lasted_ns: u64) -> Self {
        if packets >= LEAST_PACKETS as u64 && lasted_ns >= LEAST_SILENT_NS {
            Self::Disabled
        } else {
            Self::TooFew
        }
    }

    /// The name that views, metrics and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooFew => "too_few",
            Self::Disabled => "disabled",
            Self::Noisy => "noisy",
            Self::Credible => "credible",
        }
    }
}

impl Spin {
    /// What is to be thought of it, for a connection whose handshake took so long a round trip.
    pub fn state(&self, handshake_ns: Option<u64>) -> SpinState {
        let Self { all, plausible } = self;
        if all.turns == 0 && all.packets >= LEAST_PACKETS {
            return SpinState::Disabled;
        }
        if all.turns < LEAST_TURNS {
            return SpinState::TooFew;
        }
        let is_random = u64::from(all.turns) * PACKETS_PER_TURN > u64::from(all.packets);
        let is_short = plausible.turns <= all.turns / 2;
        let contradicts = |of_handshake: u64| {
            plausible.max_ns < of_handshake / HANDSHAKE_RATIO
                || plausible.min_ns > of_handshake.saturating_mul(HANDSHAKE_RATIO)
        };
        if is_random || is_short || handshake_ns.is_some_and(contradicts) {
            return SpinState::Noisy;
        }
        SpinState::Credible
    }

    /// The times between its turns, which are round trips where it is credible.
    pub fn time(&self) -> Option<SpinTime> {
        let SpinSums { turns, .. } = self.plausible;
        let mean_ns = self.plausible.sum_ns.checked_div(turns.into())?;
        Some(SpinTime {
            min_ns: self.plausible.min_ns,
            mean_ns,
            max_ns: self.plausible.max_ns,
        })
    }

    /// How often it turned, and in how many packets.
    pub const fn turns(&self) -> (u32, u32) {
        (self.all.turns, self.all.packets)
    }

    pub(super) fn add(&mut self, sums: &SpinSums) {
        merge(&mut self.all, sums);
        if sums.turns > 0 && sums.min_ns >= LEAST_NS {
            merge(&mut self.plausible, sums);
        }
    }
}

fn merge(sum: &mut SpinSums, more: &SpinSums) {
    if more.turns > 0 {
        sum.min_ns = if sum.turns == 0 {
            more.min_ns
        } else {
            sum.min_ns.min(more.min_ns)
        };
    }
    sum.max_ns = sum.max_ns.max(more.max_ns);
    sum.sum_ns = sum.sum_ns.saturating_add(more.sum_ns);
    sum.turns = sum.turns.saturating_add(more.turns);
    sum.packets = sum.packets.saturating_add(more.packets);
}
