//! What was counted of the frames that go on to another interface.

use std::os::fd::OwnedFd;

use aya::maps::{Map, MapData, PerCpuArray};
use netweir_flow::{InlineSample, InterfaceId};
use netweir_wire::{map::InlineCounters, name};

use super::{Collector, map_error};
use crate::{Error, attach::Layout, inline::Slots};

/// The maps that count them.
pub(crate) struct Inline {
    id: InterfaceId,
    other: u32,
    counters: PerCpuArray<MapData, Layout<InlineCounters>>,
    slots: Slots,
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
        })
    }

    /// What was counted since they were made.
    pub(super) fn read(&self) -> Result<InlineSample, Error> {
        let mut counters = InlineCounters::default();
        let values = self.counters.get(&0, 0);
        for Layout(value) in values.map_err(map_error(name::INLINE_COUNTERS))?.iter() {
            counters += value;
        }
        Ok(InlineSample {
            id: self.id,
            other: self.other,
            counters,
            tap: self.slots.sum(),
        })
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
}
