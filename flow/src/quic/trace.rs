//! Datagrams with long headers one by one, for people who debug.

use super::connection::Outcome;
use crate::{Endpoint, endpoint::endpoints, lens::Lens, lens::direction, lens::interface_id};
use netweir_wire::{
    map::{Direction, FlowKey, QuicEvent, QuicEventKind},
    packet::quic::{Body, Packets, Problem, Version, View},
};
use std::sync::Arc;

/// Packets of a datagram that are told.
const MAX_PACKETS: usize = 8;

/// A datagram that begins with a long header, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Inode number of the interface's network namespace.
    pub netns: u32,
    /// Interface index within that namespace.
    pub ifindex: u32,
    /// Name of the interface; `if` and the index while nobody has told the name.
    pub interface: Arc<str>,
    /// Which way it went, seen from the host.
    pub direction: Direction,
    /// When, nanoseconds since 1970.
    pub unix_ns: u64,
    /// Where it came from.
    pub source: Endpoint,
    /// Where it went to.
    pub destination: Endpoint,
    /// Bytes of the UDP payload.
    pub payload_bytes: u32,
    /// Its packets, the first ones.
    pub packets: Vec<Packet>,
    /// What became of it.
    pub outcome: Outcome,
}

/// A QUIC packet of such a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// What it is.
    pub kind: PacketKind,
    /// The version, where its header says one and can be read.
    pub version: Option<Version>,
    /// The destination connection ID; empty in a short header, which does not say where it ends.
    pub dcid: Vec<u8>,
    /// The source connection ID; empty in a short header.
    pub scid: Vec<u8>,
}

/// What a QUIC packet is, by its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacketKind {
    /// A version negotiation.
    VersionNegotiation,
    /// An Initial.
    Initial,
    /// A 0-RTT packet.
    ZeroRtt,
    /// A Handshake packet.
    Handshake,
    /// A Retry.
    Retry,
    /// A long header of a version whose packet types are not known.
    Unknown,
    /// A short header.
    Short,
    /// A header that goes past its end, or past what was captured.
    Unreadable,
}

/// Datagrams that were taken out of a meter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traced {
    /// In the order in which they came.
    pub datagrams: Vec<Datagram>,
    /// How many were passed over since they were taken the last time, for want of room.
    pub missed: u64,
}

/// What waits to be taken.
pub(crate) struct Trace {
    waiting: Vec<Raw>,
    at_most: usize,
    missed: u64,
    told_missed: u64,
}

struct Raw {
    key: FlowKey,
    time_ns: u64,
    payload_bytes: u32,
    packets: Vec<Packet>,
    outcome: Outcome,
}

impl Trace {
    pub(crate) const fn new(at_most: usize) -> Self {
        Self {
            waiting: Vec::new(),
            at_most,
            missed: 0,
            told_missed: 0,
        }
    }

    /// Keeps a datagram, if there is room and somebody wants it.
    pub(crate) fn add(&mut self, event: &QuicEvent, bytes: &[u8], outcome: Outcome) {
        if self.at_most == 0 || event.kind != QuicEventKind::Long as u8 {
            return;
        }
        if self.waiting.len() >= self.at_most {
            self.missed += 1;
            return;
        }
        let bytes = bytes.get(..event.payload_bytes as usize).unwrap_or(bytes);
        self.waiting.push(Raw {
            key: event.key,
            time_ns: event.time_ns,
            payload_bytes: event.payload_bytes,
            packets: packets(bytes),
            outcome,
        });
    }

    /// How many were passed over in all.
    pub(crate) const fn missed(&self) -> u64 {
        self.missed
    }

    /// Everything that waits.
    pub(crate) fn take(&mut self) -> (Vec<Waiting>, u64) {
        let missed = self.missed - self.told_missed;
        self.told_missed = self.missed;
        let waiting = std::mem::take(&mut self.waiting);
        (waiting.into_iter().map(Waiting).collect(), missed)
    }
}

/// A datagram as it was kept.
pub(crate) struct Waiting(Raw);

impl Waiting {
    /// The datagram with its names and the time of day.
    pub(crate) fn tell(self, lens: &Lens<'_>) -> Datagram {
        let Raw {
            key,
            time_ns,
            payload_bytes,
            packets,
            outcome,
        } = self.0;
        let (source, destination) = endpoints(&key);
        Datagram {
            netns: key.netns,
            ifindex: key.ifindex,
            interface: lens.interfaces.name(interface_id(&key)),
            direction: direction(&key),
            unix_ns: lens.unix_ns(time_ns),
            source,
            destination,
            payload_bytes,
            packets,
            outcome,
        }
    }
}

fn packets(bytes: &[u8]) -> Vec<Packet> {
    // Behind the last packet, what has no fixed bit is padding of the datagram: zeros, mostly.
    let is_packet = |packet: &Result<View<'_>, Problem>| match packet {
        Ok(View::Short { header, .. }) => header.has_fixed_bit(),
        _ => true,
    };
    let packets = Packets::new(bytes).take(MAX_PACKETS);
    packets
        .take_while(is_packet)
        .map(|packet| match packet {
            Ok(View::Long(view)) => Packet {
                kind: PacketKind::of(&view.body),
                version: Some(view.header.version),
                dcid: view.dcid().to_vec(),
                scid: view.scid().to_vec(),
            },
            Ok(View::Short { .. }) => Packet::without_ids(PacketKind::Short),
            Err(_) => Packet::without_ids(PacketKind::Unreadable),
        })
        .collect()
}

impl Packet {
    const fn without_ids(kind: PacketKind) -> Self {
        Self {
            kind,
            version: None,
            dcid: Vec::new(),
            scid: Vec::new(),
        }
    }
}

impl PacketKind {
    const fn of(body: &Body) -> Self {
        match body {
            Body::VersionNegotiation { .. } => Self::VersionNegotiation,
            Body::Initial { .. } => Self::Initial,
            Body::ZeroRtt { .. } => Self::ZeroRtt,
            Body::Handshake { .. } => Self::Handshake,
            Body::Retry { .. } => Self::Retry,
            Body::Unknown => Self::Unknown,
        }
    }

    /// The name that views and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::VersionNegotiation => "version_negotiation",
            Self::Initial => "initial",
            Self::ZeroRtt => "zero_rtt",
            Self::Handshake => "handshake",
            Self::Retry => "retry",
            Self::Unknown => "unknown",
            Self::Short => "short",
            Self::Unreadable => "unreadable",
        }
    }
}
