//! The epoch, in memory that is shared with the kernel.
//!
//! Programs count in the epoch [`Epoch::current`]. What was counted in the epoch before it is read
//! by user space and then *taken*: the two numbers change by one atomic store each, so whenever the
//! agent dies, its successor finds either that nothing of that epoch was taken or that all was.

use std::{
    mem::offset_of,
    os::fd::AsFd,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use netweir_wire::map;
use rustix::mm::ProtFlags;

use crate::Error;
use crate::memory::Memory;

/// How far a drain has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Everything was taken.
    Taken,
    /// The epoch is closed.
    Begun,
    /// Its flows were handed over.
    Read,
    /// Some of its flows were.
    Broken,
}

/// The one entry of the map of that name.
pub(super) struct Epoch {
    memory: Memory,
}

/// What has been taken over for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// All epochs before this one.
    pub(super) epochs: u32,
    /// The ring buffer up to here, modulo 2^32.
    pub(super) ring: u32,
}

impl Epoch {
    pub(super) fn new(map: impl AsFd) -> Result<Self, Error> {
        let page = rustix::param::page_size();
        let access = ProtFlags::READ | ProtFlags::WRITE;
        Ok(Self {
            memory: Memory::map(map, access, (0, page))?,
        })
    }

    fn current_cell(&self) -> &AtomicU32 {
        self.memory.half_word(offset_of!(map::Epoch, current))
    }

    fn generation_cell(&self) -> &AtomicU32 {
        self.memory.half_word(offset_of!(map::Epoch, generation))
    }

    fn prepared_cell(&self) -> &AtomicU32 {
        self.memory.half_word(offset_of!(map::Epoch, prepared))
    }

    fn taken_cell(&self) -> &AtomicU64 {
        self.memory.word(offset_of!(map::Epoch, taken))
    }

    /// The epoch that programs count in.
    pub(super) fn current(&self) -> u32 {
        self.current_cell().load(Ordering::Acquire)
    }

    /// Lets programs count in another epoch from now on.
    pub(super) fn set_current(&self, epoch: u32) {
        self.current_cell().store(epoch, Ordering::Release);
    }

    /// The generation of the rules in force; 0 where there never were any.
    pub(super) fn generation(&self) -> u32 {
        self.generation_cell().load(Ordering::Acquire)
    }

    /// Lets the rules of a generation be in force from now on.
    pub(super) fn set_generation(&self, generation: u32) {
        self.generation_cell().store(generation, Ordering::Release);
    }

    /// Whether an agent has prepared the maps before.
    pub(super) fn is_prepared(&self) -> bool {
        self.prepared_cell().load(Ordering::Acquire) != 0
    }

    pub(super) fn set_prepared(&self) {
        self.prepared_cell().store(1, Ordering::Release);
    }

    pub(super) fn taken(&self) -> Taken {
        let word = self.taken_cell().load(Ordering::Acquire);
        Taken {
            epochs: (word >> 32) as u32,
            ring: word as u32,
        }
    }

    pub(super) fn set_taken(&self, taken: Taken) {
        let word = u64::from(taken.epochs) << 32 | u64::from(taken.ring);
        self.taken_cell().store(word, Ordering::Release);
    }
}
