//! The flow table: what was counted of every live flow.
//!
//! Samples go in, flows whose time has come go out through a closure. A flow leaves the table
//! only by its idle time-out. When the table is full, what belongs to new flows is counted as
//! such, and nothing makes room for it.
//!
//! A flow is kept without its key: its addresses are numbers of hosts, which are never forgotten,
//! or of guests, which are kept as long as flows name them; what else it shares with many flows is
//! a link. So whoever finds a flow has found its hosts too.

mod relabel;
mod report;

use crate::{
    Decision, EndReason, Sample,
    endpoint::{Family, family},
    expiry::Expiry,
    filter::Facts,
    flow::Flow,
    host::{Hosts, RECEIVED, SENT},
    index::{Hash, Index, Key},
    label::Known,
    link::{Ends, Link},
    rate::Ticks,
    reverse::{self, Kin},
    shared::Shared,
    slab::{MAX_ENTRIES, Slab},
};
use netweir_wire::map::{Count, FlowKey, RuleMark};
use relabel::Relabelled;
use std::{hint::black_box, ops::Range, vec};

/// Samples that are prepared for together.
pub(crate) const GROUP: usize = 16;

/// Set in the number of an address that is no host: a MAC, or one that there was no room for.
const GUEST: u32 = MAX_ENTRIES as u32;

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

/// Every live flow, and every host.
#[derive(Debug)]
pub(crate) struct Table {
    limits: Limits,
    flows: Slab<Flow>,
    index: Index,
    key: Key,
    links: Shared<Link>,
    hosts: Hosts,
    guests: Shared<[u8; 16]>,
    expiry: Expiry,
    /// What is left to report at the end.
    exit: Option<vec::IntoIter<u32>>,
    known: Known,
    relabelled: Relabelled,
    live: Count,
    ended: Count,
    full: Count,
}

/// A flow with all that the table knows of it.
#[derive(Clone)]
pub(crate) struct Live<'a> {
    pub(crate) key: FlowKey,
    pub(crate) source_mac: [u8; 6],
    pub(crate) destination_mac: [u8; 6],
    pub(crate) decision: Option<Decision>,
    pub(crate) flow: &'a Flow,
}

/// Where and when a sample came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// Whether hosts are credited with it.
    pub(crate) is_credit: bool,
    /// Whether packets that a rule says are to be dropped are.
    pub(crate) drops: bool,
    pub(crate) now_ns: u64,
    pub(crate) ticks: Ticks,
}

impl Table {
    pub(crate) fn new(limits: Limits, max_hosts: usize, now_ns: u64) -> Self {
        Self {
            limits: Limits {
                max_flows: limits.max_flows.min(MAX_ENTRIES),
                ..limits
            },
            flows: Slab::new(),
            index: Index::new(),
            key: Key::random(),
            links: Shared::new(),
            hosts: Hosts::new(max_hosts),
            guests: Shared::new(),
            expiry: Expiry::new(limits.idle_ns.min(limits.active_ns)),
            exit: None,
            known: Known::new(now_ns),
            relabelled: Relabelled::default(),
            live: Count::default(),
            ended: Count::default(),
            full: Count::default(),
        }
    }

    /// The hashes of some samples' keys. Also reads where their flows and hosts lie.
    ///
    /// What is in no cache takes its time, and each place is known only when the one before has
    /// been read. Here each step waits for those of all samples together.
    pub(crate) fn prepare(&self, samples: &[Sample]) -> [Hash; GROUP] {
        let mut hashes = [Hash::default(); GROUP];
        let mut guesses = [None; GROUP];
        for (hash, sample) in hashes.iter_mut().zip(samples) {
            *hash = reverse::hash(&sample.key, &self.key);
        }
        for (guess, hash) in guesses.iter_mut().zip(&hashes).take(samples.len()) {
            *guess = self.index.guess(*hash);
        }
        for flow in guesses.into_iter().flatten().map(|id| &self.flows[id]) {
            black_box((flow.hash, flow.last_ns));
        }
        for (guess, sample) in guesses.into_iter().zip(samples) {
            if let Some(flow) = guess.map(|id| &self.flows[id]) {
                self.touch_address(flow.source);
                self.touch_address(flow.destination);
            } else {
                self.hosts.touch_index(&sample.key.source);
                self.hosts.touch_index(&sample.key.destination);
            }
        }
        hashes
    }

    fn touch_address(&self, number: u32) {
        if number & GUEST == 0 {
            self.hosts.touch(number);
        }
    }

    /// Adds a sample to its flow, to its rule, and to its hosts if they are to be credited.
    pub(crate) fn add(&mut self, sample: &Sample, hash: Hash, arrival: Arrival) {
        let now = (arrival.now_ns, arrival.ticks);
        self.known.count(sample, arrival.drops, now);
        let known = self.find(hash, &sample.key);
        let Some(id) = known.or_else(|| self.open(hash, sample, now.0)) else {
            self.full += sample.counters.count();
            if arrival.is_credit {
                self.credit_without_flow(sample, now);
            }
            return;
        };
        if self.flows[id].rule != sample.rule {
            self.relabel(id, sample, now.0);
        }
        let flow = &mut self.flows[id];
        flow.add(&sample.counters, now.0, now.1);
        let ends = [flow.source, flow.destination];
        if known.is_none() {
            self.expiry.queue(self.limits.due_ns(flow), id);
        }
        self.live += sample.counters.count();
        if arrival.is_credit {
            self.credit(ends, sample, now);
        }
    }

    fn find(&self, hash: Hash, key: &FlowKey) -> Option<u32> {
        self.index.find(hash, |id| {
            let flow = &self.flows[id];
            flow.hash() == hash
                && flow.source_port == key.source_port
                && flow.destination_port == key.destination_port
                && self.links.get(flow.link).carries(key)
                && *self.address(flow.source) == key.source
                && *self.address(flow.destination) == key.destination
        })
    }

    /// Makes a flow that is not there yet, if there is room.
    fn open(&mut self, hash: Hash, sample: &Sample, now_ns: u64) -> Option<u32> {
        if self.flows.len() >= self.limits.max_flows {
            return None;
        }
        let key = &sample.key;
        let family = family(key);
        let flow = Flow {
            hash: hash.bits,
            side: hash.side,
            source: self.hold_address(key.source, family),
            destination: self.hold_address(key.destination, family),
            link: self.links.hold(Link::new(key, &sample.counters)),
            source_port: key.source_port,
            destination_port: key.destination_port,
            rule: sample.rule,
            ..Flow::new(now_ns)
        };
        self.known.add_flow(sample.rule, now_ns);
        let Self { flows, index, .. } = self;
        let id = flows.insert(flow);
        index.insert(hash, id, |other| flows[other].hash());
        Some(id)
    }

    fn hold_address(&mut self, bytes: [u8; 16], family: Family) -> u32 {
        let host = self.hosts.number(bytes, family);
        host.unwrap_or_else(|| self.guests.hold(bytes) | GUEST)
    }

    fn let_go_of_address(&mut self, number: u32) {
        if number & GUEST != 0 {
            self.guests.let_go(number & !GUEST);
        }
    }

    /// An address by its number.
    pub(crate) fn address(&self, number: u32) -> &[u8; 16] {
        if number & GUEST == 0 {
            self.hosts.bytes(number)
        } else {
            self.guests.get(number & !GUEST)
        }
    }

    /// Credits the ends of a flow.
    fn credit(&mut self, ends: [u32; 2], sample: &Sample, now: (u64, Ticks)) {
        for (number, sum) in ends.into_iter().zip([SENT, RECEIVED]) {
            if number & GUEST == 0 {
                self.hosts.credit(number, sum, sample, now);
            } else if family(&sample.key) != Family::Mac {
                self.hosts.refuse(sample);
            }
        }
    }

    /// Credits the ends of a flow that there is no room for.
    fn credit_without_flow(&mut self, sample: &Sample, now: (u64, Ticks)) {
        let family = family(&sample.key);
        let mut number = |bytes| self.hosts.number(bytes, family).unwrap_or(GUEST);
        let ends = [number(sample.key.source), number(sample.key.destination)];
        self.credit(ends, sample, now);
    }

    pub(crate) fn get(&self, id: u32) -> &Flow {
        &self.flows[id]
    }

    /// The key of a flow.
    pub(crate) fn key(&self, id: u32) -> FlowKey {
        let flow = &self.flows[id];
        self.links.get(flow.link).key(&Ends {
            source: *self.address(flow.source),
            destination: *self.address(flow.destination),
            source_port: flow.source_port,
            destination_port: flow.destination_port,
            direction: flow.direction(),
        })
    }

    pub(crate) fn link(&self, id: u32) -> &Link {
        self.links.get(self.flows[id].link)
    }

    /// All that is known of a flow.
    pub(crate) fn live(&self, id: u32) -> Live<'_> {
        let link = self.link(id);
        let flow = &self.flows[id];
        Live {
            key: self.key(id),
            source_mac: link.source_mac,
            destination_mac: link.destination_mac,
            decision: self.known.decision(flow.rule),
            flow,
        }
    }

    /// What is known of the flow of a key, if there is one, with the rule that has decided about it.
    pub(crate) fn facts<'a>(&'a self, key: &FlowKey, interface: &'a str) -> Facts<'a> {
        let known = self.find(reverse::hash(key, &self.key), key);
        let rule = known.map_or(RuleMark::NONE, |id| self.flows[id].rule);
        self.under(rule, Facts::of_flow(key, interface))
    }

    /// The same facts with the rule of a mark, and its label.
    pub(crate) fn under<'a>(&'a self, mark: RuleMark, facts: Facts<'a>) -> Facts<'a> {
        let label = self.known.label(mark).map(|label| &*label.name);
        facts.under(mark.number(), label)
    }

    /// What is known of rules, and what was counted under them.
    pub(crate) const fn known(&self) -> &Known {
        &self.known
    }

    /// The flow that is tied to another one as its other direction.
    pub(crate) fn partner(&self, id: u32) -> Option<u32> {
        let flow = &self.flows[id];
        let link = self.links.get(flow.link);
        let find = |kin: &Kin| {
            self.index.find(kin.hash, |other| {
                let other = &self.flows[other];
                kin.is(other) && self.links.get(other.link).is_as(link)
            })
        };
        reverse::partner(flow, link, find)
    }

    /// Flows whose numbers are in a range.
    pub(crate) fn range(&self, range: Range<u32>) -> impl Iterator<Item = (u32, &Flow)> {
        self.flows.range(range).filter(|(_, flow)| flow.is_live())
    }

    /// All numbers of flows are below this one.
    pub(crate) fn end(&self) -> u32 {
        self.flows.end()
    }

    /// Gives the numbers of all flows that have a part of the hash in common, as a flow has it with
    /// its partner.
    pub(crate) fn for_shard(&self, shard: u32, mut give: impl FnMut(u32)) {
        let ids: Vec<_> = self.index.of_shard(shard).collect();
        for group in ids.chunks(GROUP) {
            // As in `prepare`.
            for flow in group.iter().map(|&id| &self.flows[id]) {
                black_box((flow.hash, flow.last_ns));
            }
            group.iter().copied().for_each(&mut give);
        }
    }

    pub(crate) const fn hosts(&self) -> &Hosts {
        &self.hosts
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
        let live = self.range(0..self.end()).map(|(_, flow)| flow.count);
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

#[cfg(test)]
mod tests;
