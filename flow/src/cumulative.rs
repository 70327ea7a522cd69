//! Counters of interfaces since the start, which may begin anew.
//!
//! When a kernel map is made again, counters fall; when an interface gives up a part of them, that is
//! told. What they had reached is kept, and what they count from then on is added to it.

use netweir_wire::map::{Count, InterfaceCounters, Volume};

/// The sum of an interface's counters over all the times that they began anew.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cumulative {
    before: InterfaceCounters,
    latest: InterfaceCounters,
}

impl Cumulative {
    /// Takes what the counters show now.
    pub(crate) fn observe(&mut self, shown: &InterfaceCounters) {
        if fell(shown, &self.latest) {
            self.before += &self.latest;
        }
        self.latest = *shown;
    }

    /// Keeps a part of what the counters showed, without which they are shown next: what they show
    /// then, and not what they showed last, is added to it.
    pub(crate) fn settle(&mut self, shown: &InterfaceCounters) {
        self.before += shown;
        self.latest = InterfaceCounters::default();
    }

    /// All that was ever counted.
    pub(crate) fn total(&self) -> InterfaceCounters {
        let mut total = self.before;
        total += &self.latest;
        total
    }
}

/// Whether any counter is less than it was.
fn fell(new: &InterfaceCounters, old: &InterfaceCounters) -> bool {
    let volumes = |of: &InterfaceCounters| {
        let left_out = [of.filtered, of.sampled, of.dropped, of.spared].into_iter();
        left_out.chain(of.lost).chain(of.classes)
    };
    let problems = new.problems.iter().zip(&old.problems);
    count_fell(new.seen, old.seen)
        || count_fell(new.counted, old.counted)
        || volumes(new)
            .zip(volumes(old))
            .any(|(new, old)| volume_fell(new, old))
        || problems.into_iter().any(|(new, old)| new < old)
}

const fn volume_fell(new: Volume, old: Volume) -> bool {
    new.packets < old.packets || new.bytes < old.bytes
}

fn count_fell(new: Count, old: Count) -> bool {
    new.packets < old.packets || new.frames < old.frames || new.bytes < old.bytes
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
