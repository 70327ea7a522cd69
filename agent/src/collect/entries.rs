//! Reading hash maps: flows that did not fit into the cache, and what connection IDs name.

use std::os::fd::{AsFd, OwnedFd};

use aya::maps::{HashMap, Map, MapData};
use netweir_wire::map::Pod;

use super::{BATCH_ENTRIES, Maps, map_error};
use crate::{
    Error,
    attach::Layout,
    error::Doing,
    sys::{self, Reading},
};

/// A hash map of the programs.
pub(crate) struct EntryMap<K, V> {
    name: &'static str,
    map: HashMap<MapData, Layout<K>, Layout<V>>,
    /// The same map, for calls that aya does not know.
    descriptor: OwnedFd,
    keys: Vec<Layout<K>>,
    values: Vec<Layout<V>>,
    /// Whether the kernel reads many entries with one call (Linux 5.6).
    batches: bool,
}

impl<K: Pod + Default, V: Pod + Default> EntryMap<K, V> {
    pub(super) fn new(maps: &Maps, name: &'static str) -> Result<Self, Error> {
        Self::open(name, maps.descriptor(name)?)
    }

    /// The map of this descriptor.
    pub(crate) fn open(name: &'static str, descriptor: OwnedFd) -> Result<Self, Error> {
        let same = descriptor.try_clone().doing("share a map")?;
        let map = MapData::from_fd(same).and_then(Map::from_map_data);
        let map = map.and_then(HashMap::try_from);
        Ok(Self {
            name,
            map: map.map_err(map_error(name))?,
            descriptor,
            keys: Vec::new(),
            values: Vec::new(),
            batches: true,
        })
    }

    pub(super) const fn read_singly(&mut self) {
        self.batches = false;
    }

    /// Hands over all entries; they stay in the map.
    pub(crate) fn read(&mut self, hand_over: &mut dyn FnMut(&K, &V)) -> Result<(), Error> {
        if self.batches {
            match self.walk(Reading::Copy, hand_over) {
                Err(error) if sys::is_without_batches(&error) => {
                    tracing::info!("this kernel reads flows one by one, not in batches");
                    self.batches = false;
                }
                result => return result.doing("read a map of the kernel"),
            }
        }
        for entry in &self.map {
            let (Layout(key), Layout(value)) = entry.map_err(map_error(self.name))?;
            hand_over(&key, &value);
        }
        Ok(())
    }

    /// Removes all entries.
    pub(super) fn clear(&mut self) -> Result<(), Error> {
        if self.batches {
            match self.walk(Reading::Move, &mut |_, _| {}) {
                Err(error) if sys::is_without_batches(&error) => self.batches = false,
                result => return result.doing("empty a map of the kernel"),
            }
        }
        // The walk would begin anew with each key that is removed under its feet.
        let keys: Result<Vec<_>, _> = self.map.keys().collect();
        for key in keys.map_err(map_error(self.name))? {
            self.map.remove(&key).map_err(map_error(self.name))?;
        }
        Ok(())
    }

    fn walk(&mut self, reading: Reading, hand_over: &mut dyn FnMut(&K, &V)) -> std::io::Result<()> {
        if self.keys.is_empty() {
            self.grow(BATCH_ENTRIES);
        }
        let mut cursor = None;
        loop {
            let (map, keys) = (self.descriptor.as_fd(), &mut self.keys);
            // SAFETY: the map was opened with these layouts as its key and value, and aya compared
            // their sizes with the kernel's.
            let batch =
                unsafe { sys::read_batch(map, reading, &mut cursor, keys, &mut self.values) };
            let batch = match batch {
                // A bucket of the map has more entries than fit into the buffers.
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {
                    self.grow(self.keys.len() * 2);
                    continue;
                }
                batch => batch?,
            };
            let entries = self.keys.iter().zip(&self.values).take(batch.count);
            entries.for_each(|(Layout(key), Layout(value))| hand_over(key, value));
            if batch.done {
                return Ok(());
            }
        }
    }

    fn grow(&mut self, size: usize) {
        self.keys.resize(size, Layout(K::default()));
        self.values.resize(size, Layout(V::default()));
    }
}
