//! Telling user space: events through the ring buffer, and how many of them there may be.

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    helpers::generated::{bpf_ktime_get_ns, bpf_ringbuf_output},
};
use netweir_wire::{
    map::{QUIC_CAPTURED_BYTES, QUIC_SHORT_BYTES, QuicEvent, QuicEventKind, QuicLoss},
    stand_in,
};

use super::{Look, Payload, work::MOST_LONG};
use crate::{
    map,
    reader::{opaque, volatile},
    setting::{masked, setting},
};

impl<P: Payload> Look<'_, P> {
    /// Tells the long headers that were noted.
    #[inline(always)]
    pub(super) fn tell_long<const MOST: u32>(&mut self) {
        let long = self.work.found.long;
        if long == 0 {
            return;
        }
        self.counters.long += u64::from(long);
        let too_many = long.saturating_sub(MOST_LONG as u32);
        self.counters.lost[QuicLoss::FlowLimit as usize] += u64::from(too_many);
        self.prepare(QuicEventKind::Long);
        for number in 0..MOST_LONG.min(MOST as usize) {
            if number as u32 >= volatile(&self.work.found.long) {
                return;
            }
            let (offset, bytes) = volatile(&self.work.found.longs[number]);
            let told = self
                .allow(0)
                .and_then(|()| self.put_with::<QUIC_CAPTURED_BYTES>(offset, bytes));
            match told {
                Ok(()) => self.counters.told[QuicEventKind::Long as usize] += 1,
                Err(loss) => {
                    if let Some(count) = self.counters.lost.get_mut(opaque(&loss)) {
                        *count += 1;
                    }
                }
            }
        }
    }

    /// Counts short headers, and tells one now and then. One that is not told is not missed: the next
    /// is as good.
    #[inline(always)]
    pub(super) fn tell_short(&mut self) {
        self.counters.short += u64::from(self.work.found.short);
        let pause = setting::<{ stand_in::QUIC_PAUSE }>();
        if self.work.now.wrapping_sub(self.place.short_tick) >= pause {
            self.place.short_tick = self.work.now;
            let _told = self.tell_now_and_then(QuicEventKind::Short);
        }
    }

    /// Tells of a short header or of the spin bit. For that the half of a CPU's allowance is kept
    /// back: long headers do not come again.
    #[inline(always)]
    pub(super) fn tell_now_and_then(&mut self, kind: QuicEventKind) -> Result<(), QuicLoss> {
        self.prepare(kind);
        self.allow(setting::<{ stand_in::QUIC_OF_CPU }>() / 2)?;
        if matches!(kind, QuicEventKind::Spin) {
            self.put(0, 0)?;
        } else {
            let (offset, bytes) = (self.work.found.short_offset, self.work.found.short_bytes);
            self.put_with::<QUIC_SHORT_BYTES>(offset, bytes)?;
        }
        self.counters.told[kind as usize] += 1;
        Ok(())
    }

    /// Fills in what the events of a frame have in common, and brings the allowances up to date.
    #[inline(always)]
    fn prepare(&mut self, kind: QuicEventKind) {
        self.work.event.kind = kind as u8;
        // SAFETY: the helper takes no arguments.
        self.work.event.time_ns = unsafe { bpf_ktime_get_ns() };
        let of_flow = setting::<{ stand_in::QUIC_OF_FLOW }>();
        let of_cpu = setting::<{ stand_in::QUIC_OF_CPU }>();
        let now = self.work.now;
        let (place, cpu) = (&mut *self.place, &mut *self.counters);
        let of_place = (&mut place.granted_tick, &mut place.allowance);
        grant(now, (of_flow, 2 * of_flow), of_place);
        let of_this = (&mut cpu.granted_tick, &mut cpu.allowance);
        grant(now, (of_cpu, of_cpu), of_this);
    }

    /// Takes one event from the allowances of the flow and of the CPU, of which so many are kept.
    #[inline(always)]
    fn allow(&mut self, kept: u32) -> Result<(), QuicLoss> {
        let of_flow = volatile(&self.place.allowance);
        let of_cpu = volatile(&self.counters.allowance);
        if of_flow == 0 {
            return Err(QuicLoss::FlowLimit);
        }
        if of_cpu <= kept {
            return Err(QuicLoss::CpuLimit);
        }
        self.place.allowance = of_flow - 1;
        self.counters.allowance = of_cpu - 1;
        Ok(())
    }

    /// Puts an event into the ring with a datagram of so many bytes (at least one), of which no more
    /// than `MOST` follow it.
    #[inline(always)]
    fn put_with<const MOST: usize>(&mut self, offset: u32, bytes: u32) -> Result<(), QuicLoss> {
        const { assert!(MOST <= QUIC_CAPTURED_BYTES) };
        let captured = bytes.min(MOST as u32);
        // The verifier is to see that it is neither nothing nor too much.
        let more = masked::<{ QUIC_CAPTURED_BYTES as u64 }>(u64::from(captured) - 1) as u32;
        let to = self.work.bytes.as_mut_ptr();
        // SAFETY: there is room for one more than the mask.
        if !unsafe { self.payload.load(offset, to, more + 1) } {
            return Err(QuicLoss::Unreadable);
        }
        self.put(bytes, captured)
    }

    /// Puts an event into the ring, and so many bytes of a payload of so many bytes.
    #[inline(always)]
    fn put(&mut self, payload_bytes: u32, captured: u32) -> Result<(), QuicLoss> {
        let event = &mut self.work.event;
        event.payload_bytes = payload_bytes;
        event.captured_bytes = captured as u16;
        let captured = masked::<{ QUIC_CAPTURED_BYTES as u64 }>(captured.into());
        let ring = core::ptr::from_ref(&map::QUIC_EVENTS).cast_mut();
        let length = size_of::<QuicEvent>() as u64 + captured;
        let work = core::ptr::from_mut(&mut *self.work);
        // SAFETY: the event and its bytes stand one behind the other in the working memory.
        let full = unsafe {
            let event = (&raw mut (*work).event).cast();
            bpf_ringbuf_output(ring.cast(), event, length, u64::from(BPF_RB_NO_WAKEUP))
        };
        match full {
            0 => Ok(()),
            _ => Err(QuicLoss::RingFull),
        }
    }
}

/// Adds to an allowance what the time since the last grant brings: so many a second, up to so many.
#[inline(always)]
fn grant(now: u32, (per_second, at_most): (u32, u32), (granted, allowance): (&mut u32, &mut u32)) {
    let ticks_per_second = u64::from(setting::<{ stand_in::QUIC_TICKS }>());
    let ticks = u64::from(now.wrapping_sub(*granted));
    if ticks >= 2 * ticks_per_second {
        // Also what has never been granted anything: its tick is long ago.
        (*granted, *allowance) = (now, at_most);
        return;
    }
    // Nothing is divided by 0, whatever the verifier believes.
    let more = ticks * u64::from(per_second) / ticks_per_second.max(1);
    if more != 0 {
        *granted = now;
        *allowance = allowance.wrapping_add(more as u32).min(at_most);
    }
}
