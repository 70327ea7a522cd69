//! What a packet that is of a connection tells of it: connection IDs, where the client is, which
//! backend it has.

use super::{
    Backend, Certainty, CidOrigin, ConnectionId, Connections, KnownCid, Limit,
    path::{At, Path},
};
use crate::quic::{
    Sender,
    layout::{Cid, CidPacket, ServerChosen, Undecoded, cid_server},
};
use netweir_wire::packet::quic::{Body, LongView};
use std::sync::Arc;

impl Sender {
    /// The other side.
    pub(super) const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// What a packet says of an ID, and how sure that is.
#[derive(Clone, Copy)]
pub(super) struct Told {
    pub(super) side: Sender,
    pub(super) origin: CidOrigin,
    pub(super) certainty: Certainty,
}

impl Connections {
    /// Keeps a connection ID that packets to a side go to, and has the connection found by it.
    pub(super) fn learn(&mut self, id: u32, at: &At, cid: &[u8], told: Told) {
        let limit = self.settings.limits.cids;
        let Some(cid) = ConnectionId::new(cid) else {
            return;
        };
        let Some(entry) = self.get_mut(id) else {
            return;
        };
        let cids = entry.facts.cids_of_mut(told.side);
        let mut replaced = None;
        let is_full = cids.get(cid.as_bytes()).is_none() && cids.len() >= limit;
        if is_full {
            replaced = cids.take_replaceable();
        }
        let is_kept = !is_full || replaced.is_some();
        if is_kept {
            cids.keep(KnownCid {
                cid,
                origin: told.origin,
                certainty: told.certainty,
                first_ns: at.time_ns,
            });
        }
        let key = entry.cid_key(told.side, cid);
        let replaced = replaced.map(|known| entry.cid_key(told.side, known.cid));
        if is_full {
            self.counters.meet(Limit::Cids);
        }
        if let Some(replaced) = replaced {
            self.remove_cid(id, &replaced);
        }
        if is_kept {
            self.add_cid(id, key);
        }
        self.note_answer(id);
    }

    /// What the connection ID names that the server chose for itself, if this packet has it.
    pub(super) fn decode_long(&mut self, id: u32, sender: Sender, view: &LongView<'_>) {
        let bytes = match sender {
            Sender::Client => view.dcid(),
            Sender::Server => view.scid(),
        };
        let Some(cid) = ConnectionId::new(bytes) else {
            return;
        };
        let packet = cid_packet(&view.body);
        let (padded, length) = cid.to_padded();
        let whole = Cid::new(padded, length);
        let chosen = match sender {
            Sender::Client => ServerChosen::from_client(packet, whole),
            Sender::Server => ServerChosen::from_server(packet, whole),
        };
        self.decode(id, chosen, Some(cid));
    }

    /// The same for a short header, of which `known` is the ID, or whose ID begins with `behind` the
    /// first byte.
    pub(super) fn decode_short(&mut self, id: u32, known: Option<ConnectionId>, behind: &[u8]) {
        let cid = known.map_or_else(
            || {
                let length = behind.len().min(crate::quic::layout::MAX_CID_BYTES);
                let begin = behind.get(..length).and_then(ConnectionId::new);
                let (padded, length) = begin.unwrap_or_default().to_padded();
                Cid::open(padded, length)
            },
            |known| {
                let (padded, length) = known.to_padded();
                Cid::new(padded, length)
            },
        );
        let chosen = ServerChosen::from_client(CidPacket::OneRtt, cid);
        self.decode(id, chosen, known);
    }

    fn decode(
        &mut self,
        id: u32,
        chosen: Result<ServerChosen, Undecoded>,
        cid: Option<ConnectionId>,
    ) {
        let layouts = Arc::clone(&self.layouts);
        let (Some(entry), Ok(chosen)) = (self.get_mut(id), chosen) else {
            return;
        };
        let known = cid.and_then(|cid| entry.facts.server_cids.get(cid.as_bytes()));
        let certainty = known.map_or(Certainty::Guessed, |known| known.certainty);
        if cid.is_some() && entry.decoded == cid {
            if let Ok(backend) = &mut entry.facts.backend {
                backend.certainty = backend.certainty.max(certainty);
            }
            return;
        }
        entry.decoded = cid;
        let version = entry.facts.version.map(|version| version.0);
        let server = cid_server(entry.facts.server, version);
        entry.facts.backend = layouts.decode(&server, &chosen).map(|decoded| Backend {
            layout: decoded.layout.to_owned(),
            backend: decoded.route.backend,
            queue: decoded.route.queue,
            fields: decoded
                .fields
                .iter()
                .map(|&(name, number)| (name.to_owned(), number))
                .collect(),
            certainty,
        });
    }

    /// Takes note of when a connection's packet was seen.
    pub(super) fn touch(&mut self, id: u32, at: &At, sender: Sender) {
        self.observe(id, at, sender, false);
    }

    /// The same for one that may be the client's first.
    pub(super) fn observe(&mut self, id: u32, at: &At, sender: Sender, is_first_flight: bool) {
        if let Some(entry) = self.get_mut(id) {
            let facts = &mut entry.facts;
            facts.last_ns = facts.last_ns.max(at.time_ns);
            facts.timing.observe(sender, at.time_ns, is_first_flight);
        }
        match sender {
            Sender::Client => self.note_answer(id),
            Sender::Server => self.hear_server(id, &at.path),
        }
    }

    /// Takes note that the server sent something on a 5-tuple.
    pub(super) fn hear_server(&mut self, id: u32, path: &Path) {
        if let Some(entry) = self.get_mut(id) {
            entry.is_heard = true;
        }
        self.note_answer(id);
        self.note_path_answer(id, path);
    }
}

/// What a long header's packet says of who chose its IDs.
const fn cid_packet(body: &Body) -> CidPacket {
    match body {
        Body::VersionNegotiation { .. } => CidPacket::VersionNegotiation,
        Body::Initial { .. } => CidPacket::Initial,
        Body::ZeroRtt { .. } => CidPacket::ZeroRtt,
        Body::Handshake { .. } => CidPacket::Handshake,
        Body::Retry { .. } => CidPacket::Retry,
        Body::Unknown => CidPacket::Unknown,
    }
}
