//! Flows on their way from the maps to whoever collects them.

use netweir_flow::Sample;
use netweir_wire::map::{FlowCounters, FlowKey, FlowValue, RuleMark};

use super::{BATCH_ENTRIES, interfaces::Interfaces};

/// Samples on their way out.
pub(super) struct Pieces<'a> {
    samples: Vec<Sample>,
    tick_ns: u64,
    interfaces: &'a mut Interfaces,
    /// Frames of which nothing can be read.
    malformed: u64,
    hand_over: &'a mut dyn FnMut(&[Sample]),
}

impl<'a> Pieces<'a> {
    /// None yet.
    pub(super) fn new(
        tick_ns: u64,
        interfaces: &'a mut Interfaces,
        hand_over: &'a mut dyn FnMut(&[Sample]),
    ) -> Self {
        Self {
            samples: Vec::with_capacity(BATCH_ENTRIES),
            tick_ns,
            interfaces,
            malformed: 0,
            hand_over,
        }
    }

    /// Frames of which nothing could be read.
    pub(super) const fn malformed(&self) -> u64 {
        self.malformed
    }

    /// Adds what was counted of a flow.
    pub(super) fn add(&mut self, key: &FlowKey, value: &FlowValue) {
        self.interfaces.credit(value);
        self.push(Sample {
            // Outside of the cache the rule stands there too.
            key: FlowKey {
                reserved: [0; 4],
                ..*key
            },
            counters: value.counters(self.tick_ns),
            rule: RuleMark(value.rule),
        });
    }

    /// Hands over a frame of which nothing can be read: the kernel has counted it, so it is not to
    /// vanish. A direction that is none makes it malformed.
    pub(super) fn add_malformed(&mut self) {
        self.malformed += 1;
        self.push(Sample {
            key: FlowKey {
                direction: u8::MAX,
                ..FlowKey::default()
            },
            counters: FlowCounters {
                packets: 1,
                frames: 1,
                ..FlowCounters::ZERO
            },
            rule: RuleMark::NONE,
        });
    }

    fn push(&mut self, sample: Sample) {
        self.samples.push(sample);
        if self.samples.len() == BATCH_ENTRIES {
            self.finish();
        }
    }

    /// Hands over what is left.
    pub(super) fn finish(&mut self) {
        if !self.samples.is_empty() {
            (self.hand_over)(&self.samples);
            self.samples.clear();
        }
    }
}
