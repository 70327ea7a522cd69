//! Totals of addresses.
//!
//! Both ends of a packet are credited: its source with sending, its destination with receiving.
//! A packet counts once for each interface that shows it, so one that a bridge or a router passes
//! on counts on its way in and on its way out. Totals last: an address is never forgotten, and
//! when there is no room for another one, what it would have been credited with is counted.

use crate::{
    Rate, Sample,
    endpoint::endpoints,
    rate::{Pulse, Ticks},
};
use netweir_wire::map::{Count, Volume};
use std::{collections::HashMap, net::IpAddr};

/// What one address has sent and received.
///
/// A packet counts once for each interface that shows it; on a loopback device, which shows it at
/// egress and at ingress, only at ingress.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Host {
    /// The address.
    pub address: IpAddr,
    /// What came from it.
    pub sent: Count,
    /// What went to it.
    pub received: Count,
    /// Time of the first packet, nanoseconds since 1970.
    pub first_unix_ns: u64,
    /// Time of the last packet, nanoseconds since 1970.
    pub last_unix_ns: u64,
    /// Rate of sending in the last whole tick.
    pub sent_rate: Rate,
    /// Rate of receiving in the last whole tick.
    pub received_rate: Rate,
    /// One frame in so many was counted, and counts and rates are multiplied by it; 1 if every frame
    /// was.
    pub sampling: u32,
}

/// What is known of an address.
#[derive(Clone, Debug)]
pub(crate) struct HostState {
    pub(crate) sent: Count,
    pub(crate) received: Count,
    pub(crate) first_ns: u64,
    pub(crate) last_ns: u64,
    pub(crate) sent_pulse: Pulse,
    pub(crate) received_pulse: Pulse,
}

impl Default for HostState {
    fn default() -> Self {
        Self {
            sent: Count::default(),
            received: Count::default(),
            first_ns: u64::MAX,
            last_ns: 0,
            sent_pulse: Pulse::default(),
            received_pulse: Pulse::default(),
        }
    }
}

/// Every address seen.
#[derive(Debug)]
pub(crate) struct Hosts {
    hosts: HashMap<IpAddr, HostState>,
    max: usize,
    full: Volume,
}

impl Hosts {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            hosts: HashMap::new(),
            max,
            full: Volume::default(),
        }
    }

    /// Credits both ends of a sample, where they have IP addresses.
    pub(crate) fn credit(&mut self, sample: &Sample, now_ns: u64, ticks: Ticks) {
        let (source, destination) = endpoints(&sample.key);
        let count = sample.counters.count();
        if let Some(sender) = self.seen(source.address.ip(), sample, now_ns) {
            sender.sent += count;
            sender.sent_pulse.add(ticks, count.volume());
        }
        if let Some(receiver) = self.seen(destination.address.ip(), sample, now_ns) {
            receiver.received += count;
            receiver.received_pulse.add(ticks, count.volume());
        }
    }

    /// The state of an address that a sample shows, if there is one and room for it.
    fn seen(
        &mut self,
        address: Option<IpAddr>,
        sample: &Sample,
        now_ns: u64,
    ) -> Option<&mut HostState> {
        let address = address?;
        if self.hosts.len() >= self.max && !self.hosts.contains_key(&address) {
            self.full += sample.counters.count().volume();
            return None;
        }
        let host = self.hosts.entry(address).or_default();
        let last_ns = sample.counters.last_ns.min(now_ns);
        host.first_ns = host.first_ns.min(sample.counters.first_ns.min(last_ns));
        host.last_ns = host.last_ns.max(last_ns);
        Some(host)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (IpAddr, &HostState)> {
        self.hosts.iter().map(|(&address, host)| (address, host))
    }

    /// Number of addresses.
    pub(crate) fn len(&self) -> usize {
        self.hosts.len()
    }

    /// What was credited to no address, since there was no room; once for each end.
    pub(crate) const fn full(&self) -> Volume {
        self.full
    }
}
