//! What outlasts collectors of pinned maps, beside the maps themselves.
//!
//! The programs count interfaces for good, but the classes of flows, and how much of what they counted
//! was taken, only user space knows. It is written down twice, in turns, before an epoch is taken: the
//! number of epochs that were taken says which of both holds, so it is as old as what was taken, whenever
//! a collector dies.

use std::{fs, os::fd::OwnedFd, path::PathBuf};

use aya::maps::{Array, Map, MapData};
use netweir_flow::Batch;
use netweir_wire::{
    map::{Carried, CarriedSums, FlowKey, FlowValue, QuicBackendKey, Volume},
    name,
};

use super::{entries::EntryMap, map_error, pieces::Pieces};
use crate::{Error, attach::Layout};

/// What outlasts collectors.
pub struct Kept {
    carried: Array<MapData, Layout<Carried>>,
    sums: CarriedSums,
    moved: Option<Moved>,
}

/// What programs of an older ABI had counted and nobody has taken.
pub struct Moved {
    flows: EntryMap<FlowKey, FlowValue>,
    backends: EntryMap<QuicBackendKey, Volume>,
    /// Where it is pinned.
    pins: Vec<PathBuf>,
}

impl Moved {
    /// Of these two maps, which are pinned there.
    ///
    /// # Errors
    /// One is not of that kind.
    pub fn new(flows: OwnedFd, backends: OwnedFd, pins: Vec<PathBuf>) -> Result<Self, Error> {
        Ok(Self {
            flows: EntryMap::open(name::MOVED, flows)?,
            backends: EntryMap::open(name::MOVED_BACKENDS, backends)?,
            pins,
        })
    }
}

impl Kept {
    /// Of the map of that name.
    ///
    /// # Errors
    /// It is not of that kind.
    pub fn new(carried: OwnedFd, sums: CarriedSums, moved: Option<Moved>) -> Result<Self, Error> {
        let map = MapData::from_fd(carried).and_then(Map::from_map_data);
        let map = map.and_then(Array::try_from);
        Ok(Self {
            carried: map.map_err(map_error(name::CARRIED))?,
            sums,
            moved,
        })
    }

    /// Numbers of counters.
    pub(super) fn numbers(&self) -> u32 {
        self.carried.len() / 2
    }

    /// What is kept of a number when so many epochs were taken.
    pub(super) fn get(&self, number: u32, taken_epochs: u32) -> Result<Carried, Error> {
        let place = (taken_epochs & 1) * self.numbers() + number;
        let Layout(carried) = self
            .carried
            .get(&place, 0)
            .map_err(map_error(name::CARRIED))?;
        Ok(carried)
    }

    /// Writes what will hold when so many epochs have been taken.
    pub(super) fn set(
        &mut self,
        number: u32,
        taken_epochs: u32,
        carried: Carried,
    ) -> Result<(), Error> {
        let place = (taken_epochs & 1) * self.numbers() + number;
        let set = self.carried.set(place, Layout(carried), 0);
        set.map_err(map_error(name::CARRIED))
    }

    /// Adds what older programs had counted of no interface, and of what connection IDs name.
    pub(super) fn add_sums(&mut self, batch: &mut Batch) -> Result<(), Error> {
        for (sum, stray) in batch.strays.iter_mut().zip(self.sums.strays) {
            *sum += stray;
        }
        batch.quic += &self.sums.quic;
        let Some(moved) = &mut self.moved else {
            return Ok(());
        };
        let backends = &mut batch.quic_backends;
        moved
            .backends
            .read(&mut |key, volume| backends.push((*key, *volume)))
    }

    /// Hands over the flows that older programs had counted.
    pub(super) fn read_moved(&mut self, pieces: &mut Pieces<'_>) -> Result<(), Error> {
        let Some(moved) = &mut self.moved else {
            return Ok(());
        };
        moved.flows.read(&mut |key, value| pieces.add(key, value))
    }

    /// Lets them go: they were taken.
    pub(super) fn let_go(&mut self) {
        let Some(moved) = self.moved.take() else {
            return;
        };
        for path in moved.pins {
            // Whoever comes next knows that they were taken.
            if let Err(error) = fs::remove_file(&path) {
                tracing::debug!(path = %path.display(), %error, "a pin is left behind");
            }
        }
    }
}
