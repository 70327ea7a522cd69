//! Counters since the start that may begin anew.
//!
//! When a kernel map is made again, counters fall; when an interface gives up a part of them, that is
//! told. What they had reached is kept, and what they count from then on is added to it.

use netweir_wire::map::{Count, InterfaceCounters, QuicCounters, Volume};

/// A group of counters that only grow, until all of them begin anew.
pub(crate) trait Counters: Copy + Default {
    /// Whether any of them is less than it was `earlier`.
    fn fell(&self, earlier: &Self) -> bool;
    /// Adds each of `other`'s.
    fn add(&mut self, other: &Self);
}

impl Counters for Volume {
    fn fell(&self, earlier: &Self) -> bool {
        self.packets < earlier.packets || self.bytes < earlier.bytes
    }

    fn add(&mut self, other: &Self) {
        *self += *other;
    }
}

impl Counters for InterfaceCounters {
    fn fell(&self, earlier: &Self) -> bool {
        let volumes = |of: &Self| {
            let left_out = [of.filtered, of.sampled].into_iter();
            left_out.chain(of.lost).chain(of.classes)
        };
        count_fell(self.seen, earlier.seen)
            || count_fell(self.counted, earlier.counted)
            || volumes(self)
                .zip(volumes(earlier))
                .any(|(new, old)| new.fell(&old))
            || self
                .problems
                .iter()
                .zip(&earlier.problems)
                .any(|(new, old)| new < old)
    }

    fn add(&mut self, other: &Self) {
        *self += other;
    }
}

impl Counters for QuicCounters {
    fn fell(&self, earlier: &Self) -> bool {
        let counts = |of: &Self| {
            let alone = [of.long, of.short, of.decoded, of.no_room].into_iter();
            let by_reason = of.told.into_iter().chain(of.lost).chain(of.undecoded);
            alone.chain(by_reason)
        };
        counts(self)
            .zip(counts(earlier))
            .any(|(new, old)| new < old)
    }

    fn add(&mut self, other: &Self) {
        *self += other;
    }
}

fn count_fell(new: Count, old: Count) -> bool {
    new.packets < old.packets || new.frames < old.frames || new.bytes < old.bytes
}

/// The sum of counters over all the times that they began anew.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cumulative<T> {
    before: T,
    latest: T,
}

impl<T: Counters> Cumulative<T> {
    /// Takes what the counters show now.
    pub(crate) fn observe(&mut self, shown: &T) {
        if shown.fell(&self.latest) {
            self.before.add(&self.latest);
        }
        self.latest = *shown;
    }

    /// Keeps a part of what the counters showed, without which they are shown next: what they show
    /// then, and not what they showed last, is added to it.
    pub(crate) fn settle(&mut self, shown: &T) {
        self.before.add(shown);
        self.latest = T::default();
    }

    /// All that was ever counted.
    pub(crate) fn total(&self) -> T {
        let mut total = self.before;
        total.add(&self.latest);
        total
    }
}

/// A sum without a part of it that ended. Counts wrap around as they do in the kernel, and sums take
/// back what they took.
pub(crate) const fn take_back(sum: Count, part: Count) -> Count {
    Count {
        packets: sum.packets.wrapping_sub(part.packets),
        frames: sum.frames.wrapping_sub(part.frames),
        bytes: sum.bytes.wrapping_sub(part.bytes),
    }
}
