//! What a collector hands over.
//!
//! Both the drain of the kernel's maps and the replay of a capture file fill these types. Flows
//! come as what was added since the last sample of the same flow; interfaces and strays come as
//! what was counted since the start.

use crate::InlineSample;
use netweir_wire::map::{
    Count, FlowCounters, FlowKey, HeadCounters, InterfaceCounters, InterfaceKey, QuicBackendKey,
    QuicCounters, RuleMark, StrayReason, Volume,
};

/// What was added to one flow since its last sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// The flow.
    pub key: FlowKey,
    /// What was added to it.
    pub counters: FlowCounters,
    /// The rule that had decided about it.
    pub rule: RuleMark,
}

/// What one direction of one interface has counted since the start, all CPUs together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceSample {
    /// The interface and the direction.
    pub key: InterfaceKey,
    /// Its counters since the start.
    pub counters: InterfaceCounters,
}

/// All that one drain found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// When the drain ended, nanoseconds of the clock that the samples' times are of.
    pub now_ns: u64,
    /// The flows that changed.
    pub flows: Vec<Sample>,
    /// The interfaces; one that is left out has not changed, and one that shows less than before has
    /// begun anew.
    pub interfaces: Vec<InterfaceSample>,
    /// Of interfaces whose counters are older than this meter: what collectors before this one had taken
    /// in flows.
    pub taken_before: Vec<(InterfaceKey, Count)>,
    /// Counters that were given up since the last batch, with what they had shown. The counters of
    /// these interfaces in this batch and from now on are without it; one that is left out has none.
    pub settled: Vec<InterfaceSample>,
    /// What was charged to no interface since the start, by [`StrayReason`], all collectors together.
    /// Every batch carries it: where a value falls, a collector is missing, and what that had counted
    /// stays.
    pub strays: [Volume; StrayReason::ALL.len()],
    /// What the kernel programs counted of QUIC since the start, all CPUs together. As with strays,
    /// every batch carries it.
    pub quic: QuicCounters,
    /// What the kernel programs counted of frames that rules sample since the start, all CPUs together.
    /// As with strays, every batch carries it.
    pub heads: HeadCounters,
    /// What was counted since the start of frames that go on to another interface; who is left out has not
    /// changed.
    pub inline: Vec<InlineSample>,
    /// What was added since the last batch to what connection IDs name.
    pub quic_backends: Vec<(QuicBackendKey, Volume)>,
}
