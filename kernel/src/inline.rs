//! The inline path: a frame that would pass goes on to the other interface, by the kernel or, if a rule
//! taps it, by user space.
//!
//! A program cannot see whether a socket has room: a frame that is redirected to a full one is lost. So
//! user space says how many frames it has had room for ([`TapSlot::room`]), the program counts those that it
//! gave, and what would be more crosses in the kernel. A process that does nothing with what it has is passed
//! by as well. A frame that crosses in the kernel overtakes those in user space: so, once one has, all do until
//! user space has forwarded half of what it may have, lest frames of a flow go by turns.

use core::{
    ffi::c_void,
    intrinsics::{AtomicOrdering, atomic_xadd},
};

use aya_ebpf::{
    bindings::{
        bpf_map_type::BPF_MAP_TYPE_XSKMAP,
        xdp_action::{XDP_ABORTED, XDP_DROP, XDP_REDIRECT},
        xdp_md,
    },
    helpers::generated::{bpf_ktime_get_ns, bpf_redirect_map, bpf_xdp_adjust_meta},
};
use netweir_wire::{
    map::{Bypass, InlineCounters, TAP_QUEUES, TapMark, TapSettings, TapSlot, TapSlots},
    stand_in,
};

use crate::{
    account::tick,
    map,
    reader::{member, opaque, volatile},
    setting::{loaded, masked, setting},
};

/// Sends a frame on to the other interface.
#[inline(always)]
pub(crate) fn cross() -> u32 {
    let way = loaded::<{ stand_in::INLINE_WAY }>() as *mut c_void;
    // SAFETY: the stand-in is a map of devices when the program is loaded.
    let action = unsafe { bpf_redirect_map(way, 0, u64::from(XDP_ABORTED)) } as u32;
    if action == XDP_REDIRECT {
        if is_generic() {
            count(|counters| counters.sent += 1);
        }
        return XDP_REDIRECT;
    }
    count(|counters| counters.no_way += 1);
    XDP_DROP
}

/// Sends a frame of so many bytes on by user space, with the rule that taps it. A function of its own: its
/// stack is its own, and the verifier reads it once.
#[inline(never)]
pub(crate) fn tap(md: *mut xdp_md, rule: u32, bytes: u32) -> u32 {
    let slots = loaded::<{ stand_in::TAP_SLOTS_ADDRESS }>() as *mut TapSlots;
    // SAFETY: the stand-in is the address of a map's only value when the program is loaded.
    let slots = unsafe { &mut *slots };
    match hand_over(md, slots, rule, bytes) {
        Ok(()) => XDP_REDIRECT,
        Err(reason) => {
            let place = opaque(&(reason as u8)) as usize;
            if volatile(&slots.settings.closed) != 0 {
                count(|counters| add_one(&mut counters.withheld, place));
                return XDP_DROP;
            }
            count(|counters| add_one(&mut counters.bypassed, place));
            cross()
        }
    }
}

/// Lets the frame go to the socket of its queue.
#[inline(always)]
fn hand_over(md: *mut xdp_md, slots: &mut TapSlots, rule: u32, bytes: u32) -> Result<(), Bypass> {
    const LAST: u64 = TAP_QUEUES as u64 - 1;
    // SAFETY: the context is the one that the kernel passed in.
    let queue = unsafe { (*md).rx_queue_index };
    let sockets = loaded::<{ stand_in::TAP_SOCKETS }>() as *mut c_void;
    // What is redirected last holds: so this only asks, until all the rest has been asked.
    // SAFETY: the stand-in is a map of sockets when the program is loaded.
    let action = unsafe { bpf_redirect_map(sockets, u64::from(queue), u64::from(XDP_ABORTED)) };
    if action as u32 != XDP_REDIRECT || u64::from(queue) > LAST {
        return Err(Bypass::NoSocket);
    }
    let settings = &raw const slots.settings;
    let place = masked::<LAST>(u64::from(queue)) as usize;
    // SAFETY: there are as many as the mask allows.
    let slot = unsafe { &mut *slots.slots.as_mut_ptr().add(place) };
    // One CPU at a time serves a queue of a driver. Behind it several may: so each takes its place first, and gives
    // it back.
    if is_generic() {
        add_shared(&raw mut slot.taken, 1);
    }
    // SAFETY: they stand beside the slots.
    let given = ask(slot, unsafe { &*settings }, bytes).and_then(|()| mark(md, rule, queue));
    match (given, is_generic()) {
        (Ok(()), false) => slot.taken += 1,
        (Err(_), true) => add_shared(&raw mut slot.taken, u64::MAX),
        (Ok(()), true) | (Err(_), false) => {}
    }
    given
}

/// Says before the frame when it came, by which queue, and the rule that taps it.
#[inline(always)]
fn mark(md: *mut xdp_md, rule: u32, queue: u32) -> Result<(), Bypass> {
    let mark = TapMark {
        // SAFETY: the helper takes no arguments.
        time_ns: unsafe { bpf_ktime_get_ns() },
        rule: rule as u16,
        queue: queue as u16,
        reserved: 0,
    };
    write(md, mark)
}

/// Adds to a number that other CPUs may be adding to.
#[inline(always)]
fn add_shared(number: *mut u64, more: u64) {
    // SAFETY: it stands in a map's value.
    unsafe { atomic_xadd::<_, _, { AtomicOrdering::Relaxed }>(number, more) };
}

/// Whether a slot has room for a frame of so many bytes.
#[inline(always)]
fn ask(slot: &mut TapSlot, settings: &TapSettings, bytes: u32) -> Result<(), Bypass> {
    let now = tick();
    let (done, room) = (volatile(&slot.done), volatile(&slot.room));
    // Behind the driver this frame's own place is in it.
    let taken = volatile(&slot.taken) - u64::from(setting::<{ stand_in::INLINE_GENERIC }>());
    let given = taken - volatile(&slot.refused);
    let outstanding = given.wrapping_sub(done);
    // Half of the ring is free: it is not full again at once.
    if given.wrapping_add(outstanding) <= room {
        slot.behind = 0;
    }
    if outstanding == 0 || volatile(&slot.seen) != done {
        // In this order: who sees what was done last sees when that was.
        // SAFETY: both are a part of the slot.
        unsafe {
            (&raw mut slot.progress_tick).write_volatile(now);
            (&raw mut slot.seen).write_volatile(done);
        }
    }
    // What is withheld overtakes nothing.
    let is_open = volatile(&settings.closed) == 0;
    if let Some(reason) = Bypass::of(slot.behind.wrapping_sub(1))
        && is_open
    {
        return Err(reason);
    }
    let reason = if now.wrapping_sub(volatile(&slot.progress_tick)) > settings.stall_ticks {
        Bypass::Stalled
    } else if given >= room {
        Bypass::NoRoom
    } else if bytes > settings.max_bytes {
        Bypass::TooLong
    } else {
        return Ok(());
    };
    slot.behind = if is_open { reason as u32 + 1 } else { 0 };
    Err(reason)
}

/// Writes the mark before the frame.
#[inline(always)]
fn write(md: *mut xdp_md, mark: TapMark) -> Result<(), Bypass> {
    // SAFETY: the context is the one that the kernel passed in.
    let grown = unsafe { bpf_xdp_adjust_meta(md, -(size_of::<TapMark>() as i32)) };
    // SAFETY: as above.
    let (meta, data) = unsafe { ((*md).data_meta as usize, (*md).data as usize) };
    if grown != 0 || meta + size_of::<TapMark>() > data {
        return Err(Bypass::NoMetadata);
    }
    // SAFETY: there is room, which the verifier has seen; metadata is aligned to four bytes at least.
    unsafe { (meta as *mut TapMark).write_unaligned(mark) };
    Ok(())
}

/// Counts what another interface took of the frames that this one had sent on, and what not.
///
/// # Safety
/// `device` is the kernel's `net_device`, of which the verifier knows.
#[inline(always)]
pub(crate) unsafe fn sent(device: u64, sent: u32, unsent: u32) {
    // SAFETY: by the caller's word.
    if unsafe { is_ours::<{ stand_in::INLINE_IFINDEX }>(device) } {
        count(|counters| {
            counters.sent += u64::from(sent);
            counters.unsent += u64::from(unsent);
        });
    }
}

/// Counts a frame that the kernel did not send on, by the kind of the map and the place in it.
///
/// # Safety
/// `device` is the kernel's `net_device`, of which the verifier knows.
#[inline(always)]
pub(crate) unsafe fn refused(device: u64, kind: u32, place: u64) {
    // SAFETY: by the caller's word.
    if !unsafe { is_ours::<{ stand_in::INLINE_IFINDEX }>(device) } {
        return;
    }
    if kind != BPF_MAP_TYPE_XSKMAP {
        count(|counters| {
            counters.refused += 1;
            take_back(counters);
        });
        return;
    }
    let slots = loaded::<{ stand_in::TAP_SLOTS_ADDRESS }>() as *mut TapSlots;
    let place = masked::<{ TAP_QUEUES as u64 - 1 }>(place) as usize;
    // SAFETY: the stand-in is the address of a map's only value, which has as many as the mask allows.
    let refused = unsafe { &raw mut (*(*slots).slots.as_mut_ptr().add(place)).refused };
    add_shared(refused, 1);
}

/// Counts a frame that another interface did not take behind its driver.
///
/// # Safety
/// `device` is the kernel's `net_device`, of which the verifier knows.
#[inline(always)]
pub(crate) unsafe fn not_taken(device: u64) {
    // SAFETY: by the caller's word.
    if unsafe { is_ours::<{ stand_in::INLINE_OTHER }>(device) } {
        count(|counters| {
            counters.unsent += 1;
            take_back(counters);
        });
    }
}

/// Whether the kernel confirms nothing: what is sent on is counted before it is.
#[inline(always)]
fn is_generic() -> bool {
    setting::<{ stand_in::INLINE_GENERIC }>() != 0
}

/// Of what was counted before it was sent on, one was not.
#[inline(always)]
fn take_back(counters: &mut InlineCounters) {
    if is_generic() {
        counters.sent = counters.sent.wrapping_sub(1);
    }
}

/// Whether a device is the one of this index, and so has to do with this load.
///
/// # Safety
/// `device` is the kernel's `net_device`, of which the verifier knows.
#[inline(always)]
unsafe fn is_ours<const IFINDEX: u64>(device: u64) -> bool {
    // SAFETY: by the caller's word.
    let ifindex: u32 = unsafe { member::<{ stand_in::DEVICE_IFINDEX }, _>(device) };
    if ifindex != setting::<IFINDEX>() {
        return false;
    }
    // SAFETY: as above; a device has a namespace as long as it sends.
    let inode: u32 = unsafe {
        let netns = member::<{ stand_in::DEVICE_NETNS }, _>(device);
        member::<{ stand_in::NETNS_INODE }, _>(netns)
    };
    inode == setting::<{ stand_in::NETNS }>()
}

#[inline(always)]
fn add_one(counters: &mut [u64; Bypass::ALL.len()], place: usize) {
    if let Some(sum) = counters.get_mut(place) {
        *sum += 1;
    }
}

#[inline(always)]
fn count(add: impl FnOnce(&mut InlineCounters)) {
    let counters = loaded::<{ stand_in::INLINE_COUNTERS }>() as *mut c_void;
    // SAFETY: the stand-in is a map of such values when the program is loaded.
    if let Some(counters) = unsafe { map::look_up(counters, 0) } {
        // SAFETY: this CPU's own value, and programs do not interrupt one another.
        add(unsafe { &mut *counters });
    }
}
