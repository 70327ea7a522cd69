//! A look at the datagrams between QUIC ports, after they have been counted.
//!
//! A long header is told to user space with its datagram. A short header stays here: its spin bit is
//! timed, its connection ID counted by what it names, and now and then one is told.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::{
    bindings::{BPF_NOEXIST, BPF_RB_NO_WAKEUP},
    helpers::generated::{bpf_ktime_get_ns, bpf_ringbuf_output},
};
use netweir_wire::{
    map::{
        CacheEntry, Cid, CidPacket, CidServer, Class, FlowKey, KEY_WORDS, MAX_CID_BYTES,
        QUIC_CAPTURED_BYTES, QUIC_PLACES, QuicBackendKey, QuicCounters, QuicEvent, QuicEventKind,
        QuicLoss, QuicPlace, ServerChosen, SpinSums, Undecoded, Volume, words,
    },
    packet::quic::{LONG_FORM, SPIN_BIT},
    stand_in,
};

use crate::{
    account::{opaque, tick},
    map::{self, QuicWork},
    reader::forget,
    setting::{hash, setting},
};

/// The first byte of a datagram, and a connection ID behind it.
const HEAD_BYTES: u32 = 1 + MAX_CID_BYTES as u32;

/// Datagrams of an offloaded frame at most (the kernel's `UDP_MAX_SEGMENTS`).
pub(crate) const MOST_DATAGRAMS: u32 = 128;

/// Long headers of one frame that are told at most: a flight of a handshake has fewer datagrams.
pub(crate) const MOST_LONG: usize = 16;

/// Connection IDs of one frame that are told apart: nearly always there is one.
pub(crate) const MOST_RUNS: usize = 8;

/// The bytes of a frame, wherever they are.
pub(crate) trait Payload {
    /// Copies `bytes` (at least one) at `offset` to `to`; says whether they are there.
    ///
    /// # Safety
    /// `to` must have room for them.
    unsafe fn load(&self, offset: u32, to: *mut u8, bytes: u32) -> bool;
}

/// The datagrams of a frame.
#[derive(Clone, Copy)]
pub(crate) struct Datagrams {
    /// Where the payload of the first one begins in the frame.
    pub(crate) offset: u32,
    /// Bytes of all payloads.
    pub(crate) bytes: u32,
    /// Bytes of each payload, the last one's excepted; 0 if there is only one.
    pub(crate) segment: u32,
}

/// Whether anything is looked at.
#[inline(always)]
pub(crate) fn is_on() -> bool {
    setting::<{ stand_in::QUIC_TICKS }>() != 0
}

/// The offset of a datagram's payload, if its flow, which the cache has, is to be looked at. The
/// verifier knows nothing of it any more, so that the many ways to here become one.
#[inline(always)]
pub(crate) fn begin_look(entry: &CacheEntry, offset: u16) -> Option<u32> {
    if !is_on() || entry.value.classes[2] != Class::QuicCandidate as u8 {
        return None;
    }
    let work = map::work()?;
    Some(forget(&work.offset, usize::from(offset)) as u32)
}

/// Looks at the datagrams of a frame, of which there are `MOST` at most.
#[inline(always)]
pub(crate) fn look<P: Payload, const MOST: u32>(payload: &P, key: &FlowKey, datagrams: Datagrams) {
    let words = core::ptr::from_ref(key).cast::<[u64; KEY_WORDS]>();
    // SAFETY: a key consists of so many words and is aligned as they are.
    let hash = hash(unsafe { &*words }) | 1;
    let number = (hash >> 40) as u32 & (QUIC_PLACES - 1);
    let (Some(place), Some(counters), Some(work)) = (
        map::QUIC_PLACE.get_ptr_mut(number),
        map::QUIC_COUNTERS.get_ptr_mut(0),
        map::QUIC_WORK.get_ptr_mut(0),
    ) else {
        return;
    };
    // SAFETY: counters and working memory are this CPU's own, and programs do not interrupt one
    // another. A place is shared with other CPUs: what they write at once is a right value each, and
    // what is lost by it is a turn of the spin bit or a part of an allowance.
    let (place, counters, work) = unsafe { (&mut *place, &mut *counters, &mut *work) };
    if place.flow != hash {
        begin(place, hash);
    }
    work.event.key = *key;
    work.found = Found::default();
    let mut look = Look {
        payload,
        place,
        counters,
        work,
    };
    look.survey::<MOST>(datagrams);
    look.tell_long();
    if look.work.found.short != 0 {
        look.spin();
        look.tell_short();
        if setting::<{ stand_in::LAYOUTS }>() != 0 {
            look.count_backends();
        }
    }
}

/// Another flow takes a place over, and what is left of its allowance.
#[inline(always)]
fn begin(place: &mut QuicPlace, hash: u64) {
    place.flow = hash;
    place.turned_ns = 0;
    place.spin = SpinSums::default();
    place.spin_bit = 2;
    let now = tick();
    place.spin_tick = now;
    // The first short header is told at once.
    place.short_tick = now.wrapping_sub(setting::<{ stand_in::QUIC_PAUSE }>());
}

/// What a look at a datagram needs.
struct Look<'a, P> {
    payload: &'a P,
    place: &'a mut QuicPlace,
    counters: &'a mut QuicCounters,
    work: &'a mut QuicWork,
}

impl<P: Payload> Look<'_, P> {
    /// Notes what the datagrams of a frame begin with. What is noted stands in memory that the
    /// verifier does not follow, so that all ways through the loop become one.
    #[inline(always)]
    fn survey<const MOST: u32>(&mut self, datagrams: Datagrams) {
        let mut left = datagrams.bytes;
        let mut offset = datagrams.offset;
        for _ in 0..MOST {
            if left == 0 {
                break;
            }
            let bytes = match datagrams.segment {
                0 => left,
                segment => segment.min(left),
            };
            self.note(offset, bytes);
            left -= bytes;
            offset += bytes;
        }
    }

    #[inline(always)]
    fn note(&mut self, offset: u32, bytes: u32) {
        let work = &mut *self.work;
        // The verifier is to see that it is neither nothing nor too much.
        let length = forget(&work.number, bytes.min(HEAD_BYTES) as usize) as u32 & 31;
        work.head = Head::default();
        // SAFETY: behind the padding the head has room for 32 bytes.
        if length == 0 || !unsafe { self.payload.load(offset, work.head.start(), length) } {
            return self.lose(QuicLoss::Unreadable);
        }
        let found = &mut work.found;
        if work.head.first & LONG_FORM != 0 {
            let number = volatile(&found.long) as usize;
            if let Some(place) = found.longs.get_mut(number) {
                *place = (offset, bytes);
            }
            found.long = number as u32 + 1;
            return;
        }
        found.short += 1;
        found.last = work.head.first;
        found.short_offset = offset;
        found.short_bytes = bytes;
        if setting::<{ stand_in::LAYOUTS }>() != 0 {
            self.note_cid(length - 1, bytes);
        }
    }

    /// Adds a short header to the run of the last one, if their connection IDs begin alike.
    #[inline(always)]
    fn note_cid(&mut self, available: u32, bytes: u32) {
        let (head, found) = (&self.work.head, &mut self.work.found);
        let number = volatile(&found.runs) as usize;
        let cid = head.words();
        if let Some(run) = number
            .checked_sub(1)
            .and_then(|last| found.run.get_mut(last))
            && run.cid[0] == cid[0]
            && run.available == available
        {
            run.packets += 1;
            run.bytes += bytes;
            return;
        }
        match found.run.get_mut(number) {
            Some(run) => {
                *run = Run {
                    cid,
                    available,
                    packets: 1,
                    bytes,
                    reserved: 0,
                };
                found.runs = number as u32 + 1;
            }
            None => self.counters.no_room += 1,
        }
    }

    /// Tells the long headers that were noted.
    #[inline(always)]
    fn tell_long(&mut self) {
        self.counters.long += u64::from(self.work.found.long);
        let too_many = self.work.found.long.saturating_sub(MOST_LONG as u32);
        self.counters.lost[QuicLoss::FlowLimit as usize] += u64::from(too_many);
        for number in 0..MOST_LONG {
            if number as u32 >= volatile(&self.work.found.long) {
                return;
            }
            let (offset, bytes) = volatile(&self.work.found.longs[number]);
            if let Err(loss) = self.tell(QuicEventKind::Long, offset, bytes) {
                self.lose(loss);
            }
        }
    }

    /// Tells a short header now and then. One that is not told is not missed: the next is as good.
    #[inline(always)]
    fn tell_short(&mut self) {
        let found = &self.work.found;
        self.counters.short += u64::from(found.short);
        let (offset, bytes) = (found.short_offset, found.short_bytes);
        let now = tick();
        let pause = setting::<{ stand_in::QUIC_PAUSE }>();
        if now.wrapping_sub(self.place.short_tick) >= pause {
            self.place.short_tick = now;
            let _told = self.tell(QuicEventKind::Short, offset, bytes);
        }
    }

    #[inline(always)]
    fn lose(&mut self, loss: QuicLoss) {
        if let Some(count) = self.counters.lost.get_mut(opaque(&loss)) {
            *count += 1;
        }
    }

    /// Times the turns of the spin bit, and tells of them now and then. The datagrams of a frame are
    /// sent at once: the last one has the word.
    #[inline(always)]
    fn spin(&mut self) {
        let bit = u32::from(self.work.found.last & SPIN_BIT != 0);
        let place = &mut *self.place;
        place.spin.packets = place.spin.packets.wrapping_add(self.work.found.short);
        if place.spin_bit == bit {
            return;
        }
        let is_first = place.spin_bit > 1;
        place.spin_bit = bit;
        if is_first {
            return;
        }
        // SAFETY: the helper takes no arguments.
        let now_ns = unsafe { bpf_ktime_get_ns() };
        let since_ns = now_ns.wrapping_sub(place.turned_ns);
        if place.turned_ns != 0 {
            let spin = &mut place.spin;
            if spin.turns == 0 || since_ns < spin.min_ns {
                spin.min_ns = since_ns;
            }
            spin.max_ns = spin.max_ns.max(since_ns);
            spin.sum_ns = spin.sum_ns.wrapping_add(since_ns);
            spin.turns += 1;
        }
        place.turned_ns = now_ns;
        let now = tick();
        let pause = setting::<{ stand_in::QUIC_PAUSE }>();
        if place.spin.turns != 0 && now.wrapping_sub(place.spin_tick) >= pause {
            place.spin_tick = now;
            self.work.event.spin = place.spin;
            if self.tell(QuicEventKind::Spin, 0, 0).is_ok() {
                self.place.spin = SpinSums::default();
            }
        }
    }

    /// Counts the short headers by the backend and the queue that their connection IDs name.
    #[inline(always)]
    fn count_backends(&mut self) {
        let Some(program) = map::LAYOUT.get(0) else {
            return;
        };
        let key = &self.work.event.key;
        let server = CidServer {
            address: words(key.destination),
            port: u16::from_be_bytes(key.destination_port),
            version: 0,
        };
        let number = &self.work.number;
        let forgetful = |value: u32| forget(number, value as usize) as u32;
        let row = self.work.found.run[0]
            .cid()
            .and_then(|cid| program.find_forgetting(&server, &cid, forgetful));
        for number in 0..MOST_RUNS {
            if number as u32 >= volatile(&self.work.found.runs) {
                return;
            }
            let run = self.work.found.run[number];
            let decoded = row.and_then(|layout| {
                let row = program.rows.get(layout).ok_or(Undecoded::NoLayout)?;
                let cid = run.cid()?;
                if cid.cid().first() & row.guard_mask != row.guard_value {
                    return Err(Undecoded::Guard);
                }
                Ok((layout, row.decode(&cid)?))
            });
            match decoded {
                Ok((layout, route)) => {
                    let key = QuicBackendKey {
                        backend: route.backend.unwrap_or(0),
                        queue: route.queue.unwrap_or(0),
                        layout: layout as u32,
                        named: u32::from(route.backend.is_some())
                            | u32::from(route.queue.is_some()) << 1,
                    };
                    if add_to_backend(&key, &run) {
                        self.counters.decoded += u64::from(run.packets);
                    } else {
                        self.counters.no_room += u64::from(run.packets);
                    }
                }
                Err(reason) => {
                    if let Some(count) = self.counters.undecoded.get_mut(opaque(&reason)) {
                        *count += u64::from(run.packets);
                    }
                }
            }
        }
    }

    /// Puts an event into the ring, if there may be one more.
    #[inline(always)]
    fn tell(&mut self, kind: QuicEventKind, offset: u32, bytes: u32) -> Result<(), QuicLoss> {
        self.allow()?;
        let event = &mut self.work.event;
        let captured = bytes.min(QUIC_CAPTURED_BYTES as u32);
        event.kind = kind as u8;
        event.payload_bytes = bytes;
        event.captured_bytes = captured as u16;
        // SAFETY: the helper takes no arguments.
        event.time_ns = unsafe { bpf_ktime_get_ns() };
        let captured = forget(&self.work.number, captured as usize) & QUIC_CAPTURED_BYTES;
        // SAFETY: the working memory has room for so many.
        if captured != 0
            && !unsafe {
                self.payload
                    .load(offset, self.work.bytes.as_mut_ptr(), captured as u32)
            }
        {
            return Err(QuicLoss::Unreadable);
        }
        let length = size_of::<QuicEvent>() + captured;
        // SAFETY: the event and its bytes stand one behind the other in the working memory.
        let full = unsafe {
            bpf_ringbuf_output(
                core::ptr::from_ref(&map::QUIC_EVENTS).cast_mut().cast(),
                core::ptr::from_mut(&mut self.work.event).cast(),
                length as u64,
                u64::from(BPF_RB_NO_WAKEUP),
            )
        } != 0;
        if full {
            return Err(QuicLoss::RingFull);
        }
        if let Some(count) = self.counters.told.get_mut(opaque(&kind)) {
            *count += 1;
        }
        Ok(())
    }

    /// Takes one event from the allowances of the flow and of the CPU.
    #[inline(always)]
    fn allow(&mut self) -> Result<(), QuicLoss> {
        let of_flow = setting::<{ stand_in::QUIC_OF_FLOW }>();
        let of_cpu = setting::<{ stand_in::QUIC_OF_CPU }>();
        let now = tick();
        let (place, cpu) = (&mut *self.place, &mut *self.counters);
        grant(
            now,
            (of_flow, 2 * of_flow),
            &mut place.granted_tick,
            &mut place.allowance,
        );
        grant(
            now,
            (of_cpu, of_cpu),
            &mut cpu.granted_tick,
            &mut cpu.allowance,
        );
        if place.allowance == 0 {
            return Err(QuicLoss::FlowLimit);
        }
        if cpu.allowance == 0 {
            return Err(QuicLoss::CpuLimit);
        }
        place.allowance -= 1;
        cpu.allowance -= 1;
        Ok(())
    }
}

/// Adds to an allowance what the time since the last grant brings: so many a second, up to so many.
#[inline(always)]
fn grant(now: u32, (per_second, at_most): (u32, u32), granted: &mut u32, allowance: &mut u32) {
    let ticks_per_second = u64::from(setting::<{ stand_in::QUIC_TICKS }>());
    let ticks = u64::from(now.wrapping_sub(*granted));
    if ticks >= ticks_per_second {
        // Also what has never been granted anything: its tick is long ago.
        *granted = now;
        *allowance = allowance.wrapping_add(per_second).min(at_most);
        if ticks >= 2 * ticks_per_second {
            *allowance = at_most;
        }
        return;
    }
    if ticks_per_second == 0 {
        return;
    }
    let more = ticks * u64::from(per_second) / ticks_per_second;
    if more != 0 {
        *granted = now;
        *allowance = allowance.wrapping_add(more as u32).min(at_most);
    }
}

/// Adds datagrams to what is counted of a backend; says whether there is room.
#[inline(always)]
fn add_to_backend(key: &QuicBackendKey, run: &Run) -> bool {
    let known = map::QUIC_BACKENDS.get_ptr_mut(key).or_else(|| {
        let zero = Volume::ZERO;
        // Another CPU may be quicker.
        let _inserted = map::QUIC_BACKENDS.insert(key, &zero, u64::from(BPF_NOEXIST));
        map::QUIC_BACKENDS.get_ptr_mut(key)
    });
    let Some(known) = known else {
        return false;
    };
    let (packets, bytes) = (u64::from(run.packets), u64::from(run.bytes));
    // SAFETY: entries are never removed; both counts are added atomically.
    unsafe {
        atomic_xadd::<_, _, { AtomicOrdering::Relaxed }>(&raw mut (*known).packets, packets);
        atomic_xadd::<_, _, { AtomicOrdering::Relaxed }>(&raw mut (*known).bytes, bytes);
    }
    true
}

/// What stands in memory, read anew: the verifier is not to follow what was written before.
#[inline(always)]
fn volatile<T: Copy>(place: &T) -> T {
    // SAFETY: a reference is valid for reads.
    unsafe { core::ptr::from_ref(place).read_volatile() }
}

/// The first bytes of a datagram, with the connection ID where words of it can be read.
#[repr(C, align(8))]
#[derive(Clone, Copy, Default)]
pub(crate) struct Head {
    padding: [u8; 7],
    first: u8,
    cid: [u64; 3],
    behind: u64,
}

impl Head {
    #[inline(always)]
    fn start(&mut self) -> *mut u8 {
        &raw mut self.first
    }

    #[inline(always)]
    const fn words(&self) -> [u64; 3] {
        self.cid
    }
}

/// Short headers one after the other whose connection IDs begin alike.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct Run {
    /// The bytes behind the first one, in the order of memory.
    cid: [u64; 3],
    /// How many of them are the datagram's.
    available: u32,
    packets: u32,
    bytes: u32,
    reserved: u32,
}

impl Run {
    #[inline(always)]
    fn cid(&self) -> Result<ServerChosen, Undecoded> {
        // SAFETY: twenty of twenty-four bytes.
        let bytes = unsafe { *self.cid.as_ptr().cast::<[u8; MAX_CID_BYTES]>() };
        let cid = Cid::open(bytes, self.available as u8);
        ServerChosen::from_client(CidPacket::OneRtt, cid)
    }
}

/// What was noted of the datagrams of a frame.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct Found {
    /// Long headers, and where the first of them are: offsets and bytes.
    long: u32,
    longs: [(u32, u32); MOST_LONG],
    /// Short headers, and the last one's first byte, offset and length.
    short: u32,
    short_offset: u32,
    short_bytes: u32,
    last: u8,
    /// Their runs.
    runs: u32,
    run: [Run; MOST_RUNS],
}
