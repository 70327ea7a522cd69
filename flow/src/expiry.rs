//! When to look at which flow.
//!
//! Each flow sits in one bucket: the span of time in which its next time-out falls, as things
//! stood when it was put there. When the span is over, whoever owns the flow looks at its real
//! last packet, and queues it anew if it is still live. So a packet never moves a flow from
//! bucket to bucket, and a tick touches only what is due.

use netweir_wire::map::FlowKey;
use std::collections::BTreeMap;

/// No bucket is narrower.
const LEAST_WIDTH_NS: u64 = 1_000_000;
/// How much finer than the shortest time-out buckets are.
const BUCKETS_PER_TIMEOUT: u64 = 32;

/// Flows by the time at which they are to be looked at.
#[derive(Debug)]
pub(crate) struct Expiry {
    width_ns: u64,
    buckets: BTreeMap<u64, Vec<FlowKey>>,
    visits: u64,
}

impl Expiry {
    pub(crate) fn new(shortest_timeout_ns: u64) -> Self {
        Self {
            width_ns: (shortest_timeout_ns / BUCKETS_PER_TIMEOUT).max(LEAST_WIDTH_NS),
            buckets: BTreeMap::new(),
            visits: 0,
        }
    }

    /// Has `key` looked at once `due_ns` is over.
    pub(crate) fn queue(&mut self, due_ns: u64, key: FlowKey) {
        // The bucket behind the one of `due_ns`: when that begins, the time has surely come.
        let bucket = due_ns / self.width_ns + 1;
        self.buckets.entry(bucket).or_default().push(key);
    }

    /// Takes out one bucket of flows that are to be looked at, the earliest first.
    pub(crate) fn take_due(&mut self, now_ns: u64) -> Option<Vec<FlowKey>> {
        let first = self.buckets.first_entry()?;
        if *first.key() > now_ns / self.width_ns {
            return None;
        }
        let due = first.remove();
        self.visits += due.len() as u64;
        Some(due)
    }

    /// How many flows were looked at in all.
    pub(crate) const fn visits(&self) -> u64 {
        self.visits
    }
}
