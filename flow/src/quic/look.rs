//! A look at the datagrams of a capture file, as the kernel programs look at those of an interface.
//!
//! A long header is told with its datagram, each of them: nothing is lost on this way. Of short
//! headers one is told now and then, their spin bit is timed, and their connection IDs are counted by
//! what they name, those that QUIC-LB has encrypted too.

use super::layout::{
    Cid, CidPacket, CidRoute, Layouts, MAX_CID_BYTES, ServerChosen, Undecoded, cid_server,
};
use crate::{Frame, endpoint::endpoints};
use netweir_wire::{
    map::{
        FlowKey, QUIC_CAPTURED_BYTES, QUIC_PLACES, QUIC_SHORT_BYTES, QuicBackendKey, QuicCounters,
        QuicEvent, QuicEventKind, QuicLoss, SpinSums, Volume,
    },
    packet::{
        Headers, Problem,
        quic::{LONG_FORM, SPIN_BIT},
    },
};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    net::SocketAddr,
    sync::Arc,
};

/// The time between two events of short headers, or of the spin bit, of a flow.
const PAUSE_NS: u64 = 250_000_000;
/// Bytes of a UDP header.
const UDP_BYTES: usize = 8;

/// What is remembered of datagrams, and what waits to be handed over.
#[derive(Default)]
pub(crate) struct Look {
    pub(crate) layouts: Arc<Layouts>,
    /// By the flow's hash; who comes to a taken place begins anew.
    places: Vec<Option<Box<Place>>>,
    /// Since the start.
    pub(crate) counters: QuicCounters,
    /// Since the last handing over.
    backends: HashMap<QuicBackendKey, Volume>,
    /// Since the last handing over.
    events: Vec<(QuicEvent, Vec<u8>)>,
}

/// What is remembered of a flow.
struct Place {
    key: FlowKey,
    /// What has not been told of the turns of its spin bit.
    spin: SpinSums,
    spin_bit: Option<bool>,
    turned_ns: Option<u64>,
    /// The last event of a short header.
    short_ns: Option<u64>,
    /// The last event of the spin bit.
    spin_ns: u64,
    /// What the last connection ID that could be read named.
    backend: Option<u32>,
}

/// A UDP payload.
#[derive(Clone, Copy)]
struct Payload<'a> {
    /// As much of it as was captured.
    captured: &'a [u8],
    /// All of its bytes.
    bytes: u32,
}

impl Look {
    /// Looks at a frame whose flow may be QUIC.
    pub(crate) fn add(&mut self, key: FlowKey, headers: &Headers, frame: &Frame<'_>) {
        let Some(payload) = Payload::of(headers, frame).filter(|payload| payload.bytes > 0) else {
            return;
        };
        let Some(&first) = payload.captured.first() else {
            // Nobody can say which header it has; so that all are accounted for, a long one.
            self.counters.long += 1;
            self.counters.lost[QuicLoss::Unreadable as usize] += 1;
            return;
        };
        let event = QuicEvent {
            key,
            time_ns: frame.timestamp_ns,
            payload_bytes: payload.bytes,
            ..QuicEvent::default()
        };
        if first & LONG_FORM != 0 {
            self.counters.long += 1;
            self.tell(event, QuicEventKind::Long, payload.captured);
            return;
        }
        self.counters.short += 1;
        self.time_spin(event, first & SPIN_BIT != 0);
        self.tell_short(event, payload.captured);
        if !self.layouts.is_empty() {
            let backend = self.count_backend(&key, payload);
            if let Some(backend) = backend {
                self.place(&key, frame.timestamp_ns).backend = Some(backend);
            }
        }
    }

    /// The backend that the connection IDs of a flow named last.
    pub(crate) fn backend(&self, key: &FlowKey) -> Option<u32> {
        let place = self.places.get(self.number(key)?)?.as_ref()?;
        place.backend.filter(|_| place.key == *key)
    }

    /// How many events wait to be handed over.
    pub(crate) const fn waiting(&self) -> usize {
        self.events.len()
    }

    /// The events that came since they were taken the last time.
    pub(crate) fn take_events(&mut self) -> Vec<(QuicEvent, Vec<u8>)> {
        std::mem::take(&mut self.events)
    }

    /// What was counted by backend since it was taken the last time.
    pub(crate) fn take_backends(&mut self) -> Vec<(QuicBackendKey, Volume)> {
        self.backends.drain().collect()
    }

    fn tell(&mut self, event: QuicEvent, kind: QuicEventKind, bytes: &[u8]) {
        let at_most = match kind {
            QuicEventKind::Long => QUIC_CAPTURED_BYTES,
            QuicEventKind::Short | QuicEventKind::Spin => QUIC_SHORT_BYTES,
        };
        let bytes = bytes.get(..at_most).unwrap_or(bytes);
        let event = QuicEvent {
            kind: kind as u8,
            captured_bytes: bytes.len() as u16,
            ..event
        };
        self.counters.told[kind as usize] += 1;
        self.events.push((event, bytes.to_vec()));
    }

    fn tell_short(&mut self, event: QuicEvent, bytes: &[u8]) {
        let now_ns = event.time_ns;
        let place = self.place(&event.key, now_ns);
        let last_ns = place.short_ns;
        if last_ns.is_none_or(|last_ns| now_ns.saturating_sub(last_ns) >= PAUSE_NS) {
            place.short_ns = Some(now_ns);
            self.tell(event, QuicEventKind::Short, bytes);
        }
    }

    /// Times the turns of the spin bit, and tells of them now and then.
    fn time_spin(&mut self, event: QuicEvent, bit: bool) {
        let now_ns = event.time_ns;
        let place = self.place(&event.key, now_ns);
        place.spin.packets = place.spin.packets.wrapping_add(1);
        let before = place.spin_bit.replace(bit);
        if before.is_none_or(|before| before == bit) {
            return;
        }
        if let Some(turned_ns) = place.turned_ns {
            add_turn(&mut place.spin, now_ns.saturating_sub(turned_ns));
        }
        place.turned_ns = Some(now_ns);
        if place.spin.turns > 0 && now_ns.saturating_sub(place.spin_ns) >= PAUSE_NS {
            place.spin_ns = now_ns;
            let spin = std::mem::take(&mut place.spin);
            let event = QuicEvent {
                spin,
                payload_bytes: 0,
                ..event
            };
            self.tell(event, QuicEventKind::Spin, &[]);
        }
    }

    /// Counts a datagram by what its connection ID names; returns the backend.
    fn count_backend(&mut self, key: &FlowKey, payload: Payload<'_>) -> Option<u32> {
        match self.route(key, payload.captured) {
            Ok((layout, route)) => {
                let key = QuicBackendKey {
                    backend: route.backend.unwrap_or_default(),
                    queue: route.queue.unwrap_or_default(),
                    layout: layout as u32,
                    named: u32::from(route.backend.is_some())
                        | u32::from(route.queue.is_some()) << 1,
                };
                *self.backends.entry(key).or_default() += Volume {
                    packets: 1,
                    bytes: payload.bytes.into(),
                };
                self.counters.decoded += 1;
                route.backend.and_then(|backend| backend.try_into().ok())
            }
            Err(reason) => {
                self.counters.undecoded[reason as usize] += 1;
                None
            }
        }
    }

    /// What the connection ID of a short header names: the server is where it goes to.
    fn route(&self, key: &FlowKey, bytes: &[u8]) -> Result<(usize, CidRoute), Undecoded> {
        let (_, destination) = endpoints(key);
        let address = destination.address.ip().zip(destination.port);
        let (ip, port) = address.ok_or(Undecoded::NoLayout)?;
        let server = cid_server(SocketAddr::new(ip, port), None);
        let behind = bytes.get(1..).unwrap_or_default();
        let mut cid = [0; MAX_CID_BYTES];
        let available = behind.len().min(MAX_CID_BYTES);
        cid[..available].copy_from_slice(&behind[..available]);
        let cid = Cid::open(cid, available as u8);
        let cid = ServerChosen::from_client(CidPacket::OneRtt, cid)?;
        self.layouts.route(&server, &cid)
    }

    /// Where a flow is remembered; none while nothing is.
    fn number(&self, key: &FlowKey) -> Option<usize> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        (hasher.finish() as usize).checked_rem(self.places.len())
    }

    fn place(&mut self, key: &FlowKey, now_ns: u64) -> &mut Place {
        if self.places.is_empty() {
            self.places.resize_with(QUIC_PLACES as usize, || None);
        }
        let number = self.number(key).unwrap_or_default();
        let place = &mut self.places[number];
        if place.as_ref().is_none_or(|place| place.key != *key) {
            *place = None;
        }
        place.get_or_insert_with(|| Box::new(Place::new(key, now_ns)))
    }
}

impl Place {
    fn new(key: &FlowKey, now_ns: u64) -> Self {
        Self {
            key: *key,
            spin: SpinSums::default(),
            spin_bit: None,
            turned_ns: None,
            short_ns: None,
            spin_ns: now_ns,
            backend: None,
        }
    }
}

/// Adds the time between two turns.
fn add_turn(spin: &mut SpinSums, since_ns: u64) {
    if spin.turns == 0 || since_ns < spin.min_ns {
        spin.min_ns = since_ns;
    }
    spin.max_ns = spin.max_ns.max(since_ns);
    spin.sum_ns = spin.sum_ns.saturating_add(since_ns);
    spin.turns += 1;
}

impl<'a> Payload<'a> {
    /// The payload of a frame, as long as UDP says, and no longer than the frame; none where it could
    /// not be read that far.
    fn of(headers: &Headers, frame: &Frame<'a>) -> Option<Self> {
        if headers.problem != Problem::None {
            return None;
        }
        let begin = usize::from(headers.payload_offset);
        let rest = frame.bytes.get(begin..)?;
        let header = frame.bytes.get(begin.checked_sub(UDP_BYTES)?..begin)?;
        let stated = usize::from(u16::from_be_bytes([header[4], header[5]]));
        let there = (frame.wire_bytes as usize).saturating_sub(begin);
        let bytes = match stated {
            // Of a frame that was to be segmented, or a jumbogram (RFC 2675 section 4).
            0 => there,
            stated => stated.checked_sub(UDP_BYTES)?.min(there),
        };
        Some(Self {
            captured: rest.get(..bytes).unwrap_or(rest),
            bytes: bytes as u32,
        })
    }
}
