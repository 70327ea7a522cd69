//! Reading the flow cache: the lists of an epoch in which nobody writes any more.
//!
//! A CPU that is offline has counted before, maybe in this epoch: the lists of all CPUs are read,
//! whatever they do at the moment.

use std::os::fd::OwnedFd;

use aya::maps::{Map, MapData, PerCpuArray};
use netweir_wire::{
    map::{CacheState, Pod},
    name,
};
use rustix::mm::ProtFlags;

use super::{Constants, Maps, map_error};
use crate::memory::Memory;
use crate::{Cpus, Error, attach::Layout};

/// The lists of all CPUs.
pub(crate) struct Cache {
    entries: OwnedFd,
    state: PerCpuArray<MapData, Layout<CacheState>>,
    /// Flows in a list; 0 for no cache.
    flows: u32,
    /// CPUs that have lists.
    cached: u32,
    cpus: Cpus,
    /// Whether somebody was told that a CPU has no list.
    told: bool,
}

impl Cache {
    pub(super) fn new(maps: &Maps) -> Result<Self, Error> {
        let Constants {
            cache_flows,
            cache_cpus,
            ..
        } = maps.constants();
        let maps = [name::CACHE, name::CACHE_STATE].map(|name| maps.descriptor(name));
        let [entries, state] = maps;
        Self::open((entries?, state?), (cache_flows, cache_cpus))
    }

    /// Of these maps, with so many flows in the list of each of so many CPUs.
    pub(crate) fn open(
        (entries, state): (OwnedFd, OwnedFd),
        (flows, cached): (u32, u32),
    ) -> Result<Self, Error> {
        let state = MapData::from_fd(state).and_then(Map::from_map_data);
        let state = state.and_then(PerCpuArray::try_from);
        Ok(Self {
            entries,
            state: state.map_err(map_error(name::CACHE_STATE))?,
            flows,
            cached,
            cpus: Cpus::of_machine()?,
            told: false,
        })
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
    /// are used for the epoch after the next. `E` is the layout of an entry.
    pub(crate) fn read<E: Pod>(
        &mut self,
        epoch: u32,
        hand_over: &mut dyn FnMut(&E),
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
                self.read_list(list * self.flows + 1, used, hand_over)?;
            }
        }
        Ok(())
    }

    /// Says so, once, when a CPU counts that was plugged in after the maps were made: its flows are
    /// all in the flow map.
    fn look_for_newcomers(&mut self, states: &[(u32, CacheState)]) {
        let newcomer = states
            .iter()
            .find(|&&(cpu, state)| cpu >= self.cached && state.opened > 0);
        if let Some((cpu, _)) = newcomer.filter(|_| !self.told) {
            self.told = true;
            tracing::warn!(
                cpu,
                "a CPU was plugged in after the start: it counts without the cache, which takes \
                 longer, until netweir is started again"
            );
        }
    }

    /// Reads so many entries from a place on, in the memory of the map.
    fn read_list<E: Pod>(
        &self,
        first: u32,
        used: u32,
        hand_over: &mut dyn FnMut(&E),
    ) -> Result<(), Error> {
        let entry_bytes = size_of::<E>() as u64;
        let page = rustix::param::page_size() as u64;
        let from = u64::from(first) * entry_bytes;
        let end = from + u64::from(used) * entry_bytes;
        let mapped = from - from % page;
        // Only for the moment: what is mapped counts as memory of this process.
        let bytes = (end - mapped) as usize;
        let memory = Memory::map(&self.entries, ProtFlags::READ, (mapped, bytes))?;
        for place in (from..end).step_by(size_of::<E>()) {
            // SAFETY: it consists of numbers, any of which is one.
            let entry: E = unsafe { memory.value((place - mapped) as usize) };
            hand_over(&entry);
        }
        Ok(())
    }
}
