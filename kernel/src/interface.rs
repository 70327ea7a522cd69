//! Interfaces: where the counters of one are, and what can be charged to none.

use aya_ebpf::bindings::BPF_NOEXIST;
use netweir_wire::{
    map::{InterfaceCounters, InterfaceKey, InterfacePlace, StrayReason, Volume, near_place},
    stand_in,
};

use crate::{
    map::{self, Numbered},
    setting::setting,
};

/// Counts a packet that can be charged to no interface.
#[inline(always)]
pub(crate) fn stray(reason: StrayReason, volume: Volume) {
    if let Some(sum) = map::STRAY.place(reason as u32) {
        // SAFETY: this CPU's own value, and no other program runs here meanwhile.
        unsafe { *sum += volume };
    }
}

/// The number of an interface's counters, if it stands where it is looked for first.
#[inline(always)]
fn near(interface: InterfaceKey) -> Option<u32> {
    // Other namespaces have interfaces of the same index. (The tracepoints have no namespace here.)
    if interface.netns != setting::<{ stand_in::NETNS }>() {
        return None;
    }
    let place = near_place(interface.ifindex, interface.direction);
    let near = map::NEAR.value(place)?;
    (near.ifindex == interface.ifindex).then_some(near.number)
}

/// The same as a place; with a filter, the names of an interface are asked for, which are elsewhere.
#[inline(always)]
pub(crate) fn nearby(interface: InterfaceKey) -> Option<InterfacePlace> {
    if setting::<{ stand_in::FILTERS }>() != 0 {
        return None;
    }
    near(interface).map(|number| InterfacePlace {
        number,
        ..InterfacePlace::default()
    })
}

/// Where an interface's counters and names are, looked for by its key.
#[inline(always)]
pub(crate) fn find(interface: &InterfaceKey) -> Option<InterfacePlace> {
    // SAFETY: a place is numbers, which the agent writes before the interface is watched.
    map::interface(*interface).map(|place| unsafe { *place })
}

/// Gives an interface that nobody told of counters of its own.
#[inline(always)]
pub(crate) fn admit(interface: &InterfaceKey) -> Option<InterfacePlace> {
    let number = map::FREE_COUNTERS.pop().ok()??;
    let place = InterfacePlace {
        number,
        ..InterfacePlace::default()
    };
    if map::INTERFACES
        .insert(interface, &place, u64::from(BPF_NOEXIST))
        .is_ok()
    {
        if let Some(state) = map::CACHE_STATE.place(0) {
            // SAFETY: this CPU's own value, and no other program runs here meanwhile.
            unsafe { (*state).admitted += 1 };
        }
        return Some(place);
    }
    // Another CPU was quicker, or there is no room. The queue has room for every number.
    let _kept = map::FREE_COUNTERS.push(&number, 0);
    find(interface)
}

/// The counters of an interface on this CPU.
#[inline(always)]
pub(crate) fn counters(number: u32) -> Option<&'static mut InterfaceCounters> {
    // SAFETY: the value is this CPU's own, and programs do not interrupt one another on a CPU.
    map::COUNTERS
        .place(number)
        .map(|counters| unsafe { &mut *counters })
}
