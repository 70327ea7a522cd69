//! Who gets a place in the table.
//!
//! An Initial is made by anybody, from any address; an answer comes within a round trip. So those that
//! no server has answered have a part of the room, and one of them makes place for the next: however
//! many come, a real connection has the time that it takes as many others to come as there is room for.
//! Where the server is not seen, clients that go on as if it had answered have what room is left, and
//! make place for each other. Whom a server was heard to answer stays.

use super::{Certainty, Connections, HelloState, Limit, entry::Entry, path::At};
use crate::quic::Sender;

/// One in so many places may be taken by connections that no server has answered.
const UNANSWERED_PART: usize = 2;
/// ClientHellos that are given up for one piece of another.
const MAX_GIVEN_UP: usize = 8;

impl Connections {
    /// Makes a connection that has the 5-tuple of a datagram from now on; none where there is no
    /// room.
    pub(super) fn open(&mut self, at: &At, sender: Sender, certainty: Certainty) -> Option<u32> {
        let is_known = certainty > Certainty::Guessed;
        if is_known {
            if !self.make_room(false) {
                return None;
            }
            self.known += 1;
        } else {
            if self.guesses >= self.settings.limits.guesses {
                self.counters.meet(Limit::Guesses);
                return None;
            }
            self.guesses += 1;
        }
        let mut entry = Box::new(Entry::new(at, sender));
        entry.facts.certainty = certainty;
        let due_ns = self.due_ns(&entry.facts);
        let id = self.entries.insert(Some(entry));
        if is_known {
            self.unanswered.push(id);
        }
        self.begin_path(id, at);
        let hello_ns = at.time_ns.saturating_add(self.settings.hello_ns);
        self.due.queue(due_ns.min(hello_ns), id);
        Some(id)
    }

    /// Makes sure that there is room for one that is more than a guess: where there is none, the oldest
    /// one goes whose server was not heard.
    pub(super) fn make_room(&mut self, is_heard: bool) -> bool {
        let limit = self.settings.limits.connections;
        let is_crowded = self.unanswered.len() >= limit.div_ceil(UNANSWERED_PART);
        if self.known < limit && (is_heard || !is_crowded) {
            return true;
        }
        let (unanswered, unheard) = (self.unanswered.first(), self.unheard.first());
        let oldest = match is_crowded {
            true => unanswered.or(unheard),
            false => unheard.or(unanswered),
        };
        let Some(oldest) = oldest else {
            self.counters.meet(Limit::Connections);
            return false;
        };
        self.counters.meet(Limit::Unanswered);
        self.remove(oldest);
        true
    }

    /// Raises the certainty of a connection, if there is room for it.
    pub(super) fn raise(&mut self, id: u32, certainty: Certainty) {
        let Some(entry) = self.get(id) else {
            return;
        };
        let (before, is_heard) = (entry.facts.certainty, entry.is_heard);
        let was_guess = before == Certainty::Guessed;
        if certainty <= before || (was_guess && !self.make_room(is_heard)) {
            return;
        }
        if was_guess {
            self.guesses -= 1;
            self.known += 1;
            self.unanswered.push(id);
        }
        if let Some(entry) = self.get_mut(id) {
            entry.facts.certainty = certainty;
        }
        self.note_answer(id);
    }

    /// Takes note of an answer of the server, if it was heard or the client goes on as if it were.
    pub(super) fn note_answer(&mut self, id: u32) {
        let Some(entry) = self.get(id) else {
            return;
        };
        let (is_heard, is_answered) = (entry.is_heard, entry.facts.is_answered());
        if is_heard {
            self.unanswered.remove(id);
            self.unheard.remove(id);
        } else if is_answered && self.unanswered.remove(id) {
            self.unheard.push(id);
        }
    }

    /// Makes sure that there is room for so many bytes of a ClientHello: where there is none, the oldest
    /// ones are given up that are not complete.
    pub(super) fn make_hello_room(&mut self, id: u32, bytes: usize) -> bool {
        let limit = self.settings.limits.crypto_bytes;
        for _ in 0..MAX_GIVEN_UP {
            if self.crypto_bytes.saturating_add(bytes) <= limit {
                return true;
            }
            self.counters.meet(Limit::CryptoInAll);
            let Some(oldest) = self.hellos.first().filter(|oldest| *oldest != id) else {
                return false;
            };
            if let Some(entry) = self.get_mut(oldest) {
                entry.facts.hello_state = HelloState::NoRoom;
            }
            self.forget_hello(oldest);
        }
        false
    }
}
