//! What happens to a packet that was read: it is seen by its interface, then added to its flow.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::generated::{bpf_ktime_get_coarse_ns, bpf_ktime_get_ns},
    maps::HashMap,
};
use netweir_wire::{
    map::{
        Count, FlowCounters, FlowKey, InterfaceCounters, InterfaceKey, LossReason, StrayReason,
        Volume, classes,
    },
    packet::{Headers, Problem},
};

use crate::map::{self, Work};

/// What a fresh entry of the interface map holds; too large for a program's stack.
static NOTHING: InterfaceCounters = InterfaceCounters::ZERO;

/// The kernel's error numbers that an insertion is told apart by.
const E2BIG: i32 = -7;
const EEXIST: i32 = -17;

/// Accounts for one frame, whose headers are in `work`, at an interface that is counted in any case.
#[inline(always)]
pub(crate) fn account(work: &mut Work, interface: InterfaceKey, count: Count) {
    if let Some(counters) = find(&interface) {
        return add(work, counters, interface, count);
    }
    let _exists = map::INTERFACES.insert(&interface, &NOTHING, u64::from(BPF_NOEXIST));
    match find(&interface) {
        Some(counters) => add(work, counters, interface, count),
        None => stray(StrayReason::InterfaceMapFull, count.volume()),
    }
}

/// Accounts for one frame if its interface is among those that are watched.
#[inline(always)]
pub(crate) fn account_watched(work: &mut Work, interface: InterfaceKey, count: Count) {
    if let Some(counters) = find(&interface) {
        add(work, counters, interface, count);
    }
}

/// Counts a packet that can be charged to no interface.
#[inline(always)]
pub(crate) fn stray(reason: StrayReason, volume: Volume) {
    if let Some(sum) = map::STRAY.get_ptr_mut(reason as u32) {
        // SAFETY: this CPU's own value, and no other program runs here meanwhile.
        unsafe { *sum += volume };
    }
}

#[inline(always)]
fn find(interface: &InterfaceKey) -> Option<&'static mut InterfaceCounters> {
    // SAFETY: the value is this CPU's own, programs do not interrupt one another on a CPU, and an
    // entry is never removed while a program that could use it is attached.
    map::INTERFACES
        .get_ptr_mut(interface)
        .map(|counters| unsafe { &mut *counters })
}

#[inline(always)]
fn add(work: &mut Work, counters: &mut InterfaceCounters, interface: InterfaceKey, count: Count) {
    counters.seen += count;
    add_classes(counters, &work.headers, count.volume());
    work.key = FlowKey::new(interface, &work.headers);
    work.more = FlowCounters::new(&work.headers, count, now_ns());
    match add_to_flow(&work.key, &work.more) {
        Ok(()) => counters.counted += count,
        Err(LossReason::FlowMapFull) => counters.lost[0] += count.volume(),
        Err(LossReason::FlowMapBusy) => counters.lost[1] += count.volume(),
    }
}

#[inline(always)]
fn add_classes(counters: &mut InterfaceCounters, headers: &Headers, volume: Volume) {
    let ports = map::PORTS.get(0);
    let classes = classes(headers, |port| {
        ports.map_or(0, |ports| ports.bits[usize::from(port)])
    });
    for class in classes {
        if let Some(sum) = counters.classes.get_mut(opaque(&class)) {
            *sum += volume;
        }
    }
    if let Some(frames) = counters.problems.get_mut(opaque(&headers.problem)) {
        // Not by a comparison: the compiler would make one of it and the one with the length, in a
        // way that the verifier does not follow.
        *frames += u64::from(!matches!(headers.problem, Problem::None));
    }
}

/// The number of an enum as an index that the compiler knows nothing of, so that it keeps the
/// comparison with the array's length: the verifier wants to see it.
#[inline(always)]
fn opaque<T>(number: &T) -> usize {
    const { assert!(size_of::<T>() == 1) };
    // SAFETY: one byte is read from a reference to one byte.
    usize::from(unsafe { core::ptr::from_ref(number).cast::<u8>().read_volatile() })
}

#[inline(always)]
fn add_to_flow(key: &FlowKey, more: &FlowCounters) -> Result<(), LossReason> {
    // An epoch that cannot be read is epoch 0: the map exists as long as the program.
    if map::EPOCH.get(0).is_some_and(|epoch| epoch & 1 == 1) {
        add_to_map(&map::FLOWS_ODD, key, more)
    } else {
        add_to_map(&map::FLOWS_EVEN, key, more)
    }
}

#[inline(always)]
fn add_to_map(
    flows: &HashMap<FlowKey, FlowCounters>,
    key: &FlowKey,
    more: &FlowCounters,
) -> Result<(), LossReason> {
    if merge(flows, key, more) {
        return Ok(());
    }
    match flows.insert(key, more, u64::from(BPF_NOEXIST)) {
        Ok(()) => {
            if let Some(opened) = map::OPENED.get_ptr_mut(0) {
                // SAFETY: this CPU's own value, and no other program runs here meanwhile.
                unsafe { *opened += 1 };
            }
            Ok(())
        }
        // Another CPU was quicker to open the flow.
        Err(EEXIST) if merge(flows, key, more) => Ok(()),
        Err(E2BIG) => Err(LossReason::FlowMapFull),
        Err(_) => Err(LossReason::FlowMapBusy),
    }
}

/// Adds to the flow if the map has it.
#[inline(always)]
fn merge(flows: &HashMap<FlowKey, FlowCounters>, key: &FlowKey, more: &FlowCounters) -> bool {
    let Some(flow) = flows.get_ptr_mut(key) else {
        return false;
    };
    // SAFETY: entries are removed only from the map of the other epoch, after every program that
    // could still use it has ended. The counts are added atomically; of the other fields, several
    // CPUs may write at once, and each value written is a right one.
    unsafe {
        atomic_xadd::<_, _, { AtomicOrdering::Relaxed }>(&raw mut (*flow).packets, more.packets);
        atomic_xadd::<_, _, { AtomicOrdering::Relaxed }>(&raw mut (*flow).frames, more.frames);
        atomic_xadd::<_, _, { AtomicOrdering::Relaxed }>(&raw mut (*flow).bytes, more.bytes);
        (*flow).last_ns = more.last_ns;
        (*flow).traffic_class = more.traffic_class;
        if (*flow).tcp_flags & more.tcp_flags != more.tcp_flags {
            (*flow).tcp_flags |= more.tcp_flags;
        }
        if (*flow).marks & more.marks != more.marks {
            (*flow).marks |= more.marks;
        }
    }
    true
}

/// Nanoseconds of `CLOCK_MONOTONIC`; coarse (one timer tick) where the kernel has the cheap clock.
#[inline(always)]
fn now_ns() -> u64 {
    if map::setting(&map::COARSE_CLOCK) == 1 {
        // SAFETY: the helper takes no arguments.
        unsafe { bpf_ktime_get_coarse_ns() }
    } else {
        // SAFETY: the helper takes no arguments.
        unsafe { bpf_ktime_get_ns() }
    }
}
