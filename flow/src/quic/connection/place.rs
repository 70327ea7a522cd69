//! Where a connection is: its 5-tuples, and when a new one counts as a move.
//!
//! Who has seen a connection's IDs can send packets with them from any address. A server sends where its
//! client is, and nowhere else for long (RFC 9000 section 9.3): so a client has moved when its server
//! was seen to answer it there. Before that a new 5-tuple is kept, for what was counted on it belongs to
//! the connection if it moved; it is the first to go for others, it takes nothing from another
//! connection, and nothing is learnt on it.

use super::{
    Certainty, Connections, Limit,
    entry::Entry,
    path::{At, Path},
};
use crate::quic::Sender;
use std::net::SocketAddr;

/// A 5-tuple of a connection.
#[derive(Debug)]
pub(super) struct KnownPath {
    path: Path,
    /// The client's end.
    client: SocketAddr,
    /// When it was seen first.
    first_ns: u64,
    /// Whether the connection began on it, or the server was seen to send on it.
    is_answered: bool,
}

impl Connections {
    /// Has a connection begin on a 5-tuple.
    pub(super) fn begin_path(&mut self, id: u32, at: &At) {
        if let Some(entry) = self.get_mut(id) {
            let client = entry.facts.client;
            entry.paths.push(KnownPath {
                path: at.path,
                client,
                first_ns: at.time_ns,
                is_answered: true,
            });
        }
        self.take_path(id, &at.path);
    }

    /// Takes note of where a connection's packet was seen, which may be a new 5-tuple.
    pub(super) fn follow(&mut self, id: u32, at: &At, sender: Sender) {
        let client = match sender {
            Sender::Client => at.source,
            Sender::Server => at.destination,
        };
        let Some(entry) = self.get_mut(id) else {
            return;
        };
        if !entry.has_path(&at.path) {
            self.try_path(id, at, client);
        } else if sender == Sender::Client && entry.is_answered_on(&at.path) {
            entry.facts.client = client;
        }
        if self.may_take(id, &at.path) {
            self.take_path(id, &at.path);
        }
        self.touch(id, at, sender);
    }

    /// Takes note that the server sent on a 5-tuple: if it is a new one, the client has moved there.
    pub(super) fn note_path_answer(&mut self, id: u32, path: &Path) {
        let Some(entry) = self.get_mut(id) else {
            return;
        };
        let mut new = entry.paths.iter_mut().filter(|known| !known.is_answered);
        let Some(known) = new.find(|known| known.path == *path) else {
            return;
        };
        known.is_answered = true;
        let (client, first_ns) = (known.client, known.first_ns);
        let from = std::mem::replace(&mut entry.facts.client, client);
        entry.facts.moves.add(first_ns, from, client);
        self.take_path(id, path);
    }

    /// Keeps a new 5-tuple until it is known whether the client has moved there.
    fn try_path(&mut self, id: u32, at: &At, client: SocketAddr) {
        let limit = self.settings.limits.paths.max(2);
        let Some(entry) = self.get_mut(id) else {
            return;
        };
        let dropped = (entry.paths.len() >= limit)
            .then(|| entry.drop_path())
            .flatten();
        entry.paths.push(KnownPath {
            path: at.path,
            client,
            first_ns: at.time_ns,
            is_answered: false,
        });
        if let Some(dropped) = dropped {
            self.remove_path(id, &dropped);
            self.counters.meet(Limit::Paths);
        }
    }

    /// Whether a 5-tuple is, or may be, this connection's rather than another's that has it.
    fn may_take(&self, id: u32, path: &Path) -> bool {
        let other = self.find_path(path).and_then(|other| self.at(other));
        let is_free = other.is_none_or(|other| other.certainty == Certainty::Guessed);
        is_free || self.get(id).is_some_and(|entry| entry.is_answered_on(path))
    }

    /// Gives a 5-tuple to a connection.
    fn take_path(&mut self, id: u32, path: &Path) {
        if let Some(other) = self.by_path.insert(*path, id).filter(|other| *other != id) {
            for id in [id, other] {
                if let Some(entry) = self.get_mut(id) {
                    entry.facts.shares_path = true;
                }
            }
        }
    }

    pub(super) fn remove_path(&mut self, id: u32, path: &Path) {
        if self.by_path.get(path) == Some(&id) {
            self.by_path.remove(path);
        }
    }
}

impl Entry {
    pub(super) fn has_path(&self, path: &Path) -> bool {
        self.paths.iter().any(|known| known.path == *path)
    }

    /// Whether the client surely was there.
    pub(super) fn is_answered_on(&self, path: &Path) -> bool {
        let mut answered = self.paths.iter().filter(|known| known.is_answered);
        answered.any(|known| known.path == *path)
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter().map(|known| &known.path)
    }

    /// Makes room for a 5-tuple: the oldest goes on which no server was heard, else the oldest where the
    /// client is not.
    fn drop_path(&mut self) -> Option<Path> {
        let client = self.facts.client;
        let mut paths = self.paths.iter();
        let unanswered = paths.position(|known| !known.is_answered);
        let place =
            unanswered.or_else(|| self.paths.iter().position(|known| known.client != client));
        Some(self.paths.remove(place?).path)
    }
}
