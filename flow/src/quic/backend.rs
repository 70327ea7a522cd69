//! What the kernel programs counted by backend and queue, and who makes room where it is taken.
//!
//! Anybody can send connection IDs that a layout reads: random ones name backends that are none, each
//! with a packet or two. They go when they have been silent for long, so that those which are real, and
//! were not there yet, find a place.

use netweir_wire::map::{QuicBackendKey, Volume};
use std::collections::HashMap;

/// The time between two searches for those that make room: each looks at all of them.
const PAUSE_NS: u64 = 1_000_000_000;

/// Backends and queues with what was counted for them.
///
/// All that was counted is in those that are known, in `forgotten`, or in `full`.
pub(super) struct Backends {
    known: HashMap<QuicBackendKey, Counted>,
    at_most: usize,
    /// One that was not counted for longer may be forgotten.
    idle_ns: u64,
    /// The last search for room.
    searched_ns: Option<u64>,
    full: Volume,
    forgotten: Volume,
}

#[derive(Clone, Copy, Default)]
struct Counted {
    volume: Volume,
    /// When something was counted last.
    last_ns: u64,
}

impl Backends {
    pub(super) fn new(at_most: usize, idle_ns: u64) -> Self {
        Self {
            known: HashMap::new(),
            at_most,
            idle_ns,
            searched_ns: None,
            full: Volume::default(),
            forgotten: Volume::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// What came when there was no room.
    pub(super) const fn full(&self) -> Volume {
        self.full
    }

    /// What had been counted for those that made room.
    pub(super) const fn forgotten(&self) -> Volume {
        self.forgotten
    }

    /// In no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&QuicBackendKey, Volume)> {
        self.known.iter().map(|(key, one)| (key, one.volume))
    }

    pub(super) fn add(&mut self, key: QuicBackendKey, volume: Volume, now_ns: u64) {
        if !self.known.contains_key(&key) && !self.has_room(now_ns) {
            self.full += volume;
            return;
        }
        let one = self.known.entry(key).or_default();
        one.volume += volume;
        one.last_ns = one.last_ns.max(now_ns);
    }

    /// Whether there is room for one more, which may have to be made.
    fn has_room(&mut self, now_ns: u64) -> bool {
        let is_due = |last_ns| now_ns.saturating_sub(last_ns) >= PAUSE_NS;
        if self.known.len() >= self.at_most && self.searched_ns.is_none_or(is_due) {
            self.searched_ns = Some(now_ns);
            self.forget(now_ns);
        }
        self.known.len() < self.at_most
    }

    /// Forgets those of the idle ones that have the fewest packets: half of them.
    fn forget(&mut self, now_ns: u64) {
        let is_idle = |one: &Counted| now_ns.saturating_sub(one.last_ns) > self.idle_ns;
        let idle = self.known.iter().filter(|(_, one)| is_idle(one));
        let mut idle: Vec<_> = idle
            .map(|(key, one)| (one.volume.packets, one.last_ns, *key))
            .collect();
        idle.sort_unstable_by_key(|&(packets, last_ns, _)| (packets, last_ns));
        idle.truncate(idle.len().div_ceil(2));
        for (_, _, key) in idle {
            if let Some(gone) = self.known.remove(&key) {
                self.forgotten += gone.volume;
            }
        }
    }
}
