//! How much in a second.
//!
//! A rate is over the time between two ticks. Flows and hosts keep a [`Pulse`]: what was added
//! in the present tick and in the one before. It is brought up to date by the next addition or
//! by whoever reads it, so a silent flow costs nothing at a tick.

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
    pub(crate) number: u64,
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
            number: self.number + 1,
            began_ns: now_ns,
            interval_ns,
        };
        true
    }
}

/// What was added in the last tick that had any, and in the tick before that one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pulse {
    /// Number of the tick of `current`.
    tick: u64,
    current: Volume,
    previous: Volume,
}

impl Pulse {
    /// Adds to the tick under way.
    pub(crate) fn add(&mut self, ticks: Ticks, volume: Volume) {
        if self.tick != ticks.number {
            *self = Self {
                tick: ticks.number,
                current: Volume::default(),
                previous: self.last(ticks),
            };
        }
        self.current += volume;
    }

    /// What was added in the last whole tick.
    pub(crate) fn last(&self, ticks: Ticks) -> Volume {
        if self.tick == ticks.number {
            self.previous
        } else if self.tick + 1 == ticks.number {
            self.current
        } else {
            Volume::default()
        }
    }

    /// The rate in the last whole tick.
    pub(crate) fn rate(&self, ticks: Ticks) -> Rate {
        Rate::of(self.last(ticks), ticks.interval_ns)
    }
}
