//! Where every packet went.
//!
//! Two borders are watched. In the kernel, what an interface saw is what was added to flows, what
//! the filter did not admit, what sampling left out, and what was lost by reason. Here, what came
//! in samples is what is in flows and what was refused by reason. Between the two lies what waits
//! in the kernel's maps for the next drain. All of it is what was really counted: nothing is
//! multiplied where frames are sampled.

use crate::{DirectionState, HeadAccounting, Hook, InlineAccounting, Interface, InterfaceId};
use netweir_wire::{
    map::{Count, Direction, LossReason, StrayReason, Volume},
    packet::Problem,
};
use std::sync::Arc;

/// Where every packet went since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounting {
    /// One frame in so many was to be counted; 1 for every frame.
    pub sampling: u32,
    /// What the kernel counted, a line for each direction of each interface.
    pub interfaces: Vec<InterfaceAccounting>,
    /// What came in samples of flows; `in_flows`, `table_full` and `malformed` together.
    pub received: Count,
    /// What is in flows, live and ended.
    pub in_flows: Count,
    /// What belonged to new flows while the table was full.
    pub table_full: Count,
    /// What came in samples whose direction is none.
    pub malformed: Count,
    /// As much of `received` as stands in no line of `interfaces`, for want of room.
    pub unlisted: Count,
    /// No more than so much of `in_flows` do records tell under another rule than it was counted under,
    /// for want of room while very many flows were relabelled at once. The totals of labels are exact
    /// all the same.
    pub mislabelled: Count,
    /// What the kernel could charge to no interface, by [`StrayReason`].
    pub strays: [Volume; StrayReason::ALL.len()],
    /// What became of the frames that rules sample.
    pub heads: HeadAccounting,
    /// Where the frames went that go on to another interface, a line for each that they come by.
    pub inline: Vec<InlineAccounting>,
    /// What was credited to no host, for want of room; once for each end.
    pub hosts_full: Volume,
    /// Samples and announcements of interfaces that were passed over: no such direction, or no
    /// room for another interface.
    pub interfaces_passed_over: u64,
    /// Number of live flows.
    pub flows: usize,
    /// Number of hosts.
    pub hosts: usize,
    /// How many flows were looked at for their time-outs, in all: the work of ticks.
    pub expiry_visits: u64,
}

/// Where the packets of one direction of one interface went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAccounting {
    /// Which interface.
    pub id: InterfaceId,
    /// Its name.
    pub name: Arc<str>,
    /// Where its packets are counted.
    pub hook: Hook,
    /// Which direction.
    pub direction: Direction,
    /// All that came by the hook.
    pub seen: Count,
    /// What the kernel added to a flow.
    pub counted: Count,
    /// What the filter did not admit.
    pub filtered: Volume,
    /// What sampling left out.
    pub sampled: Volume,
    /// What the kernel should have added to a flow and did not, by [`LossReason`].
    pub lost: [Volume; LossReason::ALL.len()],
    /// As much of `seen` as was dropped, because a rule says so. It is in flows like any other, or
    /// filtered, or sampled, or lost: it stands beside these, and not among them.
    pub dropped: Volume,
    /// As much of `seen` as a rule says is to be dropped, where the hook cannot.
    pub spared: Volume,
    /// Frames whose headers could not be read to the end, by [`Problem`]; they are counted in
    /// flows all the same.
    pub problems: [u64; Problem::ALL.len()],
    /// What came in samples of flows.
    pub received: Count,
    /// What was taken in flows before there was this meter, where the counters are older than it.
    pub taken_before: Count,
}

/// A difference of two counters, negative where the second is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Packets.
    pub packets: i64,
    /// Bytes.
    pub bytes: i64,
}

/// How far each border is from being balanced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imbalance {
    /// Seen less counted, filtered, sampled and lost, in the kernel: 0 but for packets counted while
    /// it was read.
    pub kernel: Difference,
    /// Counted in the kernel less received in samples: what waits for the next drain.
    pub in_flight: Difference,
    /// Received less in flows, less `table_full`, less `malformed`: 0 always.
    pub table: Difference,
}

impl InterfaceAccounting {
    pub(crate) fn of(interface: &Interface, direction: Direction, state: &DirectionState) -> Self {
        let counters = state.counters();
        Self {
            id: interface.id,
            name: Arc::clone(&interface.name),
            hook: interface.hook,
            direction,
            seen: counters.seen,
            counted: counters.counted,
            filtered: counters.filtered,
            sampled: counters.sampled,
            lost: counters.lost,
            dropped: counters.dropped,
            spared: counters.spared,
            problems: counters.problems,
            received: state.received(),
            taken_before: state.taken_before(),
        }
    }

    /// All losses together.
    pub fn lost_total(&self) -> Volume {
        sum(self.lost)
    }

    /// Where the kernel says that what was seen went: counted, filtered, sampled or lost.
    pub fn told(&self) -> Volume {
        let counted = self.counted.volume();
        sum([counted, self.filtered, self.sampled, self.lost_total()])
    }

    /// How far this line is from being balanced; samples are balanced by the table as a whole.
    pub fn imbalance(&self) -> Imbalance {
        let counted = self.counted.volume();
        Imbalance {
            kernel: Difference::of(self.seen.volume(), self.told()),
            in_flight: Difference::of(
                counted,
                sum([self.received.volume(), self.taken_before.volume()]),
            ),
            table: Difference::default(),
        }
    }
}

impl Accounting {
    /// How far the whole is from being balanced.
    pub fn imbalance(&self) -> Imbalance {
        let seen = sum(self.interfaces.iter().map(|line| line.seen.volume()));
        let counted = sum(self.interfaces.iter().map(|line| line.counted.volume()));
        let told = sum(self.interfaces.iter().map(InterfaceAccounting::told));
        let before = sum(self
            .interfaces
            .iter()
            .map(|line| line.taken_before.volume()));
        let in_table = [self.in_flows, self.table_full, self.malformed].map(Count::volume);
        Imbalance {
            kernel: Difference::of(seen, told),
            in_flight: Difference::of(counted, sum([self.received.volume(), before])),
            table: Difference::of(self.received.volume(), sum(in_table)),
        }
    }
}

impl Difference {
    /// Counters wrap around, and so does their difference.
    const fn of(first: Volume, second: Volume) -> Self {
        Self {
            packets: first.packets.wrapping_sub(second.packets).cast_signed(),
            bytes: first.bytes.wrapping_sub(second.bytes).cast_signed(),
        }
    }
}

fn sum(volumes: impl IntoIterator<Item = Volume>) -> Volume {
    volumes
        .into_iter()
        .fold(Volume::default(), |mut sum, volume| {
            sum += volume;
            sum
        })
}
