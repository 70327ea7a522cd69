//! The maps that are made before the object is loaded, because their addresses are written into its
//! programs.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use aya::maps::{Map, MapData};
use netweir_wire::{
    map::{Bucket, CacheEntry, Epoch},
    name, stand_in,
};

use super::patch::{Loaded, Patch};
use crate::{
    Error,
    error::Doing,
    sys::{self, MapKind, NewMap},
};

/// The verifier follows a sum of an address and a number up to this number.
const MAX_DIRECT_BYTES: u64 = 1 << 29;

/// More than a value had before Linux 6.0.
const LARGE_VALUE_BYTES: u32 = (4 << 20) + 8;

/// The maps by their names, and how the programs reach them.
pub(super) struct Tables {
    maps: [(&'static str, OwnedFd); 3],
    /// Whether the programs reach the cache by its address.
    direct: bool,
}

impl Tables {
    /// Makes the epoch, with so many bytes, and a cache of so many lists.
    pub(super) fn new(
        (lists, flows, buckets): (u32, u32, u32),
        epoch_bytes: u32,
    ) -> Result<Self, Error> {
        // Places are counted from 1.
        let entries = table::<CacheEntry>(name::CACHE, lists * flows + 1);
        let index = table::<Bucket>(name::CACHE_INDEX, (lists * buckets).max(1));
        let epoch = create(&NewMap {
            value_bytes: epoch_bytes,
            ..table::<Epoch>(name::EPOCH, 1)
        })?;
        let direct = follows_places() && is_small(&entries) && is_small(&index);
        let create_one = |table| {
            if direct {
                create(&as_one(table))
            } else {
                create(table)
            }
        };
        let (entries, index) = (create_one(&entries)?, create_one(&index)?);
        Ok(Self {
            maps: [
                (name::EPOCH, epoch),
                (name::CACHE, entries),
                (name::CACHE_INDEX, index),
            ],
            direct,
        })
    }

    /// Puts the maps into the programs of an object.
    pub(super) fn put_into(&self, object: &mut Patch<'_>) {
        let [epoch, cache, index] = &self.maps;
        object.load(stand_in::EPOCH_ADDRESS, Loaded::AddressOf(epoch.1.as_fd()));
        for (address, lookup, (_, map)) in [
            (stand_in::CACHE_ADDRESS, stand_in::CACHE, cache),
            (stand_in::CACHE_INDEX_ADDRESS, stand_in::CACHE_INDEX, index),
        ] {
            // Where the programs look places up, no address is used, but each has to be one.
            let value = if self.direct { map } else { &epoch.1 };
            object.load(address, Loaded::AddressOf(value.as_fd()));
            object.load(lookup, Loaded::Map(map.as_fd()));
        }
        object.load(stand_in::DIRECT, Loaded::Number(self.direct.into()));
    }

    /// The maps as the loader has its own.
    pub(super) fn into_maps(self) -> Result<Vec<(&'static str, Map)>, Error> {
        let opened = self.maps.into_iter().map(|(name, map)| {
            let map = MapData::from_fd(map).and_then(Map::from_map_data);
            let map = map.map_err(|source| Error::Map { name, source })?;
            Ok((name, map))
        });
        opened.collect()
    }
}

const fn table<T>(name: &'static str, entries: u32) -> NewMap<'static> {
    NewMap {
        name,
        kind: MapKind::MappableArray,
        value_bytes: size_of::<T>() as u32,
        entries,
    }
}

fn create(map: &NewMap<'_>) -> Result<OwnedFd, Error> {
    match sys::create_map(map) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Error::NotPermitted),
        created => created.doing("create a kernel map"),
    }
}

/// Whether the verifier follows a place through a program, up to where it is used: before Linux 5.15
/// it did not where the place was kept on the stack meanwhile, and nothing tells. Kernels with large
/// values are newer.
fn follows_places() -> bool {
    let large = NewMap {
        value_bytes: LARGE_VALUE_BYTES,
        ..table::<u64>(name::CACHE, 1)
    };
    sys::create_map(&large).is_ok()
}

fn is_small(table: &NewMap<'_>) -> bool {
    u64::from(table.value_bytes) * u64::from(table.entries) <= MAX_DIRECT_BYTES
}

/// A table as an array of one value: the memory is the same.
const fn as_one(table: &NewMap<'_>) -> NewMap<'static> {
    NewMap {
        name: table.name,
        kind: MapKind::MappableArray,
        value_bytes: table.value_bytes * table.entries,
        entries: 1,
    }
}
