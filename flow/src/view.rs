//! What is read from a meter.
//!
//! A view of flows, connections or hosts looks at each of them once, and orders no more than it
//! returns. Nothing here changes the meter.

use crate::{
    Accounting, Connection, Filter, Host, InterfaceAccounting, InterfaceState, Meter, Query,
    Record, Totals,
    connection::Pair,
    cumulative::Cumulative,
    filter::Facts,
    host::HostState,
    lens::interface_id,
    rank::{flow_rank, host_rank, pair_rank},
};
use netweir_wire::map::FlowKey;
use std::net::IpAddr;

impl Meter {
    /// Live flows.
    pub fn flows(&self, query: &Query) -> Vec<Record> {
        let wanted = self.table.iter().filter(|(key, _)| self.wants(query, key));
        let ranked = wanted.map(|flow| (flow_rank(query.sort, self.ticks, flow), flow));
        let lens = self.lens();
        query
            .select(ranked.collect(), |(key, _), (other, _)| key.cmp(other))
            .map(|(key, flow)| lens.record(key, flow, None))
            .collect()
    }

    /// Live connections, and flows that nothing answers.
    pub fn connections(&self, query: &Query) -> Vec<Connection> {
        let pairs = self
            .table
            .iter()
            .filter_map(|flow| Pair::of(&self.table, flow));
        let wanted = pairs.filter(|pair| pair.flows().any(|(key, _)| self.wants(query, key)));
        let ranked = wanted.map(|pair| (pair_rank(query.sort, self.ticks, pair), pair));
        let lens = self.lens();
        query
            .select(ranked.collect(), |pair, other| {
                pair.forward.0.cmp(other.forward.0)
            })
            .map(|pair| pair.read(&lens))
            .collect()
    }

    /// Addresses with what they sent and received. In the filter, `src` and `dst` are alike, and
    /// what an address alone cannot tell, such as a port, does not match.
    pub fn hosts(&self, query: &Query) -> Vec<Host> {
        let is_wanted = |address| match &query.filter {
            Some(filter) => filter.matches_facts(&Facts::of_host(address)),
            None => true,
        };
        let wanted = self.hosts.iter().filter(|(address, _)| is_wanted(*address));
        let ranked = wanted.map(|host| (host_rank(query.sort, self.ticks, host), host));
        query
            .select(ranked.collect(), |(address, _), (other, _)| {
                address.cmp(other)
            })
            .map(|(address, host)| self.host(address, host))
            .collect()
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
        Accounting {
            sampling: self.sampling.one_in(),
            interfaces: lines.collect(),
            received: self.received,
            in_flows: self.table.in_flows(),
            table_full: self.table.full(),
            malformed: self.malformed,
            unlisted: self.unlisted,
            strays: self.strays.each_ref().map(Cumulative::total),
            hosts_full: self.hosts.full(),
            interfaces_passed_over: self.interfaces_passed_over,
            flows: self.table.len(),
            hosts: self.hosts.len(),
            expiry_visits: self.table.visits(),
        }
    }

    /// Where every packet went, with what is in flows summed from every live flow.
    pub fn audit(&self) -> Accounting {
        Accounting {
            in_flows: self.table.summed(),
            ..self.accounting()
        }
    }

    /// Whether a flow is one that was asked for.
    fn wants(&self, query: &Query, key: &FlowKey) -> bool {
        if query.interface.is_none() && query.filter.is_none() {
            return true;
        }
        let name = self.interfaces.name(interface_id(key));
        let matches = |filter: &Filter| filter.matches_facts(&Facts::of_flow(key, &name));
        query
            .interface
            .as_ref()
            .is_none_or(|wanted| **wanted == *name)
            && query.filter.as_ref().is_none_or(matches)
    }

    fn host(&self, address: IpAddr, host: &HostState) -> Host {
        let lens = self.lens();
        Host {
            address,
            sent: self.sampling.count(host.sent),
            received: self.sampling.count(host.received),
            first_unix_ns: lens.unix_ns(host.first_ns),
            last_unix_ns: lens.unix_ns(host.last_ns),
            sent_rate: self.sampling.rate(host.sent_pulse.rate(self.ticks)),
            received_rate: self.sampling.rate(host.received_pulse.rate(self.ticks)),
            sampling: self.sampling.one_in(),
        }
    }
}
