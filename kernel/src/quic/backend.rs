//! Short headers by the backend and the queue that their connection IDs name.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::bindings::BPF_NOEXIST;
use netweir_wire::{
    map::{
        CidServer, LayoutProgram, MAX_CID_BYTES, QuicBackendKey, ServerChosen, Undecoded, Volume,
        words,
    },
    packet::quic::LONG_FORM,
};

use super::{
    Look, Payload,
    work::{MOST_RUNS, Run, open},
};
use crate::{
    map::{self, Numbered},
    reader::{forget, opaque, volatile},
    table::Era,
};

/// Bytes of a connection ID at most.
const MOST_BYTES: u32 = MAX_CID_BYTES as u32;

impl<P: Payload> Look<'_, P> {
    /// Notes which bytes of a connection ID the layout asks about that reads the first datagram's.
    /// Behind them may stand what follows the ID, which is another in each datagram.
    #[inline(always)]
    pub(super) fn set_mask(&mut self) {
        let walk = &self.work.walk;
        if walk.left <= walk.segment {
            // There is nothing to compare it with.
            return;
        }
        let available = walk.segment.saturating_sub(1).min(MOST_BYTES);
        let cid = open(&self.work.head.cid, available);
        let bytes = match (cid, map::LAYOUT.value(0)) {
            (Ok(cid), Some(program)) if self.work.head.first & LONG_FORM == 0 => {
                self.seen_bytes(program, &cid)
            }
            // Of the short headers behind it nothing is known.
            _ => MOST_BYTES,
        };
        let mask = &mut self.work.found.mask;
        mask[0] = low_bytes(bytes);
        mask[1] = low_bytes(bytes.saturating_sub(8));
        mask[2] = low_bytes(bytes.saturating_sub(16));
    }

    /// How many bytes of this connection ID are read to say what it names, or why it names nothing.
    #[inline(always)]
    fn seen_bytes(&self, program: &LayoutProgram, cid: &ServerChosen) -> u32 {
        let row = self.find(program, cid).ok();
        let row = row.and_then(|place| program.rows.get(place));
        // Without a layout it is the first byte alone that decided.
        row.map_or(1, |row| u32::from(row.seen_bytes()))
    }

    /// The place of the layout that reads a connection ID of the frame's receiver.
    #[inline(always)]
    fn find(&self, program: &LayoutProgram, cid: &ServerChosen) -> Result<usize, Undecoded> {
        let key = &self.work.event.key;
        let server = CidServer {
            address: words(key.destination),
            port: u16::from_be_bytes(key.destination_port),
            version: 0,
        };
        let number = &self.work.number;
        let forgetful = |value: u32| forget(number, value as usize) as u32;
        program.find_forgetting(&server, cid, forgetful)
    }

    /// Counts the runs of short headers by what their connection IDs name.
    #[inline(always)]
    pub(super) fn count_backends<const MOST: u32>(&mut self) {
        let Some(program) = map::LAYOUT.value(0) else {
            return;
        };
        for number in 0..MOST_RUNS.min(MOST as usize) {
            if number as u32 >= volatile(&self.work.found.runs) {
                return;
            }
            let run = &self.work.found.run[number];
            let packets = u64::from(run.packets);
            let key = self.decode(program, run);
            if let Ok(key) = &key
                && key.named & 1 != 0
            {
                self.place.backend = u32::try_from(key.backend).map_or(0, |it| it.wrapping_add(1));
            }
            match key {
                Ok(key) if add(&key, run) => self.counters.decoded += packets,
                Ok(_) => self.counters.no_room += packets,
                Err(reason) => {
                    if let Some(count) = self.counters.undecoded.get_mut(opaque(&reason)) {
                        *count += packets;
                    }
                }
            }
        }
    }

    /// What the connection ID of a run names.
    #[inline(always)]
    fn decode(&self, program: &LayoutProgram, run: &Run) -> Result<QuicBackendKey, Undecoded> {
        let cid = run.cid()?;
        let layout = self.find(program, &cid)?;
        let row = program.rows.get(layout).ok_or(Undecoded::NoLayout)?;
        let route = row.decode(&cid)?;
        Ok(QuicBackendKey {
            backend: route.backend.unwrap_or(0),
            queue: route.queue.unwrap_or(0),
            layout: layout as u32,
            named: u32::from(route.backend.is_some()) | u32::from(route.queue.is_some()) << 1,
        })
    }
}

/// So many of the first bytes of a word in memory, all of them at most.
#[inline(always)]
const fn low_bytes(bytes: u32) -> u64 {
    const { assert!(cfg!(target_endian = "little")) };
    match bytes {
        0..8 => (1 << (8 * bytes)) - 1,
        _ => u64::MAX,
    }
}

/// Adds datagrams to what is counted of a backend; says whether there is room.
#[inline(always)]
fn add(key: &QuicBackendKey, run: &Run) -> bool {
    let backends = if Era::now().epoch() & 1 == 1 {
        &map::BACKENDS_ODD
    } else {
        &map::BACKENDS_EVEN
    };
    let known = backends.get_ptr_mut(key).or_else(|| {
        // Another CPU may be quicker.
        let _inserted = backends.insert(key, &Volume::ZERO, u64::from(BPF_NOEXIST));
        backends.get_ptr_mut(key)
    });
    let Some(known) = known else {
        return false;
    };
    let (packets, bytes) = (u64::from(run.packets), u64::from(run.bytes));
    // SAFETY: entries are removed only from the map of the other epoch, after every program that could
    // still use it has ended; both counts are added atomically.
    unsafe {
        atomic_xadd::<_, _, { AtomicOrdering::Relaxed }>(&raw mut (*known).packets, packets);
        atomic_xadd::<_, _, { AtomicOrdering::Relaxed }>(&raw mut (*known).bytes, bytes);
    }
    true
}
