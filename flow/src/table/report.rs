//! Flows leave the table, or are told while they stay.

use super::{Live, Table};
use crate::{EndReason, cumulative::take_back};

impl Table {
    /// Reports flows whose time has come, and lets the idle ones go; looks at no more than
    /// `at_most`. Returns how many it looked at.
    pub(crate) fn report_due(
        &mut self,
        now_ns: u64,
        at_most: usize,
        report: &mut dyn FnMut(&Live<'_>, EndReason),
    ) -> usize {
        for looked_at in 0..at_most {
            let Some(id) = self.expiry.take_due(now_ns) else {
                return looked_at;
            };
            self.visit(id, now_ns, report);
        }
        at_most
    }

    fn visit(&mut self, id: u32, now_ns: u64, report: &mut dyn FnMut(&Live<'_>, EndReason)) {
        let flow = &self.flows[id];
        match self.limits.reason(flow, now_ns) {
            Some(EndReason::Idle) => {
                report(&self.live(id), EndReason::Idle);
                self.close(id);
                return;
            }
            Some(reason) => {
                if flow.has_unreported() {
                    report(&self.live(id), reason);
                }
                self.flows[id].mark_reported(now_ns);
            }
            None => {}
        }
        self.expiry.queue(self.limits.due_ns(&self.flows[id]), id);
    }

    /// Takes a flow out.
    fn close(&mut self, id: u32) {
        let flow = self.flows.remove(id);
        self.index.remove(flow.hash(), id);
        self.links.let_go(flow.link);
        self.let_go_of_address(flow.source);
        self.let_go_of_address(flow.destination);
        self.known.remove_flow(flow.rule);
        self.live = take_back(self.live, flow.count);
        self.ended += flow.count;
    }

    /// Reports flows with anything unreported, the one that began first at first; looks at no more
    /// than `at_most`. Returns how many it looked at.
    pub(crate) fn report_all(
        &mut self,
        now_ns: u64,
        at_most: usize,
        report: &mut dyn FnMut(&Live<'_>, EndReason),
    ) -> usize {
        let mut left = match self.exit.take() {
            Some(left) => left,
            None => self.unreported().into_iter(),
        };
        let mut looked_at = 0;
        for id in left.by_ref().take(at_most) {
            looked_at += 1;
            let flow = &self.flows[id];
            if flow.is_live() && flow.has_unreported() {
                report(&self.live(id), EndReason::Exit);
                self.flows[id].mark_reported(now_ns);
            }
        }
        self.exit = (looked_at > 0).then_some(left);
        looked_at
    }

    fn unreported(&self) -> Vec<u32> {
        let flows = self.range(0..self.end());
        let unreported = flows.filter(|(_, flow)| flow.has_unreported());
        let mut ids: Vec<_> = unreported.map(|(id, _)| id).collect();
        ids.sort_unstable_by(|&id, &other| {
            let begin = |id| self.flows[id].first_ns;
            let by_time = begin(id).cmp(&begin(other));
            by_time.then_with(|| self.key(id).cmp(&self.key(other)))
        });
        ids
    }
}
