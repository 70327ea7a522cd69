//! When to look at which flow.
//!
//! Each flow sits in one bucket: the span of time in which its next time-out falls, as things
//! stood when it was put there. When the span is over, whoever owns the flow looks at its real
//! last packet, and queues it anew if it is still live. So a packet never moves a flow from
//! bucket to bucket, and a tick touches only what is due.

use std::{collections::BTreeMap, vec};

/// No bucket is narrower.
const LEAST_WIDTH_NS: u64 = 1_000_000;
/// How much finer than the shortest time-out buckets are.
const BUCKETS_PER_TIMEOUT: u64 = 32;

/// Numbers of flows by the time at which they are to be looked at.
#[derive(Debug)]
pub(crate) struct Expiry {
    width_ns: u64,
    buckets: BTreeMap<u64, Vec<u32>>,
    /// What is left of the bucket that is being emptied.
    due: vec::IntoIter<u32>,
    visits: u64,
}

impl Expiry {
    pub(crate) fn new(shortest_timeout_ns: u64) -> Self {
        Self {
            width_ns: (shortest_timeout_ns / BUCKETS_PER_TIMEOUT).max(LEAST_WIDTH_NS),
            buckets: BTreeMap::new(),
            due: vec::IntoIter::default(),
            visits: 0,
        }
    }

    /// Has a flow looked at once `due_ns` is over.
    pub(crate) fn queue(&mut self, due_ns: u64, flow: u32) {
        // The bucket behind the one of `due_ns`: when that begins, the time has surely come.
        let bucket = due_ns / self.width_ns + 1;
        self.buckets.entry(bucket).or_default().push(flow);
    }

    /// Takes out a flow that is to be looked at, those of the earliest bucket first.
    pub(crate) fn take_due(&mut self, now_ns: u64) -> Option<u32> {
        if self.due.as_slice().is_empty() {
            let first = self.buckets.first_entry()?;
            if *first.key() > now_ns / self.width_ns {
                return None;
            }
            self.due = first.remove().into_iter();
        }
        self.visits += 1;
        self.due.next()
    }

    /// How many flows were looked at in all.
    pub(crate) const fn visits(&self) -> u64 {
        self.visits
    }
}

#[cfg(test)]
mod tests {
    use super::Expiry;
    use proptest::prelude::*;

    const WIDTH_NS: u64 = 1 << 20;

    proptest! {
        #[test]
        fn flows_come_when_they_are_due_in_the_order_of_their_buckets(
            steps in prop::collection::vec((0..40_u64, 0..3_u64), 0..60),
        ) {
            let mut expiry = Expiry::new(32 * WIDTH_NS);
            // Flows that wait, with their buckets, in the order in which they were queued.
            let mut waiting: Vec<(u64, u32)> = Vec::new();
            let mut now_ns = 0;
            for (flow, (due, passed)) in (0..).zip(steps) {
                let due_ns = now_ns + due * WIDTH_NS / 2;
                expiry.queue(due_ns, flow);
                waiting.push((due_ns / WIDTH_NS + 1, flow));
                now_ns += passed * WIDTH_NS;
                waiting.sort_by_key(|(bucket, _)| *bucket);
                let is_due = |(bucket, _): &&(u64, u32)| bucket * WIDTH_NS <= now_ns;
                let due = waiting.iter().take_while(is_due).count();
                let expected = waiting.drain(..due).map(|(_, flow)| Some(flow));
                for flow in expected {
                    prop_assert_eq!(expiry.take_due(now_ns), flow);
                }
                prop_assert_eq!(expiry.take_due(now_ns), None);
            }
        }
    }
}
