//! Waiting until no program can still be using what it could see before.

use std::os::fd::{AsFd, OwnedFd};

use crate::{
    Error,
    error::Doing,
    sys::{self, MapKind, NewMap},
};

/// A map of maps with one entry.
///
/// When user space replaces the entry of such a map, the kernel returns only after every program
/// has ended that ran meanwhile: it promises this so that two inner maps can be used in turns
/// (Linux 4.19, `maybe_wait_bpf_programs`).
pub(crate) struct Barrier {
    outer: OwnedFd,
    inner: OwnedFd,
}

impl Barrier {
    pub(crate) fn new() -> Result<Self, Error> {
        let map = |name, kind| NewMap {
            name,
            kind,
            value_bytes: 4,
            entries: 1,
        };
        let inner =
            sys::create_map(&map("BARRIER_INNER", MapKind::Array)).doing("create a kernel map")?;
        let outer = sys::create_map(&map("BARRIER", MapKind::ArrayOfMaps(inner.as_fd())))
            .doing("create a kernel map of maps")?;
        Ok(Self { outer, inner })
    }

    /// Returns when every program has ended that was running at the call.
    pub(crate) fn wait(&self) -> Result<(), Error> {
        sys::update_map_of_maps(self.outer.as_fd(), self.inner.as_fd())
            .doing("wait for the kernel programs")
    }
}
