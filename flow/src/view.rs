//! What is read from a meter.
//!
//! A view of flows, connections or hosts looks at each of them once, and keeps and orders no more
//! than it returns. Nothing here changes the meter.

use crate::{
    Accounting, Connection, Filter, Head, Host, InlineAccounting, InterfaceAccounting, InterfaceId,
    InterfaceState, LabelTotals, Meter, Query, Record, RuleTotals, Totals,
    connection::Pair,
    filter::Facts,
    host::{RECEIVED, SENT},
    index::Index,
    listing::{self, Listed, SLICE},
    query::ThingKey,
    quic::{self, QuicMeter},
    rank::{Rank, flow_rank, host_rank, pair_rank},
    summed::Summed,
};
use netweir_wire::map::Direction;
use std::sync::Arc;

impl Meter {
    /// Live flows. With very many of them, see [`crate::Listing`].
    pub fn flows(&self, query: &Query) -> Vec<Record> {
        listing::all(self, query)
    }

    /// Live connections, and flows that nothing answers.
    pub fn connections(&self, query: &Query) -> Vec<Connection> {
        listing::all(self, query)
    }

    /// Addresses with what they sent and received. In the filter, `src` and `dst` are alike, and
    /// what an address alone cannot tell, such as a port, does not match.
    pub fn hosts(&self, query: &Query) -> Vec<Host> {
        listing::all(self, query)
    }

    /// What is known of QUIC; none where it is off.
    pub fn quic(&self) -> Option<&QuicMeter> {
        self.quic.as_deref()
    }

    /// QUIC connections: proven, matched, and guesses that look right. With very many of them, see
    /// [`crate::Listing`].
    pub fn quic_connections(&self, query: &Query) -> Vec<quic::Record> {
        listing::all(self, query)
    }

    /// Every interface that was ever watched, those that are gone included.
    pub fn interfaces(&self) -> impl Iterator<Item = &InterfaceState> {
        self.interfaces.iter()
    }

    /// Sums over all interfaces, or over those of that name; none if there is none of that name.
    pub fn totals(&self, interface: Option<&str>) -> Option<Totals> {
        let is_wanted =
            |state: &&InterfaceState| interface.is_none_or(|name| *state.interface.name == *name);
        let mut wanted = self.interfaces().filter(is_wanted).peekable();
        if interface.is_some() && wanted.peek().is_none() {
            return None;
        }
        let uptime_ns = self.now_ns.saturating_sub(self.started_ns);
        Some(Totals::of(
            wanted,
            uptime_ns,
            self.interfaces.peak(interface),
        ))
    }

    /// What was counted under each rule that the meter was told of, those that are gone included, by
    /// number. Together with what is unlabelled it is all that came in samples, but for `malformed`.
    pub fn rule_totals(&self) -> Vec<RuleTotals> {
        self.table.known().rule_totals(&self.lens())
    }

    /// Whether there ever was a rule.
    pub const fn has_rules(&self) -> bool {
        self.table.known().has_rules()
    }

    /// What was counted under each label since the start, by name; what no rule has decided about comes
    /// first. Their sum is all that came in samples, but for `malformed`.
    pub fn label_totals(&self) -> Vec<LabelTotals> {
        self.table.known().label_totals(&self.lens())
    }

    /// The same in another order, and no more than are asked for. What has one for flows alone, such as
    /// a source, is taken for the name; filter and interface are not asked.
    pub fn labels(&self, query: &Query) -> Vec<LabelTotals> {
        let mut totals = self.label_totals();
        let descending = query.descending;
        totals.sort_by(|one, other| {
            let order = one.compare(other, query.sort);
            if descending { order.reverse() } else { order }
        });
        totals.truncate(query.limit.unwrap_or(usize::MAX));
        totals
    }

    /// The latest heads of packets that rules have sampled, those with greater numbers than `after`, the
    /// oldest first.
    pub fn heads(&self, after: u64) -> Vec<Head> {
        self.heads.after(after, &self.lens()).collect()
    }

    /// One frame in so many is counted, and what flows, connections and hosts show is multiplied by
    /// it.
    pub const fn sampling(&self) -> u32 {
        self.sampling.one_in()
    }

    /// Where every packet went. What is in flows is told by counters that are kept all along;
    /// [`Meter::audit`] sums the flows themselves.
    pub fn accounting(&self) -> Accounting {
        let lines = self.interfaces().flat_map(|state| {
            let line = |(direction, counted)| {
                InterfaceAccounting::of(&state.interface, direction, counted)
            };
            state.directions().map(line)
        });
        let interfaces: Vec<InterfaceAccounting> = lines.collect();
        Accounting {
            sampling: self.sampling.one_in(),
            inline: self.inline_accounting(&interfaces),
            interfaces,
            received: self.received,
            in_flows: self.table.in_flows(),
            table_full: self.table.full(),
            malformed: self.malformed,
            unlisted: self.unlisted,
            mislabelled: self.table.merged(),
            strays: self.strays.each_ref().map(Summed::total),
            heads: self.heads.accounting(),
            hosts_full: self.table.hosts().full(),
            interfaces_passed_over: self.interfaces_passed_over,
            flows: self.table.len(),
            hosts: self.table.hosts().len(),
            expiry_visits: self.table.visits(),
        }
    }

    /// Where the frames went that go on to another interface.
    fn inline_accounting(&self, interfaces: &[InterfaceAccounting]) -> Vec<InlineAccounting> {
        let lines = self.inline.values().map(|sample| {
            let mut lines = interfaces.iter();
            let came = lines
                .find(|line| line.id == sample.id && line.direction == Direction::Ingress)
                .map_or((0, 0), |line| (line.seen.frames, line.dropped.packets));
            let other = InterfaceId {
                ifindex: sample.other,
                ..sample.id
            };
            let names = [sample.id, other].map(|id| self.interfaces.name(id));
            InlineAccounting::of(sample, names.into(), came)
        });
        lines.collect()
    }

    /// Where every packet went, with what is in flows summed from every live flow.
    pub fn audit(&self) -> Accounting {
        Accounting {
            in_flows: self.table.summed(),
            ..self.accounting()
        }
    }
}

impl Listed for Record {
    type Candidate = u32;

    fn offer(
        meter: &Meter,
        query: &Query,
        begin: u32,
        offer: &mut dyn FnMut(Rank, u32),
    ) -> Option<u32> {
        let mut wanted = Wanted::new(meter, query);
        let end = begin.saturating_add(SLICE);
        for (id, _) in meter.table.range(begin..end) {
            if wanted.has(id) {
                offer(flow_rank(query.sort, meter.ticks, &meter.table, id), id);
            }
        }
        (end < meter.table.end()).then_some(end)
    }

    fn key(meter: &Meter, id: u32) -> ThingKey {
        ThingKey::Flow(meter.table.key(id))
    }

    fn read(meter: &Meter, id: u32) -> Option<Self> {
        Some(meter.lens().record(&meter.table.live(id), None))
    }
}

impl Listed for Connection {
    type Candidate = Pair;

    /// Both flows of a connection are in the same shard, so that a slice has all of it.
    fn offer(
        meter: &Meter,
        query: &Query,
        begin: u32,
        offer: &mut dyn FnMut(Rank, Pair),
    ) -> Option<u32> {
        let table = &meter.table;
        let mut wanted = Wanted::new(meter, query);
        let mut looked_at = 0;
        for shard in begin..Index::SHARDS {
            if looked_at >= SLICE {
                return Some(shard);
            }
            table.for_shard(shard, |id| {
                looked_at += 1;
                let pair = Pair::of(table, id);
                if let Some(pair) = pair.filter(|pair| pair.flows().any(|id| wanted.has(id))) {
                    offer(pair_rank(query.sort, meter.ticks, table, pair), pair);
                }
            });
        }
        None
    }

    fn key(meter: &Meter, pair: Pair) -> ThingKey {
        ThingKey::Flow(meter.table.key(pair.forward))
    }

    fn read(meter: &Meter, pair: Pair) -> Option<Self> {
        Some(pair.read(&meter.table, &meter.lens()))
    }
}

impl Listed for Host {
    type Candidate = u32;

    fn offer(
        meter: &Meter,
        query: &Query,
        begin: u32,
        offer: &mut dyn FnMut(Rank, u32),
    ) -> Option<u32> {
        let hosts = meter.table.hosts();
        let end = begin.saturating_add(SLICE);
        for (id, host) in hosts.range(begin..end) {
            let matches = |filter: &Filter| filter.matches_facts(&Facts::of_host(host.address()));
            if query.filter.as_ref().is_none_or(matches) {
                offer(host_rank(query.sort, meter.ticks, host), id);
            }
        }
        (end < hosts.end()).then_some(end)
    }

    fn key(meter: &Meter, id: u32) -> ThingKey {
        ThingKey::Host(meter.table.hosts().get(id).address())
    }

    fn read(meter: &Meter, id: u32) -> Option<Self> {
        let host = meter.table.hosts().get(id);
        let lens = meter.lens();
        Some(Self {
            address: host.address(),
            sent: meter.sampling.count(host.sent),
            received: meter.sampling.count(host.received),
            first_unix_ns: lens.unix_ns(host.first_ns),
            last_unix_ns: lens.unix_ns(host.last_ns),
            sent_rate: meter.sampling.rate(host.pulse.rate(meter.ticks, SENT)),
            received_rate: meter.sampling.rate(host.pulse.rate(meter.ticks, RECEIVED)),
            sampling: meter.sampling.one_in(),
        })
    }
}

/// Which flows are asked for.
struct Wanted<'a> {
    meter: &'a Meter,
    query: &'a Query,
    /// The interface of the last flow, and its name: it is mostly that of the next one.
    interface: Option<(InterfaceId, Arc<str>)>,
}

impl<'a> Wanted<'a> {
    const fn new(meter: &'a Meter, query: &'a Query) -> Self {
        Self {
            meter,
            query,
            interface: None,
        }
    }

    fn has(&mut self, id: u32) -> bool {
        if self.query.admits_all() {
            return true;
        }
        let table = &self.meter.table;
        let name = self.name(table.link(id).interface());
        let key = table.key(id);
        let facts = Facts::of_flow(&key, &name);
        self.query
            .admits(&name, [table.under(table.get(id).rule, facts)])
    }

    fn name(&mut self, id: InterfaceId) -> Arc<str> {
        if let Some((_, name)) = self.interface.as_ref().filter(|(last, _)| *last == id) {
            return Arc::clone(name);
        }
        let name = self.meter.interfaces.name(id);
        self.interface = Some((id, Arc::clone(&name)));
        name
    }
}
