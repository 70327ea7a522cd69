//! Sums over several collectors, each of which tells what it has counted since its start.
//!
//! A collector that cannot be read any more is missing in the sum, which falls by what it had counted.
//! That stays, and what the others count from then on is added to it.

use netweir_wire::map::{HeadCounters, QuicCounters, Volume};

/// A group of counters that are summed.
pub(crate) trait Counters: Copy + Default {
    /// By how much each is above what it is now; 0 where it is not.
    fn above(&self, now: &Self) -> Self;
    /// Adds each of `other`'s.
    fn add(&mut self, other: &Self);
}

impl Counters for Volume {
    fn above(&self, now: &Self) -> Self {
        *self - *now
    }

    fn add(&mut self, other: &Self) {
        *self += *other;
    }
}

impl Counters for QuicCounters {
    fn above(&self, now: &Self) -> Self {
        let (mut above, mut now) = (*self, *now);
        for (above, now) in counts(&mut above).zip(counts(&mut now)) {
            *above = above.saturating_sub(*now);
        }
        above
    }

    fn add(&mut self, other: &Self) {
        *self += other;
    }
}

impl Counters for HeadCounters {
    fn above(&self, now: &Self) -> Self {
        let mut lost = self.lost;
        for (above, now) in lost.iter_mut().zip(now.lost) {
            *above = above.saturating_sub(now);
        }
        Self {
            told: self.told.saturating_sub(now.told),
            passed_over: self.passed_over.saturating_sub(now.passed_over),
            lost,
            ..Self::default()
        }
    }

    fn add(&mut self, other: &Self) {
        *self += other;
    }
}

/// All that is a count: allowances are none.
fn counts(of: &mut QuicCounters) -> impl Iterator<Item = &mut u64> {
    let QuicCounters {
        long,
        short,
        told,
        lost,
        decoded,
        no_room,
        undecoded,
        ..
    } = of;
    let alone = [long, short, decoded, no_room].into_iter();
    alone.chain(told).chain(lost).chain(undecoded)
}

/// All that any of the collectors has counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Summed<T> {
    missing: T,
    latest: T,
}

impl<T: Counters> Summed<T> {
    /// Takes what the sum shows now.
    pub(crate) fn observe(&mut self, shown: &T) {
        self.missing.add(&self.latest.above(shown));
        self.latest = *shown;
    }

    /// All that was ever counted.
    pub(crate) fn total(&self) -> T {
        let mut total = self.missing;
        total.add(&self.latest);
        total
    }
}
