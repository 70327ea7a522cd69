//! What is known of one live flow, and how samples are joined to it.

use crate::{
    index::Hash,
    rate::{Pulse, Ticks},
    reverse, tcp,
};
use netweir_wire::map::{Count, FlowCounters, RuleMark};

/// What is known of a live flow; without the keys of what it shares with others, which the table
/// has.
///
/// In this order, so that what a sample changes lies side by side.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(crate) struct Flow {
    /// Hash of the key; see the module `reverse` for its two parts.
    pub(crate) hash: u32,
    /// Number of the source address.
    pub(crate) source: u32,
    /// Number of the destination address.
    pub(crate) destination: u32,
    /// Number of the link.
    pub(crate) link: u32,
    pub(crate) source_port: [u8; 2],
    pub(crate) destination_port: [u8; 2],
    pub(crate) tcp_flags: u16,
    pub(crate) traffic_class: u8,
    /// `FLOW_*` bits of the wire crate.
    pub(crate) marks: u8,
    pub(crate) side: u8,
    /// [`LIVE`] and [`OPENED`].
    pub(crate) state: u8,
    /// Which rule decided about it last.
    pub(crate) rule: RuleMark,
    pub(crate) pulse: Pulse<1>,
    /// Since it began.
    pub(crate) count: Count,
    /// Time of the last packet.
    pub(crate) last_ns: u64,
    /// Time of the first packet.
    pub(crate) first_ns: u64,
    /// When it began, or when its last record was reported.
    pub(crate) reported_ns: u64,
    /// As much of `count` as records have told.
    pub(crate) reported: Count,
}

/// Not set in a vacant entry of the table.
const LIVE: u8 = 1;
/// Set where some sample had SYN and no ACK: its packets opened the connection.
const OPENED: u8 = 2;

/// A million of them shall be small.
const _: () = assert!(size_of::<Flow>() == 120);

impl Flow {
    /// What no record has told yet.
    pub(crate) fn unreported(&self) -> Count {
        self.count - self.reported
    }

    /// Whether there is anything that no record has told yet.
    pub(crate) fn has_unreported(&self) -> bool {
        self.count != self.reported
    }

    /// A flow that counters are about to be added to.
    pub(crate) fn new(now_ns: u64) -> Self {
        Self {
            state: LIVE,
            reported_ns: now_ns,
            first_ns: u64::MAX,
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
        self.pulse.add(ticks, 0, counters.count().volume());
        self.tcp_flags |= counters.tcp_flags;
        if counters.tcp_flags & (tcp::SYN | tcp::ACK) == tcp::SYN {
            self.state |= OPENED;
        }
        self.traffic_class = counters.traffic_class;
        self.marks |= counters.marks;
    }

    /// Whether this is a flow, and no vacant entry.
    pub(crate) const fn is_live(&self) -> bool {
        self.state & LIVE != 0
    }

    /// Whether its packets opened the connection.
    pub(crate) const fn has_opened(&self) -> bool {
        self.state & OPENED != 0
    }

    pub(crate) const fn hash(&self) -> Hash {
        Hash {
            bits: self.hash,
            side: self.side,
        }
    }

    /// The number of its direction.
    pub(crate) const fn direction(&self) -> u8 {
        self.side & reverse::EGRESS
    }

    pub(crate) const fn mark_reported(&mut self, now_ns: u64) {
        self.reported = self.count;
        self.reported_ns = now_ns;
    }
}
