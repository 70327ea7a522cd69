//! Totals of addresses.
//!
//! Both ends of a packet are credited: its source with sending, its destination with receiving.
//! A packet counts once for each interface that shows it, so one that a bridge or a router passes
//! on counts on its way in and on its way out. Totals last: an address is never forgotten, and
//! when there is no room for another one, what it would have been credited with is counted. So an
//! address keeps its number, by which flows name their ends.

use crate::{
    Rate, Sample,
    endpoint::Family,
    index::{Hash, Index, Key},
    rate::{Pulse, Ticks},
    slab::{MAX_ENTRIES, Slab},
};
use netweir_wire::map::{Count, Volume};
use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    ops::Range,
};

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
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(crate) struct HostState {
    bytes: [u8; 16],
    family: Family,
    /// Whether it was ever credited. One that was not is in no view.
    pub(crate) is_credited: bool,
    /// Of what was sent, and of what was received.
    pub(crate) pulse: Pulse<2>,
    pub(crate) sent: Count,
    pub(crate) received: Count,
    pub(crate) last_ns: u64,
    pub(crate) first_ns: u64,
}

/// A million of them shall be small.
const _: () = assert!(size_of::<HostState>() == 120);

/// The place of what was sent in [`HostState::pulse`].
pub(crate) const SENT: usize = 0;
/// The place of what was received in [`HostState::pulse`].
pub(crate) const RECEIVED: usize = 1;

impl HostState {
    pub(crate) fn address(&self) -> IpAddr {
        match self.family {
            Family::Ipv4 => {
                let [.., a, b, c, d] = self.bytes;
                Ipv4Addr::new(a, b, c, d).into()
            }
            Family::Ipv6 | Family::Mac => self.bytes.into(),
        }
    }
}

/// Every address seen.
#[derive(Debug)]
pub(crate) struct Hosts {
    hosts: Slab<HostState>,
    index: Index,
    key: Key,
    max: usize,
    credited: usize,
    full: Volume,
}

impl Hosts {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            hosts: Slab::new(),
            index: Index::new(),
            key: Key::random(),
            max: max.min(MAX_ENTRIES),
            credited: 0,
            full: Volume::default(),
        }
    }

    /// The number of an address, for good; none where it is none of IP, or where there is no room.
    pub(crate) fn number(&mut self, bytes: [u8; 16], family: Family) -> Option<u32> {
        if family == Family::Mac {
            return None;
        }
        let Self {
            hosts, index, key, ..
        } = self;
        let hash = hash(key, bytes);
        let is_it = |id| hosts[id].bytes == bytes && hosts[id].family == family;
        let known = index.find(hash, is_it);
        if known.is_some() || hosts.len() >= self.max {
            return known;
        }
        let id = hosts.insert(HostState {
            bytes,
            family,
            first_ns: u64::MAX,
            ..HostState::default()
        });
        index.insert(hash, id, |other| self::hash(key, hosts[other].bytes));
        Some(id)
    }

    /// Credits an address with what a sample says it sent or received.
    pub(crate) fn credit(&mut self, id: u32, sum: usize, sample: &Sample, now: (u64, Ticks)) {
        let (now_ns, ticks) = now;
        let host = &mut self.hosts[id];
        self.credited += usize::from(!host.is_credited);
        host.is_credited = true;
        let last_ns = sample.counters.last_ns.min(now_ns);
        host.first_ns = host.first_ns.min(sample.counters.first_ns.min(last_ns));
        host.last_ns = host.last_ns.max(last_ns);
        let count = sample.counters.count();
        match sum {
            SENT => host.sent += count,
            _ => host.received += count,
        }
        host.pulse.add(ticks, sum, count.volume());
    }

    /// Counts what no address can be credited with.
    pub(crate) fn refuse(&mut self, sample: &Sample) {
        self.full += sample.counters.count().volume();
    }

    pub(crate) fn bytes(&self, id: u32) -> &[u8; 16] {
        &self.hosts[id].bytes
    }

    /// Reads where a host lies, so that it is in the cache.
    pub(crate) fn touch(&self, id: u32) {
        let host = &self.hosts[id];
        black_box((host.bytes[0], host.sent.bytes, host.first_ns));
    }

    /// Reads where the host of an address is looked for first.
    pub(crate) fn touch_index(&self, bytes: &[u8; 16]) {
        black_box(self.index.guess(hash(&self.key, *bytes)));
    }

    pub(crate) fn get(&self, id: u32) -> &HostState {
        &self.hosts[id]
    }

    /// Those whose numbers are in a range.
    pub(crate) fn range(&self, range: Range<u32>) -> impl Iterator<Item = (u32, &HostState)> {
        let hosts = self.hosts.range(range);
        hosts.filter(|(_, host)| host.is_credited)
    }

    /// All numbers are below this one.
    pub(crate) fn end(&self) -> u32 {
        self.hosts.end()
    }

    /// Number of addresses.
    pub(crate) const fn len(&self) -> usize {
        self.credited
    }

    /// What was credited to no address, since there was no room; once for each end.
    pub(crate) const fn full(&self) -> Volume {
        self.full
    }
}

/// An address that is written in two families has one hash, and two numbers.
fn hash(key: &Key, bytes: [u8; 16]) -> Hash {
    Hash {
        bits: key.hash(&bytes),
        side: 0,
    }
}
