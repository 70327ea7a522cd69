//! ABI 3: before there were rules.

use super::Older;
use crate::{
    map::{
        self, Count, FlowKey, FlowValue, INTERFACE_CLASSES, InterfaceCounters, InterfacePlace,
        LossReason, Volume,
    },
    packet::Problem,
};

/// ABI 3.
#[derive(Clone, Copy, Debug)]
pub struct V3;

impl Older for V3 {
    const ABI: u32 = 3;
    type Value = Value;
    type Entry = Entry;
    type Counters = Counters;
    type Epoch = Epoch;
    type Place = Place;
    type Carried = Carried;
}

/// Without a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Value {
    /// As now.
    pub packets: u64,
    /// As now.
    pub frames: u64,
    /// As now.
    pub bytes: u64,
    /// As now.
    pub first_ns: u64,
    /// As now.
    pub first_tick: u32,
    /// As now.
    pub last_tick: u32,
    /// As now.
    pub tcp_flags: u16,
    /// As now.
    pub traffic_class: u8,
    /// As now.
    pub marks: u8,
    /// As now.
    pub source_mac: [u8; 6],
    /// As now.
    pub destination_mac: [u8; 6],
    /// As now.
    pub classes: [u8; 3],
    /// Always zero.
    pub reserved: u8,
    /// Number of the counters; the highest bit says that packets go the long way.
    pub interface: u32,
}

impl From<Value> for FlowValue {
    fn from(old: Value) -> Self {
        Self {
            packets: old.packets,
            frames: old.frames,
            bytes: old.bytes,
            first_ns: old.first_ns,
            first_tick: old.first_tick,
            last_tick: old.last_tick,
            tcp_flags: old.tcp_flags,
            traffic_class: old.traffic_class,
            marks: old.marks,
            source_mac: old.source_mac,
            destination_mac: old.destination_mac,
            classes: old.classes,
            reserved: 0,
            // What reads this gives it a number of its own.
            interface: 0,
            rule: 0,
        }
    }
}

/// With a value of then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Entry {
    /// As now.
    pub key: FlowKey,
    /// As now.
    pub epoch: u32,
    /// Always zero.
    pub reserved: u32,
    /// What was counted.
    pub value: Value,
}

impl From<Entry> for (FlowKey, FlowValue) {
    fn from(old: Entry) -> Self {
        (old.key, old.value.into())
    }
}

/// Without what rules drop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Counters {
    /// As now.
    pub seen: Count,
    /// As now.
    pub counted: Count,
    /// As now.
    pub filtered: Volume,
    /// As now.
    pub sampled: Volume,
    /// As now.
    pub lost: [Volume; LossReason::ALL.len()],
    /// As now.
    pub short: Count,
    /// As now.
    pub classes: [Volume; INTERFACE_CLASSES],
    /// As now.
    pub problems: [u64; Problem::ALL.len()],
}

impl From<Counters> for InterfaceCounters {
    fn from(old: Counters) -> Self {
        Self {
            seen: old.seen,
            counted: old.counted,
            filtered: old.filtered,
            sampled: old.sampled,
            lost: old.lost,
            short: old.short,
            classes: old.classes,
            problems: old.problems,
            dropped: Volume::ZERO,
            spared: Volume::ZERO,
        }
    }
}

/// Without a generation of rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Epoch {
    /// As now.
    pub current: u32,
    /// As now.
    pub prepared: u32,
    /// As now.
    pub taken: u64,
}

impl From<Epoch> for map::Epoch {
    fn from(old: Epoch) -> Self {
        Self {
            current: old.current,
            generation: 0,
            taken: old.taken,
            prepared: old.prepared,
            reserved: 0,
        }
    }
}

/// Without the names that rules ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Place {
    /// Number of the counters.
    pub number: u32,
    /// As now.
    pub names: u32,
}

impl From<Place> for InterfacePlace {
    fn from(old: Place) -> Self {
        Self {
            rules: [0; 2],
            names: old.names,
            number: old.number,
        }
    }
}

/// With the counters of then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Carried {
    /// As now.
    pub counters: Counters,
    /// As now.
    pub taken: Count,
}

impl From<Carried> for map::Carried {
    fn from(old: Carried) -> Self {
        Self {
            counters: old.counters.into(),
            taken: old.taken,
        }
    }
}
