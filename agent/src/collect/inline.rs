//! What was counted of the frames that go on to another interface.

use std::os::fd::OwnedFd;

use aya::maps::{Map, MapData, PerCpuArray};
use netweir_flow::{InlineSample, InterfaceId};
use netweir_wire::{map::InlineCounters, name};

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
    /// What it has said last: one that is gone says nothing any more.
    dropped: u64,
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
            dropped: 0,
        })
    }

    /// What was counted since they were made.
    pub(super) fn read(&mut self) -> Result<InlineSample, Error> {
        let mut counters = InlineCounters::default();
        let values = self.counters.get(&0, 0);
        for Layout(value) in values.map_err(map_error(name::INLINE_COUNTERS))?.iter() {
            counters += value;
        }
        let tap = self.slots.sum();
        // Those of user space are known. What the programs were told of is in it too, from Linux 6.0 on.
        let dropped = self.dropped.saturating_sub(tap.full);
        let unknown = dropped.saturating_sub(counters.unsent).min(counters.sent);
        counters.unsent += unknown;
        counters.sent -= unknown;
        Ok(InlineSample {
            id: self.id,
            other: self.other,
            counters,
            tap,
        })
    }

    /// Asks the other interface how many frames it has dropped since any was sent on to it. The kernel may take its
    /// time to answer: so not between two looks at counters.
    pub(super) fn ask(&mut self) {
        let drops = self.drops.as_ref();
        if let Some(all) = drops.and_then(|netlink| watch::sent_dropped(netlink, self.other)) {
            let dropped = all.saturating_sub(self.slots.dropped_before());
            self.dropped = self.dropped.max(dropped);
        }
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
