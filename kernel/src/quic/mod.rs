//! A look at the datagrams between QUIC ports, after they have been counted.
//!
//! A long header is told to user space with its datagram. A short header stays here: its spin bit is
//! timed, its connection ID counted by what it names, and now and then one is told. [`survey`] notes
//! what each datagram of a frame begins with, in memory that the verifier does not follow, so that the
//! ways through its loop become one; the others work with what was noted.

mod backend;
mod spin;
mod survey;
mod tell;
mod work;

use netweir_wire::{
    map::{FlowKey, QUIC_PLACES, QuicCounters, QuicPlace, SpinSums},
    packet::Problem,
    stand_in,
};

pub(crate) use work::QuicWork;

use crate::{
    account::tick,
    cache,
    map::{self, Numbered, Work},
    reader::Payload,
    setting::{hash, setting},
};

/// Datagrams of an offloaded frame at most (the kernel's `UDP_MAX_SEGMENTS`).
pub(crate) const MOST_DATAGRAMS: u32 = 128;

/// Whether anything is looked at.
#[inline(always)]
pub(crate) fn is_on() -> bool {
    setting::<{ stand_in::QUIC_TICKS }>() != 0
}

/// The working memory for a look at a frame that was counted; `None` where it is not to be looked at.
/// (Its flow takes the long way: `LONG_WAY`.)
#[inline(always)]
pub(crate) fn begin_look(work: &Work, may_be_quic: bool) -> Option<&'static mut QuicWork> {
    if !is_on() || !may_be_quic || !matches!(work.headers.problem, Problem::None) {
        return None;
    }
    begin(&work.entry.key, work.headers.payload_offset)
}

/// What the look needs goes through map memory: the verifier then knows nothing of it any more, and
/// the many ways to the look are one.
#[inline(always)]
fn begin(key: &FlowKey, offset: u16) -> Option<&'static mut QuicWork> {
    let work = map::QUIC_WORK.place(0)?;
    // SAFETY: this CPU's own memory, and programs do not interrupt one another; all bytes that it
    // ever holds are zero or written by these programs.
    let work = unsafe { &mut *work };
    work.event.key = *key;
    work.walk.offset = u32::from(offset);
    Some(work)
}

/// Looks at the datagrams of a frame of so many bytes, of which there are `MOST` at most; all but the
/// last have `segment` bytes, where that is not 0. Says whether the flow's backend is another now.
#[inline(always)]
pub(crate) fn look<P: Payload, const MOST: u32>(
    payload: &P,
    work: &mut QuicWork,
    (bytes, segment): (u32, u32),
) -> bool {
    let hash = hash(cache::words(&work.event.key)) | 1;
    let number = (hash >> 40) as u32 & (QUIC_PLACES - 1);
    let (Some(place), Some(counters)) =
        (map::QUIC_PLACE.place(number), map::QUIC_COUNTERS.place(0))
    else {
        return false;
    };
    // SAFETY: counters are this CPU's own, and programs do not interrupt one another. A place is
    // shared with other CPUs: what they write at once is a right value each, and what is lost by it is
    // a turn of the spin bit or a part of an allowance.
    let (place, counters) = unsafe { (&mut *place, &mut *counters) };
    work.now = tick();
    work.walk.left = bytes.saturating_sub(work.walk.offset);
    work.walk.segment = if segment == 0 { u32::MAX } else { segment };
    if place.flow != hash {
        take_over(place, hash, work.now);
    }
    let mut look = Look {
        payload,
        place,
        counters,
        work,
    };
    look.survey::<MOST>();
    look.tell_long::<MOST>();
    if look.work.found.short != 0 {
        look.spin();
        look.tell_short();
        if setting::<{ stand_in::LAYOUTS }>() != 0 {
            let before = look.place.backend;
            look.count_backends::<MOST>();
            return look.place.backend != before;
        }
    }
    false
}

/// Lets the rules decide anew about the flow that was looked at. A function of its own, as the hooks'
/// looks are.
#[inline(never)]
pub(crate) fn outdate(work: &QuicWork) {
    cache::outdate(cache::words(&work.event.key));
}

/// Another flow takes a place over, and what is left of its allowance.
#[inline(always)]
fn take_over(place: &mut QuicPlace, hash: u64, now: u32) {
    if place.flow == 0 {
        // Nobody was here before: the tick in it would be one of long ago, or just now.
        place.granted_tick = now;
        place.allowance = 2 * setting::<{ stand_in::QUIC_OF_FLOW }>();
    }
    place.flow = hash;
    place.backend = 0;
    place.turned_ns = 0;
    place.spin = SpinSums::default();
    place.spin_bit = 2;
    place.spin_tick = now;
    // The first short header is told at once.
    place.short_tick = now.wrapping_sub(setting::<{ stand_in::QUIC_PAUSE }>());
}

/// What a look at a frame needs.
struct Look<'a, P> {
    payload: &'a P,
    place: &'a mut QuicPlace,
    counters: &'a mut QuicCounters,
    work: &'a mut QuicWork,
}
