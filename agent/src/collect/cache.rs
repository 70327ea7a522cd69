//! Reading the flow cache: the lists of an epoch in which nobody writes any more.
//!
//! A CPU that is offline has counted before, maybe in this epoch: the lists of all CPUs are read,
//! whatever they do at the moment.

use std::os::fd::{AsFd, OwnedFd};

use aya::maps::{Array, MapData, PerCpuArray};
use netweir_wire::{
    map::{CacheEntry, CacheState},
    name,
};

use super::{BATCH_FLOWS, Maps, map_error};
use crate::{
    Cpus, Error,
    attach::Layout,
    error::Doing,
    sys::{self, Reading},
};

/// The lists of all CPUs.
pub(super) struct Cache {
    entries: Array<MapData, Layout<CacheEntry>>,
    /// The same map, for calls that aya does not know.
    descriptor: OwnedFd,
    state: PerCpuArray<MapData, Layout<CacheState>>,
    /// Flows in a list; 0 for no cache.
    flows: u32,
    cpus: Cpus,
    /// Whether somebody was told that a CPU has no list.
    told: bool,
    keys: Vec<u32>,
    values: Vec<Layout<CacheEntry>>,
    batches: bool,
}

impl Cache {
    pub(super) fn new(maps: &Maps) -> Result<Self, Error> {
        let flows = maps.constants().cache_flows;
        Ok(Self {
            entries: maps.get(name::CACHE)?,
            descriptor: maps.descriptor(name::CACHE)?,
            state: maps.get(name::CACHE_STATE)?,
            flows,
            cpus: Cpus::of_machine()?,
            told: false,
            keys: Vec::new(),
            values: Vec::new(),
            batches: true,
        })
    }

    pub(super) const fn read_singly(&mut self) {
        self.batches = false;
    }

    /// Flows opened since the start, in the cache and behind it.
    pub(super) fn opened(&self) -> Result<u64, Error> {
        let states = self.states()?;
        Ok(states.iter().map(|(_, state)| state.opened).sum())
    }

    /// Interfaces that programs have made an entry for since the start.
    pub(super) fn admitted(&self) -> Result<u64, Error> {
        let states = self.states()?;
        Ok(states.iter().map(|(_, state)| state.admitted).sum())
    }

    /// The state of each CPU, online or not, with its number.
    fn states(&self) -> Result<Vec<(u32, CacheState)>, Error> {
        let states = self
            .state
            .get(&0, 0)
            .map_err(map_error(name::CACHE_STATE))?;
        let states = states.iter().map(|Layout(state)| *state);
        Ok(self.cpus.possible().iter().copied().zip(states).collect())
    }

    /// Hands over the flows of an epoch that has passed; they stay where they are until the lists
    /// are used for the epoch after the next.
    pub(super) fn read(
        &mut self,
        epoch: u32,
        hand_over: &mut dyn FnMut(&CacheEntry),
    ) -> Result<(), Error> {
        if self.flows == 0 {
            return Ok(());
        }
        let side = (epoch & 1) as usize;
        let states = self.states()?;
        self.look_for_newcomers(&states);
        for (cpu, state) in states {
            let used = state.used[side].min(self.flows);
            if state.epoch[side] == epoch && used > 0 {
                let list = cpu << 1 | side as u32;
                // Places are counted from 1.
                self.read_list(list * self.flows + 1, used, epoch, hand_over)?;
            }
        }
        Ok(())
    }

    /// Says so, once, when a CPU counts that was plugged in after the maps were made: its flows are
    /// all in the flow map.
    fn look_for_newcomers(&mut self, states: &[(u32, CacheState)]) {
        let cached = (self.entries.len() - 1) / self.flows / 2;
        let newcomer = states
            .iter()
            .find(|&&(cpu, state)| cpu >= cached && state.opened > 0);
        if let Some((cpu, _)) = newcomer.filter(|_| !self.told) {
            self.told = true;
            tracing::warn!(
                cpu,
                "a CPU was plugged in after the start: it counts without the cache, which takes \
                 longer, until netweir is started again"
            );
        }
    }

    fn read_list(
        &mut self,
        first: u32,
        used: u32,
        epoch: u32,
        hand_over: &mut dyn FnMut(&CacheEntry),
    ) -> Result<(), Error> {
        let mut read = 0;
        while read < used {
            let wanted = (used - read).min(BATCH_FLOWS as u32);
            let count = self.fill(first + read, wanted)?;
            for Layout(entry) in self.values.iter().take(count) {
                debug_assert_eq!(entry.epoch, epoch, "{entry:?}");
                hand_over(entry);
            }
            if count == 0 {
                return Err(Error::Missing { name: name::CACHE });
            }
            read += count as u32;
        }
        Ok(())
    }

    /// Reads `count` entries from the one with this index on.
    fn fill(&mut self, first: u32, count: u32) -> Result<usize, Error> {
        let count = count as usize;
        self.keys.resize(count, 0);
        self.values.resize(count, Layout(CacheEntry::default()));
        if self.batches {
            let mut cursor = first.checked_sub(1);
            let (map, keys) = (self.descriptor.as_fd(), &mut self.keys);
            // SAFETY: the map was opened with this layout as its value, and aya compared its size
            // with the kernel's; the keys of an array are `u32`.
            let batch =
                unsafe { sys::read_batch(map, Reading::Copy, &mut cursor, keys, &mut self.values) };
            match batch {
                Err(error) if sys::is_without_batches(&error) => self.batches = false,
                batch => return Ok(batch.doing("read the flow cache")?.count),
            }
        }
        for (index, value) in (first..).zip(&mut self.values) {
            *value = self
                .entries
                .get(&index, 0)
                .map_err(map_error(name::CACHE))?;
        }
        Ok(count)
    }
}
