//! The other machine: what the host parser says that a frame has to be counted as.

use netweir_flow::Sample;
use netweir_packets::port_bits;
use netweir_wire::{
    map::{Count, FlowCounters, FlowKey, InterfaceCounters, InterfaceKey, classes},
    packet::{Headers, LinkType, Problem},
};

/// A frame as the host reads it.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    headers: Headers,
    count: Count,
}

impl Reading {
    /// Reads a frame that is one packet.
    pub fn new(frame: &[u8], link: LinkType) -> Self {
        let count = Count {
            packets: 1,
            frames: 1,
            bytes: frame.len() as u64,
        };
        Self {
            headers: Headers::read(&frame, link),
            count,
        }
    }

    /// What it counts as.
    pub const fn count(&self) -> Count {
        self.count
    }

    /// The frame as one that becomes `packets` packets and `bytes` bytes on the wire.
    #[must_use]
    pub fn counted_as(mut self, packets: u64, bytes: u64) -> Self {
        self.count.packets = packets;
        self.count.bytes = bytes;
        self
    }

    /// What a drain has to hand over, but for its times, which are 0.
    pub fn sample(&self, interface: InterfaceKey) -> Sample {
        Sample {
            key: FlowKey::new(interface, &self.headers),
            counters: FlowCounters::new(&self.headers, self.count, 0),
            ..Sample::default()
        }
    }

    /// Adds the frame to what its interface has to show when nothing is lost.
    pub fn add_to(&self, counters: &mut InterfaceCounters) {
        counters.seen += self.count;
        counters.counted += self.count;
        let classes = classes(&self.headers, port_bits).map(|class| class as u8);
        counters.add_classes(classes, self.count.volume());
        if self.headers.problem != Problem::None {
            counters.problems[self.headers.problem as usize] += 1;
        }
    }
}
