//! The flow table: what was counted of every live flow.
//!
//! Samples go in, flows whose time has come go out through a closure. A flow leaves the table
//! only by its idle time-out. When the table is full, what belongs to new flows is counted as
//! such, and nothing makes room for it.

use crate::{EndReason, Sample, expiry::Expiry, flow::Flow, rate::Ticks};
use netweir_wire::map::{Count, FlowKey};
use std::collections::{HashMap, hash_map::Entry};

/// The time-outs and the size of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) idle_ns: u64,
    pub(crate) active_ns: u64,
    pub(crate) max_flows: usize,
}

impl Limits {
    fn due_ns(&self, flow: &Flow) -> u64 {
        let idle_ns = flow.last_ns.saturating_add(self.idle_ns);
        idle_ns.min(flow.reported_ns.saturating_add(self.active_ns))
    }

    /// Whether a flow that is looked at has something to tell.
    fn reason(&self, flow: &Flow, now_ns: u64) -> Option<EndReason> {
        if now_ns.saturating_sub(flow.last_ns) >= self.idle_ns {
            return Some(EndReason::Idle);
        }
        let since_report_ns = now_ns.saturating_sub(flow.reported_ns);
        (since_report_ns >= self.active_ns).then_some(EndReason::Active)
    }
}

/// Every live flow.
#[derive(Debug)]
pub(crate) struct Table {
    limits: Limits,
    flows: HashMap<FlowKey, Flow>,
    expiry: Expiry,
    live: Count,
    ended: Count,
    full: Count,
}

impl Table {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            flows: HashMap::new(),
            expiry: Expiry::new(limits.idle_ns.min(limits.active_ns)),
            live: Count::default(),
            ended: Count::default(),
            full: Count::default(),
        }
    }

    /// Adds a sample to its flow.
    pub(crate) fn add(&mut self, sample: &Sample, now_ns: u64, ticks: Ticks) {
        let is_full = self.flows.len() >= self.limits.max_flows;
        let counters = &sample.counters;
        match self.flows.entry(sample.key) {
            Entry::Occupied(mut known) => known.get_mut().add(counters, now_ns, ticks),
            Entry::Vacant(_) if is_full => {
                self.full += counters.count();
                return;
            }
            Entry::Vacant(place) => {
                let flow = place.insert(Flow::new(counters, now_ns));
                flow.add(counters, now_ns, ticks);
                self.expiry.queue(self.limits.due_ns(flow), sample.key);
            }
        }
        self.live += counters.count();
    }

    /// Reports the flows whose time has come, and lets the idle ones go.
    pub(crate) fn report_due(
        &mut self,
        now_ns: u64,
        mut report: impl FnMut(&FlowKey, &Flow, EndReason),
    ) {
        while let Some(due) = self.expiry.take_due(now_ns) {
            for key in due {
                self.visit(key, now_ns, &mut report);
            }
        }
    }

    fn visit(
        &mut self,
        key: FlowKey,
        now_ns: u64,
        report: &mut impl FnMut(&FlowKey, &Flow, EndReason),
    ) {
        let Entry::Occupied(mut entry) = self.flows.entry(key) else {
            return;
        };
        let flow = entry.get_mut();
        match self.limits.reason(flow, now_ns) {
            Some(EndReason::Idle) => {
                report(&key, flow, EndReason::Idle);
                let flow = entry.remove();
                self.live = wrapping_difference(self.live, flow.count);
                self.ended += flow.count;
                return;
            }
            Some(reason) => {
                if flow.has_unreported() {
                    report(&key, flow, reason);
                }
                flow.mark_reported(now_ns);
            }
            None => {}
        }
        self.expiry.queue(self.limits.due_ns(flow), key);
    }

    /// Reports every flow with anything unreported, the one that began first at first.
    pub(crate) fn report_all(
        &mut self,
        now_ns: u64,
        mut report: impl FnMut(&FlowKey, &Flow, EndReason),
    ) {
        let flows = self.flows.iter_mut();
        let mut flows: Vec<_> = flows.filter(|(_, flow)| flow.has_unreported()).collect();
        flows.sort_unstable_by_key(|(key, flow)| (flow.first_ns, **key));
        for (key, flow) in flows {
            report(key, flow, EndReason::Exit);
            flow.mark_reported(now_ns);
        }
    }

    pub(crate) fn get(&self, key: &FlowKey) -> Option<(&FlowKey, &Flow)> {
        self.flows.get_key_value(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&FlowKey, &Flow)> {
        self.flows.iter()
    }

    /// Number of live flows.
    pub(crate) fn len(&self) -> usize {
        self.flows.len()
    }

    /// What was added to live and ended flows.
    pub(crate) fn in_flows(&self) -> Count {
        self.live + self.ended
    }

    /// The same, summed from the flows themselves.
    pub(crate) fn summed(&self) -> Count {
        let live = self.flows.values().map(|flow| flow.count);
        live.fold(self.ended, |sum, count| sum + count)
    }

    /// What belonged to flows that there was no room for.
    pub(crate) const fn full(&self) -> Count {
        self.full
    }

    /// How many flows were looked at for their time-outs, in all.
    pub(crate) const fn visits(&self) -> u64 {
        self.expiry.visits()
    }
}

/// Counts wrap around as they do in the kernel, and sums of them take back what they took.
const fn wrapping_difference(sum: Count, part: Count) -> Count {
    Count {
        packets: sum.packets.wrapping_sub(part.packets),
        frames: sum.frames.wrapping_sub(part.frames),
        bytes: sum.bytes.wrapping_sub(part.bytes),
    }
}
