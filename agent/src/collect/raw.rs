//! Maps as bytes: those of other versions, those that are dumped, and values that are too large for a
//! stack.

use std::{
    io::{self, ErrorKind},
    os::fd::{AsFd, OwnedFd},
};

use aya::maps::{MapData, MapInfo, MapType};

use crate::{Cpus, Error, error::Doing, sys};

/// A map, as bytes.
pub(crate) struct RawMap {
    map: MapData,
    info: MapInfo,
    kind: MapType,
}

impl RawMap {
    pub(crate) fn new(map: OwnedFd) -> Result<Self, Error> {
        let opened = MapData::from_fd(map).and_then(|map| {
            let info = map.info()?;
            let kind = info.map_type()?;
            Ok(Self { map, info, kind })
        });
        opened.map_err(io::Error::other).doing("open a kernel map")
    }

    pub(crate) const fn key_bytes(&self) -> usize {
        self.info.key_size() as usize
    }

    pub(crate) const fn value_bytes(&self) -> usize {
        self.info.value_size() as usize
    }

    pub(crate) const fn entries(&self) -> u32 {
        self.info.max_entries()
    }

    /// The value of a key; of a map that is divided among CPUs the values of all of them, one behind the
    /// other.
    pub(crate) fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let bytes = match self.kind {
            MapType::Array | MapType::Hash => self.value_bytes(),
            MapType::PerCpuArray => self.cpu_bytes() * cpus()?,
            _ => return Err(ErrorKind::Unsupported.into()),
        };
        self.check_key(key)?;
        let mut value = vec![0; bytes];
        // SAFETY: key and value have the sizes that this very map has, which is of a kind that was
        // asked for.
        let found = unsafe { sys::lookup(self.map.fd().as_fd(), key, &mut value) };
        match found {
            Ok(()) => Ok(Some(value)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the value of a key of a map that is not divided among CPUs.
    pub(crate) fn put(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let is_plain = matches!(self.kind, MapType::Array | MapType::Hash);
        if !is_plain || value.len() != self.value_bytes() {
            return Err(ErrorKind::InvalidData.into());
        }
        self.check_key(key)?;
        // SAFETY: as above.
        unsafe { sys::update(self.map.fd().as_fd(), key, value) }
    }

    /// The key behind another one, or the first; none behind the last.
    pub(crate) fn next_key(&self, key: Option<&[u8]>) -> io::Result<Option<Vec<u8>>> {
        key.map_or(Ok(()), |key| self.check_key(key))?;
        let mut next = vec![0; self.key_bytes()];
        // SAFETY: both have the size of this very map's keys.
        match unsafe { sys::next_key(self.map.fd().as_fd(), key, &mut next) } {
            Ok(()) => Ok(Some(next)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Bytes that the kernel tells of each CPU.
    pub(crate) const fn cpu_bytes(&self) -> usize {
        self.value_bytes().next_multiple_of(8)
    }

    fn check_key(&self, key: &[u8]) -> io::Result<()> {
        if key.len() == self.key_bytes() {
            Ok(())
        } else {
            Err(ErrorKind::InvalidData.into())
        }
    }
}

fn cpus() -> io::Result<usize> {
    let cpus = Cpus::of_machine().map_err(io::Error::other)?;
    Ok(cpus.possible().len())
}
