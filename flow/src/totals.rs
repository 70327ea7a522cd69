//! Sums over interfaces, for the summary of a host or of one interface.
//!
//! Every interface counts what it shows: a packet that is passed on from one watched interface to
//! another is in both, and one on a loopback device in both of its directions.

use crate::{InterfaceState, Rate};
use netweir_wire::map::{Class, Count, INTERFACE_CLASSES, Volume};

/// How much, and how fast.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// What was seen since the start.
    pub total: Volume,
    /// The rate in the last tick.
    pub rate: Rate,
}

/// Sums over the directions of interfaces.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Time since the meter was made.
    pub uptime_ns: u64,
    /// All that was seen since the start.
    pub total: Count,
    /// The rate in the last tick.
    pub rate: Rate,
    /// The rate since the start, on average.
    pub average: Rate,
    /// The highest rate of the sum in any tick; bytes and packets each by themselves.
    pub peak: Rate,
    /// Indexed by [`Class`].
    classes: [Load; INTERFACE_CLASSES],
}

impl Totals {
    /// What was seen of one class.
    pub const fn class(&self, class: Class) -> Load {
        self.classes[class as usize]
    }

    /// How many per cent of all bytes were of that class; 0 when there were none.
    pub fn percent(&self, class: Class) -> f64 {
        if self.total.bytes == 0 {
            return 0.0;
        }
        self.class(class).total.bytes as f64 * 100.0 / self.total.bytes as f64
    }

    /// The sums over `states`.
    #[expect(
        single_use_lifetimes,
        reason = "it cannot be elided inside `impl Trait`"
    )]
    pub(crate) fn of<'a>(
        states: impl Iterator<Item = &'a InterfaceState>,
        uptime_ns: u64,
        peak: Rate,
    ) -> Self {
        let mut totals = Self {
            uptime_ns,
            peak,
            ..Self::default()
        };
        states.for_each(|state| totals.add(state));
        totals.average = Rate::of(totals.total.volume(), uptime_ns);
        totals
    }

    fn add(&mut self, state: &InterfaceState) {
        for (_, direction) in state.directions() {
            let counters = direction.counters();
            self.total += counters.seen;
            self.rate += direction.rate();
            for class in Class::ALL {
                let load = &mut self.classes[class as usize];
                load.total += counters.class(class);
                load.rate += direction.class_rate(class);
            }
        }
    }
}
