//! What the programs tell and count of QUIC.
//!
//! Events come through a ring buffer of their own and are let go as soon as they were handed over:
//! they are no counts, and one that is read twice does more harm than one that is lost with an agent.

use aya::maps::{MapData, PerCpuArray};
use netweir_flow::Batch;
use netweir_wire::{
    map::{QuicBackendKey, QuicCounters, QuicEvent, QuicEventKind, Volume},
    name,
};

use super::{Maps, entries::EntryMap, map_error, ring::Ring};
use crate::memory::split_value;
use crate::{Error, attach::Layout};

/// What is read of QUIC.
pub(super) struct Quic {
    ring: Ring,
    counters: PerCpuArray<MapData, Layout<QuicCounters>>,
    /// By the lowest bit of the epoch.
    backends: [EntryMap<QuicBackendKey, Volume>; 2],
    /// Which of them may have entries.
    used: [bool; 2],
    /// [`QuicCounters::decoded`] when the counters were read last.
    decoded: u64,
    /// Whether it was said that something malformed came through the ring.
    is_malformed_told: bool,
}

impl Quic {
    /// What a load of the programs has of it; `None` where they do not look at QUIC.
    pub(super) fn new(maps: &Maps) -> Result<Option<Self>, Error> {
        let bytes = maps.constants().quic_bytes;
        if bytes == 0 {
            return Ok(None);
        }
        Ok(Some(Self {
            ring: Ring::new(maps.descriptor(name::QUIC_EVENTS)?, bytes)?,
            counters: maps.get(name::QUIC_COUNTERS)?,
            backends: [
                EntryMap::new(maps, name::BACKENDS_EVEN)?,
                EntryMap::new(maps, name::BACKENDS_ODD)?,
            ],
            // Another agent may have left something.
            used: [true; 2],
            decoded: 0,
            is_malformed_told: false,
        }))
    }

    pub(super) const fn read_singly(&mut self) {
        let [even, odd] = &mut self.backends;
        even.read_singly();
        odd.read_singly();
    }

    /// Hands over every event that is there, with the bytes of its datagram, and lets them go. What is
    /// no event is handed over as one of no known kind, for the reader to count.
    pub(super) fn read_events(&mut self, hand_over: &mut dyn FnMut(&QuicEvent, &[u8])) {
        let mut malformed = 0_u64;
        self.ring.close();
        self.ring.read(|entry| {
            if let Some((event, bytes)) = read_event(entry) {
                hand_over(&event, bytes);
                return;
            }
            malformed += 1;
            let event = QuicEvent {
                kind: u8::MAX,
                ..QuicEvent::default()
            };
            hand_over(&event, &[]);
        });
        self.ring.let_go();
        if malformed != 0 && !std::mem::replace(&mut self.is_malformed_told, true) {
            tracing::warn!(
                events = malformed,
                "the ring buffer for QUIC holds what is no event; counted as malformed"
            );
        }
    }

    /// Adds the counters, and what was counted by backend in the epoch that has passed.
    pub(super) fn read_counters(&mut self, passed: u32, batch: &mut Batch) -> Result<(), Error> {
        let values = self.counters.get(&0, 0);
        let mut sum = QuicCounters::default();
        for Layout(value) in values.map_err(map_error(name::QUIC_COUNTERS))?.iter() {
            sum += value;
        }
        batch.quic += &sum;
        if sum.decoded != self.decoded {
            // Some of it may be of the epoch that has begun.
            self.decoded = sum.decoded;
            self.used = [true; 2];
        }
        let side = (passed & 1) as usize;
        if self.used[side] {
            self.backends[side]
                .read(&mut |key, volume| batch.quic_backends.push((*key, *volume)))?;
        }
        Ok(())
    }

    /// Removes what was counted in the epoch that has passed, once it was handed over.
    pub(super) fn clear(&mut self, passed: u32) -> Result<(), Error> {
        let side = (passed & 1) as usize;
        if std::mem::take(&mut self.used[side]) {
            self.backends[side].clear()?;
        }
        Ok(())
    }
}

/// An event and the bytes of its datagram, where there are as many as it says.
fn read_event(entry: &[u8]) -> Option<(QuicEvent, &[u8])> {
    let (event, bytes) = split_value::<QuicEvent>(entry)?;
    let is_right = QuicEventKind::try_from(event.kind).is_ok()
        && bytes.len() == usize::from(event.captured_bytes)
        && bytes.len() as u64 <= u64::from(event.payload_bytes);
    is_right.then_some((event, bytes))
}
