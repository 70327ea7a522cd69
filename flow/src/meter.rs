//! Everything known, fed by batches.
//!
//! A collector gives each drain to [`Meter::apply`], a timer calls [`Meter::tick`]; the records
//! that come back go to the exporters. What is read from a meter stands in the module `view`.

use crate::{
    Batch, EndReason, InlineSample, Interface, InterfaceId, Labelled, Record, Sample,
    head::Heads,
    index::Hash,
    interface::Interfaces,
    lens::{Lens, interface_id},
    quic::{self, QuicMeter, Traced, connection::Outcome},
    rate::Ticks,
    sampling::Sampling,
    summed::Summed,
    table::{Arrival, GROUP, Limits, Live, Table},
};
use netweir_wire::{
    map::{
        Count, Direction, FlowKey, InterfaceKey, PacketHead, QuicEvent, RuleMark, StrayReason,
        TapMark, Volume,
    },
    packet::{Headers, LinkType},
};
use std::collections::BTreeMap;

const SECOND_NS: u64 = 1_000_000_000;

/// Time-outs, sizes, and what turns the kernel's clock into the time of day.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A flow without a packet for so long has ended (IPFIX `flowIdleTimeout`).
    pub idle_ns: u64,
    /// A flow that lasts gets a record every so often (IPFIX `flowActiveTimeout`).
    pub active_ns: u64,
    /// Live flows at most; what belongs to more of them is counted as `table_full`.
    pub max_flows: usize,
    /// Hosts at most; what belongs to more of them is counted as `hosts_full`.
    pub max_hosts: usize,
    /// Interfaces at most, those that are gone included.
    pub max_interfaces: usize,
    /// The kernel counts one frame in so many; views and records are multiplied by it. 1 for every
    /// frame, which 0 is taken for too.
    pub sampling: u32,
    /// What is added to the clock of samples to get nanoseconds since 1970.
    pub wall_offset_ns: i64,
    /// Heads of packets that are kept, the latest ones: up to 256 bytes each, and what is known of it.
    pub max_heads: usize,
    /// Where QUIC is looked for, and what is kept of it.
    pub quic: quic::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            idle_ns: 60 * SECOND_NS,
            active_ns: 1800 * SECOND_NS,
            max_flows: 1_000_000,
            max_hosts: 500_000,
            max_interfaces: 16_384,
            sampling: 1,
            wall_offset_ns: 0,
            max_heads: 1024,
            quic: quic::Settings::default(),
        }
    }
}

/// Everything known: flows, hosts, interfaces, and where every packet went.
#[derive(Debug)]
pub struct Meter {
    pub(crate) started_ns: u64,
    pub(crate) now_ns: u64,
    pub(crate) ticks: Ticks,
    pub(crate) wall_offset_ns: i64,
    pub(crate) sampling: Sampling,
    pub(crate) interfaces: Interfaces,
    pub(crate) table: Table,
    pub(crate) received: Count,
    pub(crate) malformed: Count,
    pub(crate) unlisted: Count,
    pub(crate) interfaces_passed_over: u64,
    pub(crate) strays: [Summed<Volume>; StrayReason::ALL.len()],
    pub(crate) heads: Heads,
    /// What is known of frames that go on to another interface, by the one that they come by.
    pub(crate) inline: BTreeMap<InterfaceId, InlineSample>,
    pub(crate) quic: Option<Box<QuicMeter>>,
}

impl Meter {
    /// A meter that knows nothing yet.
    pub fn new(settings: &Settings, now_ns: u64) -> Self {
        let limits = Limits {
            idle_ns: settings.idle_ns,
            active_ns: settings.active_ns,
            max_flows: settings.max_flows,
        };
        Self {
            started_ns: now_ns,
            now_ns,
            ticks: Ticks::new(now_ns),
            wall_offset_ns: settings.wall_offset_ns,
            sampling: Sampling::new(settings.sampling),
            interfaces: Interfaces::new(settings.max_interfaces),
            table: Table::new(limits, settings.max_hosts, now_ns),
            received: Count::default(),
            malformed: Count::default(),
            unlisted: Count::default(),
            interfaces_passed_over: 0,
            strays: Default::default(),
            heads: Heads::new(settings.max_heads),
            inline: BTreeMap::new(),
            quic: QuicMeter::new(&settings.quic),
        }
    }

    /// Says what an interface is; for one that is known already, says it anew.
    pub fn add_interface(&mut self, interface: Interface) {
        if !self.interfaces.add(interface) {
            self.interfaces_passed_over += 1;
        }
    }

    /// Marks an interface as absent. Its counters stay, and its flows until they are idle.
    pub fn remove_interface(&mut self, id: InterfaceId) {
        self.interfaces.mark_absent(id);
    }

    /// Takes what rules are in force now, each with its number, and the label that it gives. To be said
    /// before the first sample that bears one of these numbers; none for no rules.
    ///
    /// What numbers stood for before is kept, so that flows, records and totals under rules that are gone
    /// keep their labels, until a number is told of again with another label.
    pub fn set_rules(&mut self, rules: &[Labelled]) {
        self.table.set_rules(rules, self.now_ns);
    }

    /// Takes what a drain found; there may be several between two ticks.
    ///
    /// A drain of very many flows may come in pieces: first a batch with its interfaces and strays,
    /// which must have been read after the programs had left the flows of this drain alone, then
    /// the flows by [`Meter::apply_flows`]. In this order nobody sees more packets in flows than
    /// interfaces have counted.
    pub fn apply(&mut self, batch: &Batch) {
        self.apply_flows(batch.now_ns, &batch.flows);
        for sample in &batch.settled {
            // One that there was no room for has been passed over before.
            if let Some((state, direction)) = self.interfaces.of_sample(sample.key) {
                state.direction_mut(direction).settle(&sample.counters);
            }
        }
        for &(key, taken) in &batch.taken_before {
            if let Some((state, direction)) = self.interfaces.of_sample(key) {
                state.direction_mut(direction).set_taken_before(taken);
            }
        }
        for sample in &batch.interfaces {
            match self.interfaces.of_sample(sample.key) {
                Some((state, direction)) => {
                    state.direction_mut(direction).observe(&sample.counters);
                }
                None => self.interfaces_passed_over += 1,
            }
        }
        for (stray, shown) in self.strays.iter_mut().zip(&batch.strays) {
            stray.observe(shown);
        }
        for sample in &batch.inline {
            self.inline.insert(sample.id, sample.clone());
        }
        self.heads.observe(&batch.heads);
        if let Some(quic) = &mut self.quic {
            quic.add_counts(batch);
        }
    }

    /// Takes an event of QUIC with the first bytes of its datagram, before the flows that were counted
    /// with it; none comes back where QUIC is off.
    pub fn apply_quic(&mut self, event: &QuicEvent, bytes: &[u8]) -> Option<Outcome> {
        let quic = self.quic.as_mut()?;
        Some(quic.apply_event(event, bytes))
    }

    /// Takes the head of a packet that a rule sampled, with the first bytes of its frame.
    pub fn apply_head(&mut self, head: &PacketHead, bytes: &[u8]) {
        let decision = self.table.known().decision(RuleMark(head.rule));
        self.heads.add(head, decision, bytes);
    }

    /// Takes the first bytes of a frame that a rule has tapped, which came by this interface.
    pub fn apply_tapped(
        &mut self,
        id: InterfaceId,
        mark: &TapMark,
        (frame_bytes, bytes): (u32, &[u8]),
    ) {
        let interface = InterfaceKey {
            netns: id.netns,
            ifindex: id.ifindex,
            direction: Direction::Ingress as u32,
        };
        let headers = Headers::read(&bytes, LinkType::Ethernet);
        let head = PacketHead {
            key: FlowKey::new(interface, &headers),
            time_ns: mark.time_ns,
            frame_bytes,
            captured_bytes: bytes.len() as u16,
            rule: mark.rule,
        };
        let decision = self.table.known().decision(RuleMark(mark.rule));
        self.heads.add_tapped(&head, decision, (mark.queue, bytes));
    }

    /// Keeps so many heads at most from now on.
    pub fn set_max_heads(&mut self, max: usize) {
        self.heads.set_max(max);
    }

    /// Counts what came in the place of so many heads.
    pub const fn refuse_heads(&mut self, entries: u64) {
        self.heads.refuse(entries);
    }

    /// The datagrams with long headers that came since they were taken the last time, if the settings
    /// say that any are kept ([`quic::Settings::max_traced`]).
    pub fn take_datagrams(&mut self) -> Traced {
        let Some(quic) = &mut self.quic else {
            return Traced::default();
        };
        let (waiting, missed) = quic.trace.take();
        let lens = self.lens();
        let datagrams = waiting.into_iter().map(|one| one.tell(&lens));
        Traced {
            datagrams: datagrams.collect(),
            missed,
        }
    }

    /// Takes a piece of the flows that a drain found.
    pub fn apply_flows(&mut self, now_ns: u64, samples: &[Sample]) {
        self.advance(now_ns);
        for group in samples.chunks(GROUP) {
            let hashes = self.table.prepare(group);
            for (sample, hash) in group.iter().zip(hashes) {
                self.apply_flow(sample, hash);
            }
        }
    }

    /// Ends a tick: sets rates and peaks, lets idle flows go, and returns the records that are
    /// due. The same in pieces is [`Meter::end_tick`], then [`Meter::due`] until it returns none.
    pub fn tick(&mut self, now_ns: u64) -> Vec<Record> {
        self.end_tick(now_ns);
        let mut records = Vec::new();
        while let Some(more) = self.due(usize::MAX) {
            records.extend(more);
        }
        records
    }

    /// Ends a tick: sets rates and peaks.
    pub fn end_tick(&mut self, now_ns: u64) {
        self.advance(now_ns);
        if self.ticks.next(self.now_ns) {
            self.interfaces.tick(self.ticks.interval_ns);
            if let Some(quic) = &mut self.quic {
                quic.begin_tick(self.ticks);
            }
        }
    }

    /// Returns no more than `at_most` of the records of flows about which another rule decides since the
    /// last time, `None` when there are no more. [`Meter::due`] and [`Meter::rest`] return them too,
    /// before all others; with this they need not be kept until then.
    pub fn relabelled(&mut self, at_most: usize) -> Option<Vec<Record>> {
        self.report(|table, _, report| table.report_relabelled(at_most, report))
    }

    /// Looks at no more than `at_most` of the flows whose time has come, lets the idle ones go, and
    /// returns their records, of which there may be none; then the same with QUIC connections, which
    /// have no records. `None` when there was nothing to look at.
    pub fn due(&mut self, at_most: usize) -> Option<Vec<Record>> {
        let relabelled = self.relabelled(at_most);
        let records = relabelled.or_else(|| {
            self.report(|table, now_ns, report| table.report_due(now_ns, at_most, report))
        });
        // Behind the flows, whose records tell what their connections are.
        records.or_else(|| {
            let quic = self.quic.as_mut()?;
            (quic.tick(self.now_ns, at_most) > 0).then(Vec::new)
        })
    }

    /// Returns a record for every flow with anything that no record has told yet. The same in
    /// pieces is [`Meter::rest`] until it returns none.
    pub fn finish(&mut self, now_ns: u64) -> Vec<Record> {
        let mut records = Vec::new();
        while let Some(more) = self.rest(now_ns, usize::MAX) {
            records.extend(more);
        }
        records
    }

    /// Returns no more than `at_most` of the records that [`Meter::finish`] would return, `None`
    /// when there are no more. Nothing is to be applied in between.
    pub fn rest(&mut self, now_ns: u64, at_most: usize) -> Option<Vec<Record>> {
        self.advance(now_ns);
        let relabelled = self.relabelled(at_most);
        relabelled.or_else(|| {
            self.report(|table, now_ns, report| table.report_all(now_ns, at_most, report))
        })
    }

    /// What reads this meter's flows.
    pub(crate) fn lens(&self) -> Lens<'_> {
        Lens {
            interfaces: &self.interfaces,
            ticks: self.ticks,
            wall_offset_ns: self.wall_offset_ns,
            sampling: self.sampling,
            quic: self.quic(),
        }
    }

    const fn advance(&mut self, now_ns: u64) {
        if now_ns > self.now_ns {
            self.now_ns = now_ns;
        }
    }

    fn apply_flow(&mut self, sample: &Sample, hash: Hash) {
        let count = sample.counters.count();
        if count.packets == 0 {
            return;
        }
        self.received += count;
        let Ok(direction) = Direction::try_from(sample.key.direction) else {
            self.malformed += count;
            return;
        };
        let state = self.interfaces.listed(interface_id(&sample.key));
        let loopback = state.as_ref().is_some_and(|state| state.interface.loopback);
        let drops = state
            .as_ref()
            .is_some_and(|state| state.interface.hook.drops());
        match state {
            Some(state) => state.direction_mut(direction).receive(count),
            None => self.unlisted += count,
        }
        // A loopback device shows each packet twice; hosts are credited with one of them.
        let arrival = Arrival {
            is_credit: !loopback || direction == Direction::Ingress,
            drops,
            now_ns: self.now_ns,
            ticks: self.ticks,
        };
        self.table.add(sample, hash, arrival);
        if let Some(quic) = &mut self.quic {
            quic.add_sample(sample);
        }
    }

    fn report(
        &mut self,
        from: impl FnOnce(&mut Table, u64, &mut dyn FnMut(&Live<'_>, EndReason)) -> usize,
    ) -> Option<Vec<Record>> {
        let lens = Lens {
            interfaces: &self.interfaces,
            ticks: self.ticks,
            wall_offset_ns: self.wall_offset_ns,
            sampling: self.sampling,
            quic: self.quic.as_deref(),
        };
        let mut records = Vec::new();
        let looked_at = from(&mut self.table, self.now_ns, &mut |live, reason| {
            records.push(lens.record(live, Some(reason)));
        });
        (looked_at > 0).then_some(records)
    }
}
