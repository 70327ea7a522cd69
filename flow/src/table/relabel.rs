//! Another rule decides about a flow than before.
//!
//! What no record has told yet was counted under the rule from before, so it is kept, and reported
//! before anything else is. So what records have is exact for each rule.

use super::{Live, Table};
use crate::{Decision, EndReason, Labelled, Sample, flow::Flow};
use netweir_wire::map::{Count, RuleMark};
use std::collections::VecDeque;

/// Flows as they were when another rule began to decide about them.
#[derive(Debug, Default)]
pub(super) struct Relabelled {
    waiting: VecDeque<Waiting>,
    /// What there was no room for: records have it under the rule that came next.
    merged: Count,
}

#[derive(Debug)]
struct Waiting {
    id: u32,
    flow: Flow,
    decision: Option<Decision>,
}

impl Table {
    /// Lets the rule of a sample, which is about to be added to a flow, decide about the flow; only what
    /// was counted before the flow's last packet leaves it as it is.
    pub(super) fn relabel(&mut self, id: u32, sample: &Sample, now_ns: u64) {
        let flow = &self.flows[id];
        // What the kernel moved out of its cache comes after what stayed there, and its clock is coarse.
        let of_sample = (
            sample.counters.last_ns.min(now_ns),
            self.known.age(sample.rule),
        );
        if of_sample < (flow.last_ns, self.known.age(flow.rule)) {
            self.add_late(id, sample);
        } else {
            self.turn(id, sample.rule, now_ns);
        }
    }

    /// Reports what was counted under the rule from before, and lets another one decide.
    fn turn(&mut self, id: u32, rule: RuleMark, now_ns: u64) {
        let flow = &self.flows[id];
        let before = flow.rule;
        if flow.has_unreported() {
            let waiting = flow.clone();
            if self.keep(id, waiting) {
                self.flows[id].mark_reported(now_ns);
            }
        }
        self.flows[id].rule = rule;
        self.known.remove_flow(before);
        self.known.add_flow(rule, now_ns);
    }

    /// Reports a sample by itself: another rule than that of the flow's last packet had decided.
    fn add_late(&mut self, id: u32, sample: &Sample) {
        let flow = &self.flows[id];
        let more = sample.counters.count();
        let late = Flow {
            rule: sample.rule,
            reported: flow.count,
            count: flow.count + more,
            ..flow.clone()
        };
        if self.keep(id, late) {
            self.flows[id].reported += more;
        }
    }

    /// Keeps a flow for a record, if there is room.
    fn keep(&mut self, id: u32, flow: Flow) -> bool {
        if self.relabelled.waiting.len() >= self.limits.max_flows {
            self.relabelled.merged += flow.unreported();
            return false;
        }
        let decision = self.known.decision(flow.rule);
        let waiting = Waiting { id, flow, decision };
        self.relabelled.waiting.push_back(waiting);
        true
    }

    /// Takes what rules are in force, and what they stand for.
    ///
    /// A number that stands for another label now has been given away again: what was counted is
    /// reported, and the flows that bear it are without a label until a rule decides about them.
    pub(crate) fn set_rules(&mut self, told: &[Labelled], now_ns: u64) {
        let renamed = self.known.renamed(told);
        if !renamed.is_empty() {
            let flows = self.range(0..self.end());
            let bearing = flows.filter(|(_, flow)| renamed.contains(&flow.rule.number()));
            let ids: Vec<u32> = bearing.map(|(id, _)| id).collect();
            for id in ids {
                self.turn(id, RuleMark::NONE, now_ns);
            }
        }
        self.known.set(told, now_ns);
    }

    /// Reports flows about which another rule decides now; looks at no more than `at_most`. Returns how
    /// many it looked at. Nothing else is to be reported before there are no more.
    pub(crate) fn report_relabelled(
        &mut self,
        at_most: usize,
        report: &mut dyn FnMut(&Live<'_>, EndReason),
    ) -> usize {
        let count = at_most.min(self.relabelled.waiting.len());
        let waiting: Vec<Waiting> = self.relabelled.waiting.drain(..count).collect();
        for Waiting { id, flow, decision } in &waiting {
            let live = Live {
                decision: decision.clone(),
                flow,
                ..self.live(*id)
            };
            report(&live, EndReason::Relabelled);
        }
        // The room of a great change is not kept.
        if self.relabelled.waiting.is_empty() {
            self.relabelled.waiting = VecDeque::new();
        }
        count
    }

    /// What records have under another rule than it was counted under, for want of room.
    pub(crate) const fn merged(&self) -> Count {
        self.relabelled.merged
    }
}
