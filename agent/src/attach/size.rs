//! How large the kernel maps are.

use netweir_wire::map::{
    Bucket, CacheEntry, FLOWS_PER_BUCKET, FlowKey, FlowValue, InterfaceCounters, InterfaceKey,
    InterfacePlace, MAX_CACHED_FLOWS, QUIC_PLACES, QuicBackendKey, QuicPlace, Volume,
};

use crate::Cpus;

/// How large the kernel maps are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapSizes {
    /// Flows that the caches of all CPUs can hold together between two drains; 0 for no cache.
    pub cache: u32,
    /// Flows beyond the cache that each of the two flow maps can hold between two drains.
    pub flows: u32,
    /// Bytes of the ring buffer for frames that find no room there either; 0 for none.
    pub ring: u32,
    /// Bytes of the ring buffer for what is told of QUIC; 0 for not looking at QUIC.
    pub quic: u32,
    /// Interfaces, each direction counting as one.
    pub interfaces: u32,
}

/// As many backends and queues find room.
const QUIC_BACKENDS: u32 = 1 << 14;

/// A smaller list would do nothing.
const LEAST_CACHED_FLOWS: u32 = 16;

/// Bytes that the kernel keeps beside key and value of a hash map's entry.
const ENTRY_OVERHEAD_BYTES: u64 = 48;

impl MapSizes {
    /// Flows in the list of one of these CPUs; 0 for no cache.
    pub fn cache_flows(self, cpus: &Cpus) -> u32 {
        // The place where the list of the last CPU would end is a number, even if it has none.
        let most = MAX_CACHED_FLOWS.min(u32::MAX / (2 * cpus.numbers()));
        match self.cache {
            0 => 0,
            flows => flows
                .div_ceil(cpus.present())
                .clamp(LEAST_CACHED_FLOWS, most),
        }
    }

    /// Bytes of the ring buffer for frames; 0 for none.
    pub(super) fn ring_bytes(self) -> u32 {
        ring_bytes(self.ring)
    }

    /// Bytes of the ring buffer for QUIC; 0 for none.
    pub(super) fn quic_bytes(self) -> u32 {
        ring_bytes(self.quic)
    }

    /// Places for QUIC flows: a power of two.
    pub(super) fn quic_places(self) -> u32 {
        if self.quic == 0 { 1 } else { QUIC_PLACES }
    }

    /// Backends and queues that are told apart between two drains.
    pub(super) fn quic_backends(self) -> u32 {
        if self.quic == 0 { 1 } else { QUIC_BACKENDS }
    }

    /// Kernel memory in bytes that the maps take, whether they are full or empty.
    pub fn kernel_bytes(self, cpus: &Cpus) -> u64 {
        let cached = size_of::<CacheEntry>() as u64
            + size_of::<Bucket>() as u64 / u64::from(FLOWS_PER_BUCKET);
        let counters = cpus.possible().len() * size_of::<InterfaceCounters>();
        u64::from(2 * cpus.present()) * u64::from(self.cache_flows(cpus)) * cached
            + 2 * hash_bytes::<FlowKey, FlowValue>(self.flows)
            + hash_bytes::<InterfaceKey, InterfacePlace>(self.interfaces)
            + u64::from(self.interfaces) * counters as u64
            + 2 * hash_bytes::<QuicBackendKey, Volume>(self.quic_backends())
            + u64::from(self.quic_places()) * size_of::<QuicPlace>() as u64
            + u64::from(self.ring_bytes())
            + u64::from(self.quic_bytes())
    }
}

/// Kernel memory in bytes of a hash map with so many entries.
fn hash_bytes<K, V>(entries: u32) -> u64 {
    const OF_BUCKET: u64 = 16;
    let entry = size_of::<K>().next_multiple_of(8) + size_of::<V>().next_multiple_of(8);
    let entry = entry as u64 + ENTRY_OVERHEAD_BYTES;
    u64::from(entries) * entry + u64::from(entries.next_power_of_two()) * OF_BUCKET
}

/// Bytes of a ring buffer as the kernel wants them: a power of two, a page at least.
fn ring_bytes(wanted: u32) -> u32 {
    match wanted {
        0 => 0,
        bytes => bytes.clamp(page_bytes(), 1 << 30).next_power_of_two(),
    }
}

pub(super) fn page_bytes() -> u32 {
    rustix::param::page_size() as u32
}
