//! The maps of one load of the programs, from which collectors are made, one after the other.
//!
//! They come out of a loaded object, or as descriptors from another process: each collector has
//! descriptors of its own, so it may end whenever it likes, and the next one goes on.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use aya::maps::{Map, MapData, MapError};
use netweir_wire::name;

use super::map_error;
use crate::{Error, attach::Object, error::Doing};

/// Every map that a collector uses.
pub(crate) const NAMES: [&str; 22] = [
    name::EPOCH,
    name::OVERFLOW,
    name::CACHE,
    name::CACHE_STATE,
    name::FLOWS_EVEN,
    name::FLOWS_ODD,
    name::INTERFACES,
    name::NEAR,
    name::COUNTERS,
    name::FREE_COUNTERS,
    name::PORTS,
    name::FILTER,
    name::STRAY,
    name::QUIC_EVENTS,
    name::QUIC_COUNTERS,
    name::BACKENDS_EVEN,
    name::BACKENDS_ODD,
    name::LAYOUT,
    name::RULES,
    name::RULE_RATES,
    name::HEADS,
    name::HEAD_COUNTERS,
];

/// What the programs were loaded with, as far as the maps do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constants {
    /// Flows in a list of the cache; 0 for no cache.
    pub cache_flows: u32,
    /// CPUs that have lists in the cache.
    pub cache_cpus: u32,
    /// Bytes of the ring buffer; 0 for none.
    pub ring_bytes: u32,
    /// Bytes of the ring buffer for what is told of QUIC; 0 where nothing is.
    pub quic_bytes: u32,
    /// Bytes of the ring buffer for heads of packets; 0 where none are told.
    pub heads_bytes: u32,
    /// Nanoseconds in a tick of the programs' cheap clock.
    pub tick_ns: u64,
}

/// The maps of one loaded object.
pub struct Maps {
    /// As they stand in [`NAMES`]. Those of an object are kept as they are: its programs, which may
    /// still be loaded, know them by the numbers of these descriptors.
    maps: Vec<Map>,
    constants: Constants,
}

impl Maps {
    /// Takes the maps out of a loaded object.
    ///
    /// # Errors
    /// A map is missing.
    pub(super) fn of(object: &mut Object) -> Result<Self, Error> {
        let maps: Result<_, _> = NAMES
            .map(|name| object.take_raw(name))
            .into_iter()
            .collect();
        Ok(Self {
            maps: maps?,
            constants: Constants {
                cache_flows: object.cache_flows,
                cache_cpus: object.cache_cpus,
                ring_bytes: object.ring_bytes,
                quic_bytes: object.quic_bytes,
                heads_bytes: object.heads_bytes,
                tick_ns: object.tick_ns,
            },
        })
    }

    /// The maps that another process has made; `descriptor` gets one by its name.
    ///
    /// # Errors
    /// That of `descriptor`, or [`Error::Map`] where one is no map.
    pub fn open(
        constants: Constants,
        mut descriptor: impl FnMut(&'static str) -> Result<OwnedFd, Error>,
    ) -> Result<Self, Error> {
        let maps: Result<_, _> = NAMES
            .map(|name| open(name, descriptor(name)?))
            .into_iter()
            .collect();
        Ok(Self {
            maps: maps?,
            constants,
        })
    }

    /// The same maps once more. Programs of an object that are not loaded yet need those that came
    /// out of it to stay.
    ///
    /// # Errors
    /// The process may open no more.
    pub fn try_clone(&self) -> Result<Self, Error> {
        Self::open(self.constants, |name| self.descriptor(name))
    }

    /// What the programs were loaded with.
    pub const fn constants(&self) -> Constants {
        self.constants
    }

    /// Every map by its name.
    pub fn descriptors(&self) -> impl Iterator<Item = (&'static str, BorrowedFd<'_>)> {
        let found = NAMES.into_iter().zip(&self.maps);
        found.filter_map(|(name, map)| Some((name, descriptor(map)?)))
    }

    /// A descriptor of a map for somebody else.
    pub(super) fn descriptor(&self, name: &'static str) -> Result<OwnedFd, Error> {
        let mut all = self.descriptors();
        let found = all.find(|(of, _)| *of == name);
        let (_, found) = found.ok_or(Error::Missing { name })?;
        found.try_clone_to_owned().doing("share a map")
    }

    /// A map as what it is used as.
    pub(super) fn get<M>(&self, name: &'static str) -> Result<M, Error>
    where
        M: TryFrom<Map, Error = MapError>,
    {
        let map = open(name, self.descriptor(name)?)?;
        map.try_into().map_err(map_error(name))
    }
}

fn open(name: &'static str, descriptor: OwnedFd) -> Result<Map, Error> {
    let map = MapData::from_fd(descriptor).and_then(Map::from_map_data);
    map.map_err(map_error(name))
}

/// `None` for kinds of maps that the programs have none of.
fn descriptor(map: &Map) -> Option<BorrowedFd<'_>> {
    match map {
        Map::Array(map)
        | Map::PerCpuArray(map)
        | Map::HashMap(map)
        | Map::Queue(map)
        | Map::RingBuf(map) => Some(map.fd().as_fd()),
        _ => None,
    }
}
