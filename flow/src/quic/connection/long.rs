//! Datagrams that begin with a long header: which connection each packet is of, and what those tell
//! that cannot be opened.

use super::{
    Certainty, CidOrigin, ConnectionId, Connections, Limit, Outcome, Resemblance, Standing,
    accept::Told,
    entry::{CidKey, Entry},
    path::At,
};
use crate::quic::Sender;
use netweir_wire::packet::quic::{Body, LongView, Packets, Version, View};

/// Packets of a datagram that are read: peers send four at most.
const MAX_PACKETS: usize = 8;
/// The shortest datagram of a client's first Initial (RFC 9000 section 14.1), and the shortest
/// connection ID that it makes up (section 7.2).
const FIRST_FLIGHT: (u32, usize) = (1200, 8);
/// Versions of a version negotiation that are kept.
const KEPT_VERSIONS: usize = 16;

/// Which connection a packet is of.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) id: u32,
    pub(super) sender: Sender,
    /// Whether a connection ID says so.
    pub(super) is_matched: bool,
}

impl Connections {
    pub(super) fn handle_long(&mut self, at: &At, bytes: &[u8]) -> Outcome {
        let mut best = None;
        for (number, packet) in Packets::new(bytes).enumerate() {
            if number == MAX_PACKETS {
                self.counters.meet(Limit::Packets);
                break;
            }
            let outcome = match packet {
                Ok(View::Long(view)) => self.long_packet(at, &view),
                Ok(View::Short { bytes, header }) if header.has_fixed_bit() => {
                    self.short_behind_long(at, bytes)
                }
                // Padding behind the last packet.
                Ok(View::Short { .. }) => break,
                Err(_) if number == 0 => self.unreadable(at, bytes),
                Err(_) => Outcome::Unreadable,
            };
            best = Some(best.map_or(outcome, |best: Outcome| best.min(outcome)));
        }
        best.unwrap_or(Outcome::Unreadable)
    }

    fn unreadable(&mut self, at: &At, bytes: &[u8]) -> Outcome {
        match Resemblance::of_long(bytes) {
            Some(resemblance) => self.contradict(at, resemblance),
            None => Outcome::Unreadable,
        }
    }

    fn long_packet(&mut self, at: &At, view: &LongView<'_>) -> Outcome {
        if view.header.version == Version::NEGOTIATION {
            return self.handle_negotiation(at, view);
        }
        let owner = self.owner(at, view);
        match view.body {
            Body::Initial { .. } => self.handle_initial(at, view, owner),
            Body::Retry { .. } => self.handle_retry(at, view, owner),
            _ => self.handle_sealed(at, view, owner),
        }
    }

    /// The connection that a packet is of: by its 5-tuple unless its IDs contradict, else by its ID.
    fn owner(&mut self, at: &At, view: &LongView<'_>) -> Option<Owner> {
        if let Some(id) = self.find_path(&at.path)
            && let Some(entry) = self.get(id)
        {
            let sender = entry.facts.sender(at.source);
            if let Some(is_matched) = entry.fits(sender, view) {
                return Some(Owner {
                    id,
                    sender,
                    is_matched,
                });
            }
        }
        let cid = ConnectionId::new(view.dcid())?;
        let owner = [Sender::Client, Sender::Server]
            .into_iter()
            .find_map(|sender| self.owner_by_cid(at, cid, sender))?;
        let entry = self.get(owner.id)?;
        // Nobody moves before the handshake, but a NAT may forget a port in the middle of it.
        let is_there = entry.has_path(&at.path);
        let may_move = owner.is_matched && matches!(view.body, Body::Handshake { .. });
        if !is_there && !may_move {
            return None;
        }
        self.follow(owner.id, at, owner.sender);
        Some(owner)
    }

    /// The connection that has this ID, if it was `sender` who sent to it.
    pub(super) fn owner_by_cid(&self, at: &At, cid: ConnectionId, sender: Sender) -> Option<Owner> {
        let server = match sender {
            Sender::Client => at.destination,
            Sender::Server => at.source,
        };
        let id = self.find_cid(&CidKey {
            link: at.path.link,
            server,
            to_server: sender == Sender::Client,
            cid,
        })?;
        let entry = self.get(id)?;
        let known = entry.facts.cids_of(sender.peer()).get(cid.as_bytes())?;
        let is_matched = known.is_identifying();
        Some(Owner {
            id,
            sender,
            is_matched,
        })
    }

    /// Takes a packet that cannot be opened: nobody has the keys but the peers.
    pub(super) fn handle_sealed(
        &mut self,
        at: &At,
        view: &LongView<'_>,
        owner: Option<Owner>,
    ) -> Outcome {
        let resemblance = Resemblance::of_long(view.bytes);
        let owner = match (owner, resemblance) {
            (Some(owner), None) => owner,
            (Some(owner), Some(resemblance)) => {
                let version = self.get(owner.id).and_then(|entry| entry.facts.version);
                if version != Some(view.header.version) {
                    return self.contradict(at, resemblance);
                }
                owner
            }
            (None, resemblance) => match self.begin_guess(at, view, resemblance) {
                Ok(owner) => owner,
                Err(outcome) => return outcome,
            },
        };
        self.note_sealed(at, view, owner, resemblance.is_none())
    }

    fn begin_guess(
        &mut self,
        at: &At,
        view: &LongView<'_>,
        resemblance: Option<Resemblance>,
    ) -> Result<Owner, Outcome> {
        let there = self.find_path(&at.path).and_then(|id| self.get(id));
        let is_taken = there.is_some_and(|entry| entry.facts.certainty > Certainty::Guessed);
        let mut sender = match at.is_from_server(&self.settings.ports) {
            true => Sender::Server,
            false => Sender::Client,
        };
        match resemblance {
            // A client may begin with a version that nobody speaks, to be told of others.
            Some(Resemblance::UnknownVersion) if there.is_none() && is_first_flight(at, view) => {
                sender = Sender::Client;
            }
            Some(resemblance) => return Err(self.contradict(at, resemblance)),
            None if is_taken => return Err(Outcome::NotAuthentic),
            None if matches!(view.body, Body::ZeroRtt { .. }) => sender = Sender::Client,
            None => {}
        }
        let id = self.open(at, sender, Certainty::Guessed);
        let id = id.ok_or(Outcome::Full)?;
        Ok(Owner {
            id,
            sender,
            is_matched: false,
        })
    }

    fn note_sealed(
        &mut self,
        at: &At,
        view: &LongView<'_>,
        owner: Owner,
        is_defined: bool,
    ) -> Outcome {
        let Owner { id, sender, .. } = owner;
        let Some(entry) = self.get_mut(id) else {
            return Outcome::NoConnection;
        };
        let is_answer = entry.is_answer(sender, view);
        let certainty = match is_answer {
            true => Certainty::Matched,
            false => Certainty::Guessed,
        };
        let is_zero_rtt = matches!(view.body, Body::ZeroRtt { .. });
        if is_zero_rtt && sender == Sender::Server || !self.keeps_ids(owner, view, certainty) {
            return Outcome::NotAuthentic;
        }
        let Some(entry) = self.get_mut(id) else {
            return Outcome::NoConnection;
        };
        let facts = &mut entry.facts;
        facts.has_zero_rtt |= is_zero_rtt;
        if is_zero_rtt {
            facts.roles = facts.roles.max(Certainty::Matched);
        }
        if is_defined && facts.standing == Standing::Undecided {
            facts.standing = Standing::Candidate;
        }
        facts.first_version.get_or_insert(view.header.version);
        facts.version.get_or_insert(view.header.version);
        self.observe(id, at, sender, is_zero_rtt);
        if is_answer {
            self.raise(id, Certainty::Matched);
        }
        self.learn_both(at, view, owner, certainty);
        self.decode_long(id, sender, view);
        let is_known = self
            .at(id)
            .is_some_and(|facts| facts.certainty > Certainty::Guessed);
        match is_answer || (is_known && owner.is_matched) {
            true => Outcome::Matched,
            false => Outcome::Guessed,
        }
    }

    /// Learns what both IDs of a long header are.
    pub(super) fn learn_both(
        &mut self,
        at: &At,
        view: &LongView<'_>,
        owner: Owner,
        certainty: Certainty,
    ) {
        let Owner { id, sender, .. } = owner;
        let origin = match view.body {
            Body::Retry { .. } => CidOrigin::Retry,
            _ => CidOrigin::Source,
        };
        let source = Told {
            side: sender,
            origin,
            certainty,
        };
        self.learn(id, at, view.scid(), source);
        let is_first = matches!(view.body, Body::ZeroRtt { .. } | Body::Unknown)
            || self
                .get(id)
                .is_some_and(|entry| entry.handshake.is_keyed_by(view.dcid()));
        let origin = match (sender, view.body) {
            (Sender::Server, _) | (Sender::Client, Body::Handshake { .. }) => {
                CidOrigin::Destination
            }
            (Sender::Client, _) if is_first => CidOrigin::ClientFirst,
            // The server's, or one that the client made up: who knows.
            _ => return,
        };
        let side = sender.peer();
        let destination = Told {
            side,
            origin,
            certainty,
        };
        self.learn(id, at, view.dcid(), destination);
    }

    /// Takes a version negotiation, which means something as an answer alone: it repeats both IDs of
    /// the client's packet (RFC 9000 section 17.2.1).
    fn handle_negotiation(&mut self, at: &At, view: &LongView<'_>) -> Outcome {
        let Some(id) = self.find_path(&at.path) else {
            return Outcome::NoConnection;
        };
        let Some(entry) = self.get_mut(id) else {
            return Outcome::NoConnection;
        };
        let facts = &mut entry.facts;
        let is_answer = facts.sender(at.source) == Sender::Server
            && facts.client_cids.get(view.dcid()).is_some()
            && facts.server_cids.get(view.scid()).is_some()
            && view.scid().len() >= FIRST_FLIGHT.1
            && facts.server_cids.length().is_none();
        if !is_answer {
            return Outcome::NotAuthentic;
        }
        facts.offered = view.versions().take(KEPT_VERSIONS).collect();
        facts.roles = facts.roles.max(Certainty::Matched);
        self.touch(id, at, Sender::Server);
        self.raise(id, Certainty::Matched);
        Outcome::Matched
    }

    /// Takes note of a datagram that looks like something else.
    pub(super) fn contradict(&mut self, at: &At, resemblance: Resemblance) -> Outcome {
        self.counters.resemblances[resemblance as usize] += 1;
        let id = self.find_path(&at.path);
        if let Some(entry) = id.and_then(|id| self.get_mut(id))
            && entry.facts.certainty == Certainty::Guessed
        {
            entry.facts.standing = Standing::NotQuic(resemblance);
        }
        Outcome::NotQuic
    }
}

impl Entry {
    /// Whether a packet on a 5-tuple of this connection may be of it; if so, whether its destination
    /// says so.
    fn fits(&self, sender: Sender, view: &LongView<'_>) -> Option<bool> {
        let facts = &self.facts;
        if let Some(known) = facts.cids_of(sender.peer()).get(view.dcid()) {
            return Some(known.is_identifying());
        }
        let is_open = match sender {
            Sender::Server => facts.client_cids.length().is_none(),
            Sender::Client => {
                let is_same_client =
                    !view.scid().is_empty() && facts.client_cids.get(view.scid()).is_some();
                let is_unknown = facts.server_cids.length().is_none()
                    && facts.client_cids.is_empty()
                    && !matches!(view.body, Body::Initial { .. });
                is_same_client || is_unknown
            }
        };
        is_open.then_some(false)
    }

    /// Whether a packet shows that its sender has heard the other side, or was heard: one of them told an
    /// ID, and the other one has sent to it. What one side alone says is no proof, however often.
    fn is_answer(&self, sender: Sender, view: &LongView<'_>) -> bool {
        let heard = self.facts.cids_of(sender.peer()).get(view.dcid());
        let told = self.facts.cids_of(sender).get(view.scid());
        heard.is_some_and(super::KnownCid::is_told)
            || told
                .is_some_and(|known| known.origin == CidOrigin::Destination && known.is_distinct())
    }
}

/// Whether a packet may be the first of a client, in a version that is not known.
fn is_first_flight(at: &At, view: &LongView<'_>) -> bool {
    let (datagram, dcid) = FIRST_FLIGHT;
    at.payload_bytes >= datagram && view.dcid().len() >= dcid
}
