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
};

use crate::{
    account::{opaque, tick},
    map::{self, QuicWork},
    reader::forget,
};

/// Datagrams of an offloaded frame at most (`UDP_MAX_SEGMENTS` of the kernel).
const MAX_SEGMENTS: u32 = 128;

/// The first byte of a datagram, and a connection ID behind it.
const HEAD_BYTES: u32 = 1 + MAX_CID_BYTES as u32;

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

/// The first bytes of a datagram, with the connection ID where words of it can be read.
#[repr(C, align(8))]
#[derive(Default)]
struct Head {
    padding: [u8; 7],
    first: u8,
    cid: [u8; MAX_CID_BYTES],
    behind: [u8; 12],
}

impl Head {
    #[inline(always)]
    fn start(&mut self) -> *mut u8 {
        // SAFETY: the padding is a part of it.
        unsafe {
            core::ptr::from_mut(self)
                .cast::<u8>()
                .add(self.padding.len())
        }
    }
}

/// Whether anything is looked at.
#[inline(always)]
pub(crate) fn is_on() -> bool {
    map::setting(&map::QUIC_LIMITS.ticks_per_second) != 0
}

/// Whether a flow of the cache is to be looked at.
#[inline(always)]
pub(crate) fn is_candidate(entry: &CacheEntry) -> bool {
    is_on() && entry.value.classes[2] == Class::QuicCandidate as u8
}

/// Looks at the datagrams of a frame.
#[inline(always)]
pub(crate) fn look<P: Payload>(payload: &P, key: &FlowKey, datagrams: Datagrams) {
    let words = core::ptr::from_ref(key).cast::<[u64; KEY_WORDS]>();
    // SAFETY: a key consists of so many words and is aligned as they are.
    let hash = map::hash(unsafe { &*words }) | 1;
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
    let mut look = Look {
        payload,
        place,
        counters,
        work,
    };
    let mut left = datagrams.bytes;
    let mut offset = datagrams.offset;
    for _ in 0..MAX_SEGMENTS {
        if left == 0 {
            return;
        }
        let bytes = match datagrams.segment {
            0 => left,
            segment => segment.min(left),
        };
        look.at(offset, bytes);
        left -= bytes;
        offset += bytes;
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
    place.short_tick = now.wrapping_sub(map::setting(&map::QUIC_LIMITS.pause_ticks));
}

/// What a look at a datagram needs.
struct Look<'a, P> {
    payload: &'a P,
    place: &'a mut QuicPlace,
    counters: &'a mut QuicCounters,
    work: &'a mut QuicWork,
}

impl<P: Payload> Look<'_, P> {
    #[inline(always)]
    fn at(&mut self, offset: u32, bytes: u32) {
        let mut head = Head::default();
        // The verifier is to see that it is neither nothing nor too much.
        let length = forget(&self.work.number, bytes.min(HEAD_BYTES) as usize) as u32 & 31;
        // SAFETY: behind the padding the head has room for 32 bytes.
        if length == 0 || !unsafe { self.payload.load(offset, head.start(), length) } {
            return self.lose(QuicLoss::Unreadable);
        }
        let first = head.first;
        if first & LONG_FORM != 0 {
            self.counters.long += 1;
            if let Err(loss) = self.tell(QuicEventKind::Long, offset, bytes) {
                self.lose(loss);
            }
            return;
        }
        self.counters.short += 1;
        self.spin(first);
        if map::setting(&map::LAYOUTS) != 0 {
            self.count_backend(head.cid, (length - 1) as u8, bytes);
        }
        let now = tick();
        let pause = map::setting(&map::QUIC_LIMITS.pause_ticks);
        if now.wrapping_sub(self.place.short_tick) >= pause {
            self.place.short_tick = now;
            // One that is not told is not missed: the next one is as good.
            let _told = self.tell(QuicEventKind::Short, offset, bytes.min(HEAD_BYTES));
        }
    }

    #[inline(always)]
    fn lose(&mut self, loss: QuicLoss) {
        if let Some(count) = self.counters.lost.get_mut(opaque(&loss)) {
            *count += 1;
        }
    }

    /// Times the turns of the spin bit, and tells of them now and then.
    #[inline(always)]
    fn spin(&mut self, first: u8) {
        let bit = u32::from(first & SPIN_BIT != 0);
        let place = &mut *self.place;
        place.spin.packets += 1;
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
        let pause = map::setting(&map::QUIC_LIMITS.pause_ticks);
        if place.spin.turns != 0 && now.wrapping_sub(place.spin_tick) >= pause {
            place.spin_tick = now;
            self.work.event.spin = place.spin;
            if self.tell(QuicEventKind::Spin, 0, 0).is_ok() {
                self.place.spin = SpinSums::default();
            }
        }
    }

    /// Counts a datagram by the backend and the queue that its connection ID names.
    #[inline(always)]
    fn count_backend(&mut self, cid: [u8; MAX_CID_BYTES], available: u8, bytes: u32) {
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
        let cid = ServerChosen::from_client(CidPacket::OneRtt, Cid::open(cid, available));
        let decoded = cid.and_then(|cid| {
            let layout = program.find_forgetting(&server, &cid, forgetful)?;
            let row = program.rows.get(layout).ok_or(Undecoded::NoLayout)?;
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
                if add_to_backend(&key, bytes) {
                    self.counters.decoded += 1;
                } else {
                    self.counters.no_room += 1;
                }
            }
            Err(reason) => {
                if let Some(count) = self.counters.undecoded.get_mut(opaque(&reason)) {
                    *count += 1;
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
        let limits = map::setting(&map::QUIC_LIMITS);
        let now = tick();
        let (place, cpu) = (&mut *self.place, &mut *self.counters);
        let of_flow = (limits.of_flow, 2 * limits.of_flow);
        grant(now, of_flow, &mut place.granted_tick, &mut place.allowance);
        let of_cpu = (limits.of_cpu, limits.of_cpu);
        grant(now, of_cpu, &mut cpu.granted_tick, &mut cpu.allowance);
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
    let ticks_per_second = u64::from(map::setting(&map::QUIC_LIMITS.ticks_per_second));
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

/// Adds a datagram to what is counted of a backend; says whether there is room.
#[inline(always)]
fn add_to_backend(key: &QuicBackendKey, bytes: u32) -> bool {
    let count = Volume {
        packets: 1,
        bytes: u64::from(bytes),
    };
    let known = map::QUIC_BACKENDS.get_ptr_mut(key).or_else(|| {
        let zero = Volume::ZERO;
        // Another CPU may be quicker.
        let _inserted = map::QUIC_BACKENDS.insert(key, &zero, u64::from(BPF_NOEXIST));
        map::QUIC_BACKENDS.get_ptr_mut(key)
    });
    let Some(known) = known else {
        return false;
    };
    // SAFETY: entries are never removed; both counts are added atomically.
    unsafe {
        atomic_xadd::<_, _, { AtomicOrdering::Relaxed }>(&raw mut (*known).packets, count.packets);
        atomic_xadd::<_, _, { AtomicOrdering::Relaxed }>(&raw mut (*known).bytes, count.bytes);
    }
    true
}
