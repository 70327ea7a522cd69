//! The flow maps and the ring buffer: where a flow is counted that the cache has no room for.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::{
    bindings::{BPF_NOEXIST, BPF_RB_NO_WAKEUP},
    maps::HashMap,
};
use netweir_wire::{
    map::{CacheEntry, CacheState, FlowKey, FlowValue, LossReason},
    stand_in,
};

use crate::{map, setting::setting};

/// The kernel's error numbers that an insertion is told apart by.
const E2BIG: i32 = -7;
const EEXIST: i32 = -17;

/// Adds an entry of one frame to its flow in the map of an epoch, else to the ring buffer.
#[inline(always)]
pub(crate) fn add(
    epoch: u32,
    entry: &CacheEntry,
    state: &mut CacheState,
) -> Result<(), LossReason> {
    let flows = if epoch & 1 == 1 {
        &map::FLOWS_ODD
    } else {
        &map::FLOWS_EVEN
    };
    if merge(flows, &entry.key, &entry.value) {
        return Ok(());
    }
    match flows.insert(&entry.key, &entry.value, u64::from(BPF_NOEXIST)) {
        Ok(()) => {
            state.opened += 1;
            return Ok(());
        }
        // Another CPU was quicker to open the flow.
        Err(EEXIST) if merge(flows, &entry.key, &entry.value) => return Ok(()),
        Err(_) if setting::<{ stand_in::RING }>() == 1 => {}
        Err(E2BIG) => return Err(LossReason::FlowMapFull),
        Err(_) => return Err(LossReason::FlowMapBusy),
    }
    // The agent looks at the ring with every drain: no need to wake it.
    map::OVERFLOW
        .output::<CacheEntry>(entry, u64::from(BPF_RB_NO_WAKEUP))
        .map_err(|_full| LossReason::RingFull)?;
    state.opened += 1;
    Ok(())
}

/// Adds to the flow if the map has it.
#[inline(always)]
fn merge(flows: &HashMap<FlowKey, FlowValue>, key: &FlowKey, more: &FlowValue) -> bool {
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
        (*flow).last_tick = more.last_tick;
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
