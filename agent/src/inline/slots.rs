//! The ways of the queues of one interface, in memory that is shared with the programs.

use std::{
    mem::offset_of,
    os::fd::AsFd,
    sync::atomic::{AtomicU64, Ordering},
};

use netweir_wire::map::{TAP_QUEUES, TapSettings, TapSlot, TapSlots};
use rustix::mm::ProtFlags;

use crate::{Error, memory::Memory};

/// The ways of all queues of one interface.
pub(crate) struct Slots {
    memory: Memory,
}

// SAFETY: what is in the memory is read and written by whole numbers alone, atomically.
unsafe impl Sync for Slots {}

impl Slots {
    /// Of the map of that name.
    pub(crate) fn new(map: impl AsFd) -> Result<Self, Error> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let bytes = size_of::<TapSlots>();
        Ok(Self {
            memory: Memory::map(map, access, (0, bytes))?,
        })
    }

    /// Says whether tapped frames are withheld where they cannot go by user space.
    pub(crate) fn set_closed(&self, closed: bool) {
        let cell = self.memory.half_word(offset_of!(TapSettings, closed));
        cell.store(closed.into(), Ordering::Relaxed);
    }

    /// Notes how many frames the other interface had dropped before any was sent on to it.
    pub(crate) fn set_dropped_before(&self, frames: u64) {
        let cell = self.memory.word(offset_of!(TapSettings, dropped_before));
        cell.store(frames, Ordering::Relaxed);
    }

    /// How many the other interface had dropped before.
    pub(crate) fn dropped_before(&self) -> u64 {
        let cell = self.memory.word(offset_of!(TapSettings, dropped_before));
        cell.load(Ordering::Relaxed)
    }

    /// Tells the programs how to go about it.
    pub(super) fn set(&self, settings: &TapSettings) {
        self.set_closed(settings.closed != 0);
        let words = [
            (offset_of!(TapSettings, max_bytes), settings.max_bytes),
            (offset_of!(TapSettings, stall_ticks), settings.stall_ticks),
        ];
        for (place, word) in words {
            self.memory.half_word(place).store(word, Ordering::Relaxed);
        }
    }

    /// What was counted of all queues: their sums.
    pub(crate) fn sum(&self) -> TapSlot {
        let mut sum = TapSlot::default();
        for queue in 0..TAP_QUEUES {
            // What has ended comes first: it is never more than what was taken.
            let done = self.load(queue, offset_of!(TapSlot, done));
            sum.done = sum.done.wrapping_add(done);
            for (place, to) in [
                (offset_of!(TapSlot, forwarded), &mut sum.forwarded),
                (offset_of!(TapSlot, full), &mut sum.full),
                (offset_of!(TapSlot, down), &mut sum.down),
                (offset_of!(TapSlot, left_behind), &mut sum.left_behind),
                (offset_of!(TapSlot, recorded), &mut sum.recorded),
                (offset_of!(TapSlot, unrecorded), &mut sum.unrecorded),
                (offset_of!(TapSlot, taken), &mut sum.taken),
                (offset_of!(TapSlot, refused), &mut sum.refused),
            ] {
                *to = to.wrapping_add(self.load(queue, place));
            }
        }
        sum
    }

    /// Frames of a queue that user space has, or that are on the way there.
    pub(super) fn outstanding(&self, queue: usize) -> u64 {
        let done = self.load(queue, offset_of!(TapSlot, done));
        self.given(queue).wrapping_sub(done)
    }

    /// Frames that were put into the ring of a queue.
    pub(super) fn given(&self, queue: usize) -> u64 {
        let taken = self.load(queue, offset_of!(TapSlot, taken));
        taken.wrapping_sub(self.load(queue, offset_of!(TapSlot, refused)))
    }

    /// Adds to one of the numbers that user space alone writes, of which each has one writer.
    pub(super) fn add(&self, queue: usize, number: usize, more: u64) {
        if more == 0 {
            return;
        }
        let cell = self.cell(queue, number);
        let sum = cell.load(Ordering::Relaxed).wrapping_add(more);
        cell.store(sum, Ordering::Release);
    }

    /// Says up to which frame the ring of a queue has room.
    pub(super) fn set_room(&self, queue: usize, room: u64) {
        self.cell(queue, offset_of!(TapSlot, room))
            .store(room, Ordering::Release);
    }

    fn load(&self, queue: usize, number: usize) -> u64 {
        self.cell(queue, number).load(Ordering::Acquire)
    }

    fn cell(&self, queue: usize, number: usize) -> &AtomicU64 {
        let slot = offset_of!(TapSlots, slots) + queue * size_of::<TapSlot>();
        self.memory.word(slot + number)
    }
}
