//! What proves a connection: Initials that can be opened, and Retries with the right tag.

use super::{
    Certainty, CidOrigin, Client, Close, ConnectionId, Connections, HelloState, Limit, Outcome,
    entry::Entry, handshake::Piece, long::Owner, path::At, source::Sources,
};
use crate::quic::{CryptoStream, Frame, Frames, Hello, InitialKeys, Opened, Sender, verify_retry};
use netweir_wire::packet::quic::LongView;

impl Connections {
    pub(super) fn handle_initial(
        &mut self,
        at: &At,
        view: &LongView<'_>,
        owner: Option<Owner>,
    ) -> Outcome {
        let keyed = owner.filter(|owner| {
            let entry = self.get(owner.id);
            entry.is_some_and(|entry| entry.handshake.has_keys())
        });
        if let Some(owner) = keyed
            && let Some(outcome) = self.open_with_its_keys(at, view, owner)
        {
            return outcome;
        }
        // The first Initial of a client, or its first one after a Retry that was not seen.
        let version = view.header.version;
        let own = InitialKeys::new(version, view.dcid()).and_then(|keys| {
            let opened = keys.open(Sender::Client, view, 0).ok()?;
            Some((keys, opened, ConnectionId::new(view.dcid())?))
        });
        let Some((keys, opened, dcid)) = own else {
            return match keyed {
                Some(_) => Outcome::NotAuthentic,
                None => self.handle_sealed(at, view, owner),
            };
        };
        let Some(id) = self.claim(at, view) else {
            return Outcome::Full;
        };
        if let Some(entry) = self.get_mut(id) {
            entry.handshake.begin(dcid, Some((version, keys)));
        }
        let owner = Owner {
            id,
            sender: Sender::Client,
            is_matched: false,
        };
        self.handle_opened(at, view, owner, &opened)
    }

    /// Opens an Initial of a connection; `None` where it may be the first one of another.
    fn open_with_its_keys(
        &mut self,
        at: &At,
        view: &LongView<'_>,
        owner: Owner,
    ) -> Option<Outcome> {
        let entry = self.get_mut(owner.id)?;
        if !entry.handshake.may_open() {
            self.counters.meet(Limit::Initials);
            self.touch(owner.id, at, owner.sender);
            return Some(match owner.is_matched {
                true => Outcome::Matched,
                false => Outcome::Guessed,
            });
        }
        if let Some(opened) = entry.handshake.open(owner.sender, view) {
            return Some(self.handle_opened(at, view, owner, &opened));
        }
        let is_its_own = owner.sender == Sender::Server
            || owner.is_matched
            || entry.handshake.is_keyed_by(view.dcid());
        is_its_own.then_some(Outcome::NotAuthentic)
    }

    /// The connection that a client begins with an Initial, or begins anew.
    fn claim(&mut self, at: &At, view: &LongView<'_>) -> Option<u32> {
        let there = self.find_path(&at.path);
        if let Some(id) = there
            && let Some(entry) = self.get(id)
            && entry.facts.server == at.destination
        {
            if entry.is_begun_by(view) {
                let is_guess = entry.facts.certainty == Certainty::Guessed;
                let is_heard = entry.is_heard;
                if is_guess && !self.make_room(is_heard) {
                    return None;
                }
                self.expect_hello(id);
                return Some(id);
            }
            if entry.is_resumed_by(view) {
                return Some(id);
            }
        }
        let id = self.open(at, Sender::Client, Certainty::Proven)?;
        self.expect_hello(id);
        Some(id)
    }

    fn expect_hello(&mut self, id: u32) {
        self.forget_hello(id);
        if let Some(entry) = self.get_mut(id) {
            entry.handshake.expect_hello();
            // A client that begins anew in another version may do so with another ID.
            if !entry.facts.offered.is_empty() {
                entry.sources = Sources::default();
            }
        }
    }

    fn handle_opened(
        &mut self,
        at: &At,
        view: &LongView<'_>,
        owner: Owner,
        opened: &Opened,
    ) -> Outcome {
        let Owner { id, sender, .. } = owner;
        if !self.keeps_ids(owner, view, Certainty::Proven) {
            return Outcome::NotAuthentic;
        }
        self.raise(id, Certainty::Proven);
        let Some(entry) = self.get_mut(id) else {
            return Outcome::NoConnection;
        };
        entry.handshake.note_number(sender, opened.packet_number);
        let facts = &mut entry.facts;
        let version = view.header.version;
        facts.roles = Certainty::Proven;
        facts.first_version.get_or_insert(version);
        // The server has the last word.
        if sender == Sender::Server || facts.server_cids.length().is_none() {
            facts.version = Some(version);
        }
        self.observe(id, at, sender, true);
        self.learn_both(at, view, owner, Certainty::Proven);
        self.decode_long(id, sender, view);
        self.check_hello(id, at.time_ns);
        self.read_frames(at, owner, &opened.payload);
        Outcome::Proven
    }

    fn read_frames(&mut self, at: &At, owner: Owner, payload: &[u8]) {
        for frame in Frames::new(payload) {
            match frame {
                Ok(Frame::Crypto { offset, bytes }) if owner.sender == Sender::Client => {
                    self.add_crypto(owner.id, offset, bytes);
                }
                Ok(Frame::ConnectionClose { error_code, .. }) => {
                    if let Some(entry) = self.get_mut(owner.id) {
                        entry.facts.closed.get_or_insert(Close {
                            sender: owner.sender,
                            error_code,
                            time_ns: at.time_ns,
                        });
                    }
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }

    /// Adds a piece of the ClientHello, and reads it when it is complete.
    fn add_crypto(&mut self, id: u32, offset: u64, bytes: &[u8]) {
        let Some(entry) = self.get_mut(id) else {
            return;
        };
        if !entry.handshake.is_waiting() {
            return;
        }
        if entry.facts.hello_state == HelloState::Unseen {
            entry.facts.hello_state = HelloState::Partial;
        }
        if !self.make_hello_room(id, bytes.len() + CryptoStream::PIECE_BYTES) {
            return;
        }
        let Some(entry) = self.get_mut(id) else {
            return;
        };
        let before = entry.handshake.memory_bytes();
        let piece = entry.handshake.add(offset, bytes);
        // Fewer than before, where the piece closed a gap.
        let after = entry.handshake.memory_bytes();
        self.crypto_bytes = self.crypto_bytes - before + after;
        if after > 0 {
            self.hellos.push(id);
        }
        self.take_piece(id, piece);
    }

    fn take_piece(&mut self, id: u32, piece: Piece) {
        let Some(entry) = self.get_mut(id) else {
            return;
        };
        match piece {
            Piece::Pending => return,
            Piece::Refused => {
                self.counters.meet(Limit::CryptoOfOne);
                return;
            }
            Piece::Complete(Hello::Client(hello)) => {
                let client = Client::new(&hello);
                let is_cut = client.is_cut;
                entry.facts.hello = Some(Box::new(client));
                entry.facts.hello_state = HelloState::Read;
                if is_cut {
                    self.counters.meet(Limit::HelloFacts);
                }
            }
            Piece::Complete(Hello::Server(_)) | Piece::Unreadable => {
                entry.facts.hello_state = HelloState::Unreadable;
            }
        }
        self.forget_hello(id);
    }

    /// Takes a Retry: from then on the keys are those of its source (RFC 9001 section 5.2).
    pub(super) fn handle_retry(
        &mut self,
        at: &At,
        view: &LongView<'_>,
        owner: Option<Owner>,
    ) -> Outcome {
        let Some(owner) = owner.filter(|owner| owner.sender == Sender::Server) else {
            return self.handle_sealed(at, view, owner);
        };
        let Some(entry) = self.get_mut(owner.id) else {
            return Outcome::NoConnection;
        };
        let Some(original) = entry.handshake.key_dcid() else {
            return self.handle_sealed(at, view, Some(owner));
        };
        let known = entry.facts.server_cids.get(view.scid());
        if known.is_some_and(|known| known.origin == CidOrigin::Retry) {
            return Outcome::Matched;
        }
        let certainty = match verify_retry(view, original.as_bytes()) {
            Some(true) => Certainty::Proven,
            // Drafts before -25 have no tag.
            None if owner.is_matched => Certainty::Matched,
            _ => return Outcome::NotAuthentic,
        };
        let Some(scid) = ConnectionId::new(view.scid()) else {
            return Outcome::NotAuthentic;
        };
        // A client takes one Retry, and none once the server has answered its Initial.
        if entry.facts.server_cids.length().is_some() {
            return Outcome::NotAuthentic;
        }
        let version = view.header.version;
        let keys = InitialKeys::new(version, scid.as_bytes()).map(|keys| (version, keys));
        entry.handshake.begin(scid, keys);
        entry.facts.has_retry = true;
        self.touch(owner.id, at, Sender::Server);
        self.learn_both(at, view, owner, certainty);
        self.decode_long(owner.id, Sender::Server, view);
        match certainty {
            Certainty::Proven => Outcome::Proven,
            _ => Outcome::Matched,
        }
    }
}

impl Entry {
    /// Whether a client's Initial, opened with the keys of its own destination, begins this
    /// connection: 0-RTT packets came first, or the client begins anew in another version.
    fn is_begun_by(&self, view: &LongView<'_>) -> bool {
        let facts = &self.facts;
        if !self.handshake.has_keys() && facts.server_cids.get(view.dcid()).is_some() {
            return true;
        }
        let is_other_version = facts.version != Some(view.header.version);
        !facts.offered.is_empty() && is_other_version && facts.server_cids.length().is_none()
    }

    /// Whether it goes on after a Retry that was not seen: it has a token, and nothing else changed.
    fn is_resumed_by(&self, view: &LongView<'_>) -> bool {
        let facts = &self.facts;
        self.handshake.has_keys()
            && !view.token().is_empty()
            && facts.version == Some(view.header.version)
            && facts.client_cids.get(view.scid()).is_some()
            && facts.server_cids.length().is_none()
    }
}
