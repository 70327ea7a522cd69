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

/// The maps by their names, and how the programs reach them.
pub(super) struct Tables {
    maps: [(&'static str, OwnedFd); 3],
    /// Whether the programs reach the cache by its address.
    direct: bool,
}

impl Tables {
    /// Makes the epoch and a cache of so many lists.
    pub(super) fn new(lists: u32, flows: u32, buckets: u32) -> Result<Self, Error> {
        // Places are counted from 1.
        let entries = table::<CacheEntry>(name::CACHE, lists * flows + 1);
        let index = table::<Bucket>(name::CACHE_INDEX, (lists * buckets).max(1));
        let epoch = create(&table::<Epoch>(name::EPOCH, 1))?;
        let (entries, index, direct) = match (create_as_one(&entries), create_as_one(&index)) {
            (Ok(entries), Ok(index)) => (entries, index, true),
            // Before Linux 6.0 a value has 4 MB at most.
            _ => (create(&entries)?, create(&index)?, false),
        };
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

/// Creates a table as an array of one value: the memory is the same.
fn create_as_one(table: &NewMap<'_>) -> io::Result<OwnedFd> {
    let bytes = u64::from(table.value_bytes) * u64::from(table.entries);
    if bytes > MAX_DIRECT_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    sys::create_map(&NewMap {
        name: table.name,
        kind: MapKind::MappableArray,
        value_bytes: bytes as u32,
        entries: 1,
    })
}
