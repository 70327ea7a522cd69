//! The ring buffer of frames that no map had room for.
//!
//! Read here rather than by aya, whose reader lets an entry go with the reading: ours keep their
//! place until they have been handed over, so that an agent that dies in between loses nothing. The
//! layout is the kernel's (`kernel/bpf/ringbuf.c`): a page with the consumer's position, a page with
//! the producer's, and the data, mapped twice in a row so that no entry is cut in two.

use std::{os::fd::AsFd, sync::atomic::Ordering};

use netweir_wire::map::CacheEntry;
use rustix::mm::ProtFlags;

use super::memory::Memory;
use crate::Error;

/// Bytes in front of each entry: its length and flags, and a page offset.
const HEADER_BYTES: u64 = 8;
/// Set in the length while the entry is being written.
const BUSY: u32 = 1 << 31;
/// Set in the length of an entry that was given up.
const DISCARDED: u32 = 1 << 30;

/// The ring buffer in our memory.
pub(super) struct Ring {
    /// Begins with the consumer's position.
    consumer: Memory,
    /// Begins with the producer's position.
    producer: Memory,
    mask: u64,
    /// How far it has been read, which may be further than what has been let go.
    read: u64,
    /// How far it is to be read.
    end: u64,
}

impl Ring {
    /// Maps a ring buffer of `bytes`; what was taken up to `taken` (modulo 2^32) is not read again.
    pub(super) fn new(map: impl AsFd, bytes: u32, taken: u32) -> Result<Self, Error> {
        let page = rustix::param::page_size();
        let consumer = Memory::map(&map, ProtFlags::READ | ProtFlags::WRITE, (0, page))?;
        let length = page + 2 * bytes as usize;
        let producer = Memory::map(&map, ProtFlags::READ, (page as u64, length))?;
        let mut ring = Self {
            consumer,
            producer,
            mask: u64::from(bytes) - 1,
            read: 0,
            end: 0,
        };
        let let_go = ring.consumer.word(0).load(Ordering::Relaxed);
        // An agent that died right after it had taken them may not have let them go.
        ring.read = let_go + u64::from(taken.wrapping_sub(let_go as u32));
        ring.let_go();
        Ok(ring)
    }

    /// Leaves entries from now on for the next time.
    pub(super) fn close(&mut self) {
        self.end = self.producer.word(0).load(Ordering::Acquire);
    }

    /// Hands over every entry that was there when it was [closed](Self::close), without letting it
    /// go.
    pub(super) fn read(&mut self, mut hand_over: impl FnMut(&CacheEntry)) {
        while self.read < self.end {
            let Some(length) = self.length_at(self.read) else {
                return;
            };
            if length & DISCARDED == 0 && length as usize == size_of::<CacheEntry>() {
                // SAFETY: it consists of numbers, any of which is one. The kernel wrote it there, and it
                // stays until its place is let go; the second mapping continues where the first ends.
                hand_over(&unsafe { self.producer.value(self.data(self.read + HEADER_BYTES)) });
            }
            let length = u64::from(length & !DISCARDED) + HEADER_BYTES;
            self.read += length.next_multiple_of(8);
        }
    }

    /// How far it has been read, modulo 2^32.
    pub(super) const fn position(&self) -> u32 {
        self.read as u32
    }

    /// Lets everything go that has been read.
    pub(super) fn let_go(&self) {
        self.consumer.word(0).store(self.read, Ordering::Release);
    }

    /// The length of the entry at a position; `None` while it is being written.
    fn length_at(&self, position: u64) -> Option<u32> {
        let length = self.producer.half_word(self.data(position));
        let length = length.load(Ordering::Acquire);
        (length & BUSY == 0).then_some(length)
    }

    /// Where a position is in the memory.
    fn data(&self, position: u64) -> usize {
        rustix::param::page_size() + (position & self.mask) as usize
    }
}
