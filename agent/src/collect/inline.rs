//! What was counted of the frames that go on to another interface.

use std::os::fd::OwnedFd;

use aya::maps::{Map, MapData, PerCpuArray};
use netweir_flow::{InlineSample, InterfaceId};
use netweir_wire::{
    map::{InlineCounters, TapSlot},
    name,
};

use super::{Collector, map_error};
use crate::{Error, attach::Layout, inline::Slots, netlink::Netlink, watch};

/// The maps that count them.
pub(crate) struct Inline {
    id: InterfaceId,
    other: u32,
    counters: PerCpuArray<MapData, Layout<InlineCounters>>,
    slots: Slots,
    /// Where the other interface is asked what it has dropped: the kernel does not tell.
    drops: Option<Netlink>,
}

impl Inline {
    /// Of the maps of these names, for frames of one interface that go on to that of another index.
    pub(crate) fn new(
        (id, other): (InterfaceId, u32),
        counters: OwnedFd,
        slots: OwnedFd,
    ) -> Result<Self, Error> {
        let map = MapData::from_fd(counters).and_then(Map::from_map_data);
        let map = map.and_then(PerCpuArray::try_from);
        Ok(Self {
            id,
            other,
            counters: map.map_err(map_error(name::INLINE_COUNTERS))?,
            slots: Slots::new(slots)?,
            drops: None,
        })
    }

    /// What was counted since they were made.
    pub(super) fn read(&self) -> Result<InlineSample, Error> {
        let mut counters = InlineCounters::default();
        let values = self.counters.get(&0, 0);
        for Layout(value) in values.map_err(map_error(name::INLINE_COUNTERS))?.iter() {
            counters += value;
        }
        let tap = self.slots.sum();
        let dropped = self.dropped(&tap);
        counters.unsent = counters.unsent.wrapping_add(dropped);
        counters.sent = counters.sent.wrapping_sub(dropped);
        Ok(InlineSample {
            id: self.id,
            other: self.other,
            counters,
            tap,
        })
    }

    /// Frames that the other interface has dropped after the kernel had handed them to it. (Those of user space
    /// are known.)
    fn dropped(&self, tap: &TapSlot) -> u64 {
        let drops = self.drops.as_ref();
        let all = drops.and_then(|netlink| watch::sent_dropped(netlink, self.other));
        let all = all.map_or(0, |all| all.saturating_sub(self.slots.dropped_before()));
        all.saturating_sub(tap.full)
    }
}

impl Collector {
    /// Counts as well what becomes of frames that go on to another interface.
    pub(crate) fn with_inline(self, inline: Inline) -> Self {
        Self {
            inline: Some(inline),
            ..self
        }
    }

    /// Asks from now on what the other interface has dropped, over a connection in its namespace.
    pub(crate) fn ask_for_drops(&mut self, netlink: Netlink) {
        if let Some(inline) = &mut self.inline {
            inline.drops = Some(netlink);
        }
    }
}
