//! What one interface has counted, and how fast.

use super::Interface;
use crate::{Rate, cumulative::Cumulative};
use netweir_wire::map::{Class, Count, Direction, INTERFACE_CLASSES, InterfaceCounters, Volume};

/// An interface with its counters, its rates and its peak.
#[derive(Clone, Debug)]
pub struct InterfaceState {
    /// What it is.
    pub interface: Interface,
    /// Indexed by [`Direction`].
    directions: [DirectionState; 2],
    peak: Rate,
}

impl InterfaceState {
    pub(super) fn new(interface: Interface) -> Self {
        Self {
            interface,
            directions: Default::default(),
            peak: Rate::default(),
        }
    }

    /// One of its directions.
    pub const fn direction(&self, direction: Direction) -> &DirectionState {
        &self.directions[direction as usize]
    }

    /// Both directions, ingress first.
    pub fn directions(&self) -> impl Iterator<Item = (Direction, &DirectionState)> {
        [Direction::Ingress, Direction::Egress]
            .into_iter()
            .zip(&self.directions)
    }

    /// The rate of both directions in the last tick.
    pub fn rate(&self) -> Rate {
        let mut sum = self.directions[0].rate;
        sum += self.directions[1].rate;
        sum
    }

    /// The highest rate of both directions in any tick; bytes and packets each by themselves.
    pub const fn peak(&self) -> Rate {
        self.peak
    }

    pub(crate) const fn direction_mut(&mut self, direction: Direction) -> &mut DirectionState {
        &mut self.directions[direction as usize]
    }

    /// Ends a tick of `interval_ns`.
    pub(super) fn tick(&mut self, interval_ns: u64) {
        for direction in &mut self.directions {
            direction.tick(interval_ns);
        }
        self.peak = self.peak.max(self.rate());
    }
}

/// One direction of an interface.
#[derive(Clone, Debug, Default)]
pub struct DirectionState {
    counters: Cumulative,
    received: Count,
    /// What was taken in flows before there was this meter.
    taken_before: Count,
    /// Whether it shows for the first time what was counted before there was this meter.
    is_older: bool,
    /// The counters when the last tick ended.
    ticked: Option<Box<InterfaceCounters>>,
    rate: Rate,
    class_rates: [Rate; INTERFACE_CLASSES],
    peak: Rate,
}

impl DirectionState {
    /// All that the kernel counted since the start, also before its counters began anew.
    pub fn counters(&self) -> InterfaceCounters {
        self.counters.total()
    }

    /// What has come in samples of flows.
    pub const fn received(&self) -> Count {
        self.received
    }

    /// The rate in the last tick.
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// The rate of one class in the last tick.
    pub const fn class_rate(&self, class: Class) -> Rate {
        self.class_rates[class as usize]
    }

    /// The highest rate in any tick; bytes and packets each by themselves.
    pub const fn peak(&self) -> Rate {
        self.peak
    }

    /// What was taken in flows before there was this meter, of counters that are older.
    pub const fn taken_before(&self) -> Count {
        self.taken_before
    }

    pub(crate) fn set_taken_before(&mut self, taken: Count) {
        if self.counters.total() == InterfaceCounters::ZERO {
            self.is_older = true;
        }
        self.taken_before = taken;
    }

    pub(crate) fn observe(&mut self, shown: &InterfaceCounters) {
        self.begin_change();
        self.counters.observe(shown);
    }

    /// The counters are from now on without these, which they had shown.
    pub(crate) fn settle(&mut self, shown: &InterfaceCounters) {
        self.begin_change();
        self.counters.settle(shown);
    }

    /// The first change since a tick keeps what the tick had ended with.
    fn begin_change(&mut self) {
        if self.ticked.is_none() {
            self.ticked = Some(Box::new(self.counters.total()));
        }
    }

    pub(crate) fn receive(&mut self, count: Count) {
        self.received += count;
    }

    fn tick(&mut self, interval_ns: u64) {
        // What was counted before is no rate of a tick.
        let is_older = std::mem::take(&mut self.is_older);
        let Some(before) = self.ticked.take().filter(|_| !is_older) else {
            self.rate = Rate::default();
            self.class_rates = Default::default();
            return;
        };
        let now = self.counters.total();
        let rate = |now: Volume, before| Rate::of(now - before, interval_ns);
        self.rate = rate(now.seen.volume(), before.seen.volume());
        for class in Class::ALL {
            self.class_rates[class as usize] = rate(now.class(class), before.class(class));
        }
        self.peak = self.peak.max(self.rate);
    }
}
