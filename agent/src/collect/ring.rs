//! A ring buffer, with entries of any length.
//!
//! Read here rather than by aya, whose reader lets an entry go with the reading: ours keep their
//! place until they have been handed over, so that an agent that dies in between loses none of the
//! frames that no map had room for. The layout is the kernel's (`kernel/bpf/ringbuf.c`): a page with
//! the consumer's position, a page with the producer's, and the data, mapped twice in a row so that
//! no entry is cut in two.

use std::{os::fd::AsFd, sync::atomic::Ordering};

use rustix::mm::ProtFlags;

use crate::Error;
use crate::memory::Memory;

/// Bytes in front of each entry: its length and flags, and a page offset.
const HEADER_BYTES: u64 = 8;
/// Set in the length while the entry is being written.
const BUSY: u32 = 1 << 31;
/// Set in the length of an entry that was given up.
const DISCARDED: u32 = 1 << 30;

/// The ring buffer in our memory.
pub(crate) struct Ring {
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
    /// Maps a ring buffer of `bytes`, to go on behind what was let go.
    pub(crate) fn new(map: impl AsFd, bytes: u32) -> Result<Self, Error> {
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
        ring.read = ring.consumer.word(0).load(Ordering::Relaxed);
        Ok(ring)
    }

    /// Bytes that nobody has let go, of a ring buffer that somebody else reads.
    pub(crate) fn unread(map: impl AsFd) -> Result<u64, Error> {
        let page = rustix::param::page_size();
        let consumer = Memory::map(&map, ProtFlags::READ, (0, page))?;
        let producer = Memory::map(&map, ProtFlags::READ, (page as u64, page))?;
        // The reader first: it never gets ahead of the writer.
        let read = consumer.word(0).load(Ordering::Acquire);
        let written = producer.word(0).load(Ordering::Acquire);
        Ok(written.wrapping_sub(read))
    }

    /// Does not read what was taken up to `taken` (modulo 2^32): an agent that died right after it had
    /// taken that may not have let it go.
    pub(crate) fn pass_over(&mut self, taken: u32) {
        self.read += u64::from(taken.wrapping_sub(self.read as u32));
        self.let_go();
    }

    /// Leaves entries from now on for the next time.
    pub(crate) fn close(&mut self) {
        self.end = self.producer.word(0).load(Ordering::Acquire);
    }

    /// Hands over the bytes of every entry that was there when it was [closed](Self::close), without
    /// letting it go.
    pub(crate) fn read(&mut self, mut hand_over: impl FnMut(&[u8])) {
        while self.read < self.end {
            let Some(length) = self.length_at(self.read) else {
                return;
            };
            let bytes = length & !DISCARDED;
            if length & DISCARDED == 0 {
                let data = self.data(self.read + HEADER_BYTES);
                // SAFETY: the kernel wrote them there, and they stay until their place is let go; the
                // second mapping continues where the first ends.
                let entry = unsafe { self.producer.bytes(data, bytes as usize) };
                // The kernel has none that is longer than the ring.
                hand_over(entry.unwrap_or_default());
            }
            self.read += (u64::from(bytes) + HEADER_BYTES).next_multiple_of(8);
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

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::{Seek, SeekFrom, Write},
    };

    use netweir_wire::map::{CacheEntry, FlowKey};
    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;
    use crate::memory::split_value;

    const BYTES: u32 = 4096;
    const ENTRY: u32 = size_of::<CacheEntry>() as u32;

    /// Memory laid out as the kernel's, which writes to it when it is told.
    struct Written {
        file: File,
        page: u64,
        written: u64,
    }

    impl Written {
        fn new() -> Self {
            let file = File::from(memfd_create("ring", MemfdFlags::CLOEXEC).unwrap());
            let page = rustix::param::page_size() as u64;
            file.set_len(2 * page + 2 * u64::from(BYTES)).unwrap();
            Self {
                file,
                page,
                written: 0,
            }
        }

        fn write(&mut self, offset: u64, bytes: &[u8]) {
            self.file.seek(SeekFrom::Start(offset)).unwrap();
            self.file.write_all(bytes).unwrap();
        }

        /// An entry of this length, its header with these flags, whose flow has this source port.
        fn put(&mut self, length: u32, flags: u32, port: u16) {
            let mut bytes = vec![0; HEADER_BYTES as usize + length as usize];
            bytes[..4].copy_from_slice(&(length | flags).to_ne_bytes());
            let place = HEADER_BYTES as usize + std::mem::offset_of!(FlowKey, source_port);
            if let Some(place) = bytes.get_mut(place..place + 2) {
                place.copy_from_slice(&port.to_be_bytes());
            }
            let data = 2 * self.page;
            for (from, byte) in (self.written..).zip(bytes.iter().copied()) {
                let place = from % u64::from(BYTES);
                // As the kernel has it mapped, twice in a row.
                for copy in [place, place + u64::from(BYTES)] {
                    self.write(data + copy, &[byte]);
                }
            }
            self.written += (bytes.len() as u64).next_multiple_of(8);
            let (page, written) = (self.page, self.written);
            self.write(page, &written.to_ne_bytes());
        }

        fn ring(&self, taken: u32) -> Ring {
            let mut ring = Ring::new(&self.file, BYTES).unwrap();
            ring.pass_over(taken);
            ring
        }
    }

    /// Source ports of what is read; `None` for an entry of another length.
    fn read(ring: &mut Ring) -> Vec<Option<u16>> {
        let mut read = Vec::new();
        ring.read(|bytes| {
            let entry = split_value::<CacheEntry>(bytes).filter(|(_, rest)| rest.is_empty());
            read.push(entry.map(|(entry, _)| u16::from_be_bytes(entry.key.source_port)));
        });
        read
    }

    #[test]
    fn every_entry_is_told_of_whatever_its_length() {
        let mut memory = Written::new();
        let mut ring = memory.ring(0);
        memory.put(ENTRY, 0, 1);
        memory.put(ENTRY - 8, 0, 2);
        memory.put(3, 0, 3);
        memory.put(ENTRY + 1, 0, 4);
        // What its writer has given up was counted nowhere.
        memory.put(ENTRY, DISCARDED, 5);
        memory.put(ENTRY, 0, 6);
        ring.close();
        assert_eq!(read(&mut ring), [Some(1), None, None, None, Some(6)]);
        assert_eq!(read(&mut ring), []);
    }

    #[test]
    fn an_entry_has_the_bytes_that_were_written() {
        let mut memory = Written::new();
        let mut ring = memory.ring(0);
        // Also around the ring's end, and one that says it is longer than the ring.
        for length in [0, 1, 7, 8, 1000, 3000, 9, 2000] {
            memory.put(length, 0, 0xa1b2);
            ring.close();
            let mut found = Vec::new();
            ring.read(|bytes| found.push(bytes.to_vec()));
            ring.let_go();
            let mut expected = vec![0; length as usize];
            let place = std::mem::offset_of!(FlowKey, source_port);
            if let Some(port) = expected.get_mut(place..place + 2) {
                port.copy_from_slice(&[0xa1, 0xb2]);
            }
            assert_eq!(found, [expected]);
        }
        memory.put(8, 2 * BYTES + 4096, 0);
        ring.close();
        let mut found = Vec::new();
        ring.read(|bytes| found.push(bytes.len()));
        assert_eq!(found, [0]);
    }

    #[test]
    fn is_read_up_to_where_it_was_closed() {
        let mut memory = Written::new();
        let mut ring = memory.ring(0);
        memory.put(ENTRY, 0, 1);
        ring.close();
        memory.put(ENTRY, 0, 2);
        assert_eq!(read(&mut ring), [Some(1)]);
        ring.let_go();
        ring.close();
        memory.put(ENTRY, BUSY, 3);
        assert_eq!(read(&mut ring), [Some(2)]);
        // One that is being written is left for later, and what is behind it.
        memory.put(ENTRY, 0, 4);
        ring.close();
        assert_eq!(read(&mut ring), []);
    }

    #[test]
    fn goes_on_where_it_was_taken_around_its_end() {
        let mut memory = Written::new();
        let mut ring = memory.ring(0);
        let mut port = 0;
        for _ in 0..40 {
            let ports = [port + 1, port + 2, port + 3];
            port += 3;
            for port in ports {
                memory.put(ENTRY, 0, port);
            }
            ring.close();
            assert_eq!(read(&mut ring), ports.map(Some));
            // It dies here, sometimes before it lets go what was taken.
            let taken = ring.position();
            if port % 2 == 0 {
                ring.let_go();
            }
            drop(ring);
            ring = memory.ring(taken);
        }
        assert!(memory.written > 2 * u64::from(BYTES));
    }
}
