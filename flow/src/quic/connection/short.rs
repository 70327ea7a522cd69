//! Short headers and spin bits: what the kernel programs tell now and then of what they count.

use super::{
    Certainty, CidOrigin, ConnectionId, Connections, KnownCid, Outcome, Resemblance, Standing,
    accept::Told, path::At,
};
use crate::quic::Sender;
use netweir_wire::map::QuicEvent;

impl Connections {
    pub(super) fn handle_short(&mut self, at: &At, bytes: &[u8]) -> Outcome {
        if let Some(outcome) = self.short_by_cid(at, bytes) {
            return outcome;
        }
        if let Some(resemblance) = Resemblance::of_short(bytes, at.payload_bytes) {
            return self.contradict(at, resemblance);
        }
        let id = self.find_path(&at.path).or_else(|| {
            let sender = match at.is_from_server(&self.settings.ports) {
                true => Sender::Server,
                false => Sender::Client,
            };
            self.open(at, sender, Certainty::Guessed)
        });
        match id {
            Some(id) => self.short_by_path(id, at, bytes),
            None => Outcome::Full,
        }
    }

    /// Takes the last packet of a datagram that began with long headers.
    pub(super) fn short_behind_long(&mut self, at: &At, bytes: &[u8]) -> Outcome {
        let outcome = self.short_by_cid(at, bytes);
        outcome.unwrap_or(Outcome::NoConnection)
    }

    /// Takes a short header whose ID is known; its length is tried from the connections' IDs.
    fn short_by_cid(&mut self, at: &At, bytes: &[u8]) -> Option<Outcome> {
        let behind = bytes.get(1..)?;
        let on_path = self.find_path(&at.path).and_then(|id| {
            let facts = &self.get(id)?.facts;
            let sender = facts.sender(at.source);
            let known = facts.cids_of(sender.peer()).addressed(behind)?;
            Some((id, sender, *known))
        });
        let (id, sender, known) = on_path.or_else(|| self.find_short(at, behind))?;
        self.follow(id, at, sender);
        if known.is_told() {
            self.raise(id, Certainty::Matched);
        }
        if sender == Sender::Client {
            self.decode_short(id, Some(known.cid), behind);
        }
        let is_guess = self.get(id)?.facts.certainty == Certainty::Guessed;
        Some(match is_guess {
            true => Outcome::Guessed,
            false => Outcome::Matched,
        })
    }

    fn find_short(&self, at: &At, behind: &[u8]) -> Option<(u32, Sender, KnownCid)> {
        for length in self.cid_lengths() {
            let Some(cid) = behind.get(..length).and_then(ConnectionId::new) else {
                continue;
            };
            for sender in [Sender::Client, Sender::Server] {
                let Some(owner) = self.owner_by_cid(at, cid, sender) else {
                    continue;
                };
                let entry = self.get(owner.id)?;
                let known = entry.facts.cids_of(sender.peer()).get(cid.as_bytes())?;
                if owner.is_matched || (known.is_of_owner() && entry.has_path(&at.path)) {
                    return Some((owner.id, sender, *known));
                }
            }
        }
        None
    }

    /// Takes a short header whose ID is not known, on a 5-tuple that is.
    fn short_by_path(&mut self, id: u32, at: &At, bytes: &[u8]) -> Outcome {
        let Some((first, behind)) = bytes.split_first() else {
            return Outcome::Unreadable;
        };
        let Some(entry) = self.get_mut(id) else {
            return Outcome::NoConnection;
        };
        let facts = &mut entry.facts;
        let is_guess = facts.certainty == Certainty::Guessed;
        if is_guess && let Standing::NotQuic(resemblance) = facts.standing {
            return self.contradict(at, resemblance);
        }
        let sender = facts.sender(at.source);
        let length = facts.cids_of(sender.peer()).length();
        let is_enough = entry.guess.add_short(*first);
        if is_guess && is_enough && facts.first_version.is_none() {
            facts.standing = Standing::Candidate;
        }
        self.touch(id, at, sender);
        let (certainty, outcome) = match is_guess {
            true => (Certainty::Guessed, Outcome::Guessed),
            false => (Certainty::Matched, Outcome::Matched),
        };
        // Of a 5-tuple on which no server was heard nobody knows whether the client is there.
        if self
            .get(id)
            .is_none_or(|entry| !entry.is_answered_on(&at.path))
        {
            return outcome;
        }
        let cid = length.and_then(|length| behind.get(..length));
        if let Some(cid) = cid {
            let told = Told {
                side: sender.peer(),
                origin: CidOrigin::Path,
                certainty,
            };
            self.learn(id, at, cid, told);
        }
        if sender == Sender::Client {
            self.decode_short(id, cid.and_then(ConnectionId::new), behind);
        }
        outcome
    }

    pub(super) fn handle_spin(&mut self, at: &At, event: &QuicEvent) -> Outcome {
        let entry = self.find_path(&at.path).and_then(|id| self.get_mut(id));
        let Some(entry) = entry else {
            return Outcome::NoConnection;
        };
        let facts = &mut entry.facts;
        facts.last_ns = facts.last_ns.max(at.time_ns);
        match facts.sender(at.source) {
            Sender::Client => facts.client_spin.add(&event.spin, at.time_ns),
            Sender::Server => facts.server_spin.add(&event.spin, at.time_ns),
        }
        match facts.certainty {
            Certainty::Guessed => Outcome::Guessed,
            _ => Outcome::Matched,
        }
    }
}
