//! What is known of one live flow, and how samples are joined to it.

use crate::{
    rate::{Pulse, Ticks},
    tcp,
};
use netweir_wire::map::{Count, FlowCounters};

/// What is known of a live flow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow {
    /// Since it began.
    pub(crate) count: Count,
    /// As much of `count` as records have told.
    reported: Count,
    /// When it began, or when its last record was reported.
    pub(crate) reported_ns: u64,
    /// Time of the first packet.
    pub(crate) first_ns: u64,
    /// Time of the last packet.
    pub(crate) last_ns: u64,
    pub(crate) source_mac: [u8; 6],
    pub(crate) destination_mac: [u8; 6],
    pub(crate) tcp_flags: u16,
    pub(crate) traffic_class: u8,
    /// `FLOW_*` bits of the wire crate.
    pub(crate) marks: u8,
    /// Whether some sample had SYN and no ACK: its packets opened the connection.
    pub(crate) opened: bool,
    pub(crate) pulse: Pulse,
}

impl Flow {
    /// What no record has told yet.
    pub(crate) fn unreported(&self) -> Count {
        self.count - self.reported
    }

    /// Whether there is anything that no record has told yet.
    pub(crate) fn has_unreported(&self) -> bool {
        self.count != self.reported
    }

    /// A flow that `counters` are about to be added to.
    pub(crate) fn new(counters: &FlowCounters, now_ns: u64) -> Self {
        Self {
            reported_ns: now_ns,
            first_ns: u64::MAX,
            source_mac: counters.source_mac,
            destination_mac: counters.destination_mac,
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, counters: &FlowCounters, now_ns: u64, ticks: Ticks) {
        // The times are the kernel's word, or a capture file's: never past the present, never
        // the last before the first.
        let last_ns = counters.last_ns.min(now_ns);
        self.first_ns = self.first_ns.min(counters.first_ns.min(last_ns));
        self.last_ns = self.last_ns.max(last_ns);
        self.count += counters.count();
        self.pulse.add(ticks, counters.count().volume());
        self.tcp_flags |= counters.tcp_flags;
        self.opened |= counters.tcp_flags & (tcp::SYN | tcp::ACK) == tcp::SYN;
        self.traffic_class = counters.traffic_class;
        self.marks |= counters.marks;
    }

    pub(crate) const fn mark_reported(&mut self, now_ns: u64) {
        self.reported = self.count;
        self.reported_ns = now_ns;
    }
}
