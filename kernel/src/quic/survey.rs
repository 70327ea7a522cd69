//! What the datagrams of a frame begin with.

use netweir_wire::{
    map::{MAX_CID_BYTES, QuicLoss},
    packet::quic::LONG_FORM,
    stand_in,
};

use super::{
    Look, Payload,
    work::{BYTES_BEFORE, Run},
};
use crate::{
    reader::volatile,
    setting::{masked, setting},
};

/// The first byte of a datagram, and a connection ID behind it.
const HEAD_BYTES: u32 = 1 + MAX_CID_BYTES as u32;

/// Bytes of a UDP header.
const UDP_BYTES: u32 = 8;

impl<P: Payload> Look<'_, P> {
    /// Notes what the datagrams of a frame begin with. Those that cannot be read, and those behind the
    /// last one that is, are lost.
    #[inline(always)]
    pub(super) fn survey<const MOST: u32>(&mut self) {
        let found = &mut self.work.found;
        (found.long, found.short, found.runs) = (0, 0, 0);
        if self.work.walk.left == 0 {
            return;
        }
        if !self.read_first::<MOST>() {
            return self.give_up();
        }
        for number in 0..MOST {
            let left = volatile(&self.work.walk.left);
            if left == 0 {
                return;
            }
            let offset = volatile(&self.work.walk.offset);
            let bytes = left.min(volatile(&self.work.walk.segment));
            if number != 0 && !self.read(offset, bytes) {
                return self.give_up();
            }
            self.work.walk.left = left - bytes;
            self.work.walk.offset = offset.wrapping_add(bytes);
            self.note(offset, bytes);
        }
        self.give_up();
    }

    /// Reads the beginning of the first datagram. What UDP says about the length goes: behind it there
    /// may be padding.
    #[inline(always)]
    fn read_first<const MOST: u32>(&mut self) -> bool {
        let (offset, left) = (self.work.walk.offset, self.work.walk.left);
        if !self.read(offset, left) {
            return false;
        }
        let [high, low, ..] = self.work.head.before;
        let told = u32::from(u16::from_be_bytes([high, low]));
        // 0 where there are more bytes than it could say (RFC 2675 section 4).
        if told != 0 {
            self.work.walk.left = left.min(told.saturating_sub(UDP_BYTES));
        }
        if MOST > 1 && setting::<{ stand_in::LAYOUTS }>() != 0 {
            self.set_mask();
        }
        true
    }

    /// Reads the beginning of a datagram of so many bytes.
    #[inline(always)]
    fn read(&mut self, offset: u32, bytes: u32) -> bool {
        let bytes = masked::<31>(bytes.min(HEAD_BYTES).into()) as u32;
        let (from, to) = (offset.wrapping_sub(BYTES_BEFORE), self.work.head.start());
        // SAFETY: there is room for two more.
        unsafe { self.payload.load(from, to, bytes + BYTES_BEFORE) }
    }

    /// Counts the datagrams from here on as long headers that were not told: they may be such.
    #[inline(always)]
    fn give_up(&mut self) {
        let walk = &self.work.walk;
        let datagrams = u64::from(walk.left.div_ceil(walk.segment.max(1)));
        self.counters.long += datagrams;
        self.counters.lost[QuicLoss::Unreadable as usize] += datagrams;
    }

    /// Notes a datagram whose beginning was read.
    #[inline(always)]
    fn note(&mut self, offset: u32, bytes: u32) {
        let (first, found) = (self.work.head.first, &mut self.work.found);
        if first & LONG_FORM != 0 {
            let number = volatile(&found.long);
            if let Some(place) = found.longs.get_mut(number as usize) {
                *place = (offset, bytes);
            }
            found.long = number + 1;
            return;
        }
        found.short = volatile(&found.short) + 1;
        found.last = u32::from(first);
        found.short_offset = offset;
        found.short_bytes = bytes;
        if setting::<{ stand_in::LAYOUTS }>() != 0 {
            self.note_cid(bytes);
        }
    }

    /// Adds a short header to the first run, if its connection ID says the same, or begins a run.
    #[inline(always)]
    fn note_cid(&mut self, bytes: u32) {
        let (head, found) = (&self.work.head, &mut self.work.found);
        let available = bytes.min(HEAD_BYTES) - 1;
        let number = volatile(&found.runs);
        let [first, ..] = &mut found.run;
        let differs = |word: usize| (first.cid[word] ^ head.cid[word]) & found.mask[word];
        let is_same = differs(0) | differs(1) | differs(2) == 0 && first.available == available;
        if number != 0 && is_same {
            first.packets += 1;
            first.bytes += bytes;
            return;
        }
        let Some(run) = found.run.get_mut(number as usize) else {
            self.counters.no_room += 1;
            return;
        };
        *run = Run {
            cid: head.cid,
            available,
            packets: 1,
            bytes,
            reserved: 0,
        };
        found.runs = number + 1;
    }
}
