//! Who gets a place in the table.

use super::{Certainty, Connections, Limit, entry::Entry, path::At};
use crate::quic::Sender;

impl Connections {
    /// Makes a connection that has the 5-tuple of a datagram from now on; none where there is no
    /// room.
    pub(super) fn open(&mut self, at: &At, sender: Sender, certainty: Certainty) -> Option<u32> {
        if certainty > Certainty::Guessed {
            if !self.has_room() {
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
        self.add_path(id, at.path);
        let hello_ns = at.time_ns.saturating_add(self.settings.hello_ns);
        self.expiry.queue(due_ns.min(hello_ns), id);
        Some(id)
    }

    /// Makes sure that there is room for one that is more than a guess.
    pub(super) const fn has_room(&mut self) -> bool {
        let has_room = self.known < self.settings.limits.connections;
        if !has_room {
            self.counters.meet(Limit::Connections);
        }
        has_room
    }

    /// Raises the certainty of a connection, if there is room for it.
    pub(super) fn raise(&mut self, id: u32, certainty: Certainty) {
        let Some(before) = self.get(id).map(|entry| entry.facts.certainty) else {
            return;
        };
        if certainty <= before || (before == Certainty::Guessed && !self.has_room()) {
            return;
        }
        if before == Certainty::Guessed {
            self.guesses -= 1;
            self.known += 1;
        }
        if let Some(entry) = self.get_mut(id) {
            entry.facts.certainty = certainty;
        }
    }
}
