//! How much in a second.
//!
//! A rate is over the time between two ticks. Flows and hosts keep a [`Pulse`]: what was added
//! in the present tick and in the one before, to eight digits. It is brought up to date by the next
//! addition or by whoever reads it, so a silent flow costs nothing at a tick.

use netweir_wire::map::Volume;
use std::ops::AddAssign;

/// Bytes and packets in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Rate {
    /// Bytes of whole frames in a second.
    pub bytes_per_second: f64,
    /// Packets as the wire carries them in a second.
    pub packets_per_second: f64,
}

impl Rate {
    /// The rate of `volume` in `interval_ns`; none at all in no time.
    pub fn of(volume: Volume, interval_ns: u64) -> Self {
        if interval_ns == 0 {
            return Self::default();
        }
        let seconds = interval_ns as f64 / 1e9;
        Self {
            bytes_per_second: volume.bytes as f64 / seconds,
            packets_per_second: volume.packets as f64 / seconds,
        }
    }

    /// Bits of whole frames in a second.
    pub fn bits_per_second(self) -> f64 {
        self.bytes_per_second * 8.0
    }

    /// The greater of each; the two need not have been at the same time.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            bytes_per_second: self.bytes_per_second.max(other.bytes_per_second),
            packets_per_second: self.packets_per_second.max(other.packets_per_second),
        }
    }
}

impl AddAssign for Rate {
    fn add_assign(&mut self, other: Self) {
        self.bytes_per_second += other.bytes_per_second;
        self.packets_per_second += other.packets_per_second;
    }
}

/// Which tick it is, and how long the last whole one was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticks {
    /// Number of the tick under way.
    pub(crate) number: u32,
    /// When it began.
    began_ns: u64,
    /// Length of the one before; 0 while there is none.
    pub(crate) interval_ns: u64,
}

impl Ticks {
    pub(crate) const fn new(now_ns: u64) -> Self {
        Self {
            number: 1,
            began_ns: now_ns,
            interval_ns: 0,
        }
    }

    /// Ends the tick under way; whether any time has passed in it. If none has, it goes on.
    pub(crate) const fn next(&mut self, now_ns: u64) -> bool {
        let interval_ns = now_ns.saturating_sub(self.began_ns);
        if interval_ns == 0 {
            return false;
        }
        *self = Self {
            number: self.number.wrapping_add(1),
            began_ns: now_ns,
            interval_ns,
        };
        true
    }
}

/// A number in half the bytes: exact up to some hundred million, and to eight digits beyond.
///
/// Rates are made of it, never counters.
#[derive(Clone, Copy, Debug, Default)]
struct Rounded(u32);

impl Rounded {
    const SHIFT_BITS: u32 = 5;
    const MAX_SHIFT: u32 = (1 << Self::SHIFT_BITS) - 1;
    const DIGIT_BITS: u32 = u32::BITS - Self::SHIFT_BITS;

    /// Digits that are too low are cut off; what is too great becomes the greatest.
    const fn new(number: u64) -> Self {
        let bits = u64::BITS - number.leading_zeros();
        let shift = bits.saturating_sub(Self::DIGIT_BITS);
        if shift > Self::MAX_SHIFT {
            return Self(u32::MAX);
        }
        Self(((number >> shift) as u32) << Self::SHIFT_BITS | shift)
    }

    const fn get(self) -> u64 {
        ((self.0 >> Self::SHIFT_BITS) as u64) << (self.0 & Self::MAX_SHIFT)
    }
}

/// A volume of one tick.
#[derive(Clone, Copy, Debug, Default)]
struct Beat {
    packets: Rounded,
    bytes: Rounded,
}

impl Beat {
    const fn add(&mut self, volume: Volume) {
        self.packets = Rounded::new(self.packets.get().saturating_add(volume.packets));
        self.bytes = Rounded::new(self.bytes.get().saturating_add(volume.bytes));
    }

    const fn volume(self) -> Volume {
        Volume {
            packets: self.packets.get(),
            bytes: self.bytes.get(),
        }
    }
}

/// What was added to each of `N` sums in the last tick that had any, and in the tick before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pulse<const N: usize> {
    /// Number of the tick of `current`.
    tick: u32,
    current: [Beat; N],
    previous: [Beat; N],
}

impl<const N: usize> Default for Pulse<N> {
    fn default() -> Self {
        Self {
            tick: 0,
            current: [Beat::default(); N],
            previous: [Beat::default(); N],
        }
    }
}

impl<const N: usize> Pulse<N> {
    /// Adds to one of the sums in the tick under way.
    pub(crate) fn add(&mut self, ticks: Ticks, sum: usize, volume: Volume) {
        if self.tick != ticks.number {
            *self = Self {
                tick: ticks.number,
                current: [Beat::default(); N],
                previous: self.last_beats(ticks),
            };
        }
        self.current[sum].add(volume);
    }

    fn last_beats(&self, ticks: Ticks) -> [Beat; N] {
        if self.tick == ticks.number {
            self.previous
        } else if self.tick.wrapping_add(1) == ticks.number {
            self.current
        } else {
            [Beat::default(); N]
        }
    }

    /// What was added to one of the sums in the last whole tick.
    pub(crate) fn last(&self, ticks: Ticks, sum: usize) -> Volume {
        self.last_beats(ticks)[sum].volume()
    }

    /// The rate of one of the sums in the last whole tick.
    pub(crate) fn rate(&self, ticks: Ticks, sum: usize) -> Rate {
        Rate::of(self.last(ticks, sum), ticks.interval_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::Rounded;
    use proptest::prelude::*;

    #[test]
    fn numbers_up_to_a_hundred_million_are_exact() {
        for number in [0, 1, 1500, 99_999_999, (1 << 27) - 1] {
            assert_eq!(Rounded::new(number).get(), number);
        }
        assert_eq!(Rounded::new(u64::MAX).get(), ((1 << 27) - 1) << 31);
    }

    proptest! {
        #[test]
        fn greater_ones_have_eight_digits(number in 0..1_u64 << 58) {
            let kept = Rounded::new(number).get();
            prop_assert!(kept <= number && (number - kept) as f64 <= number as f64 * 1.5e-8);
        }
    }
}
