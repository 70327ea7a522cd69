//! The table: events and samples in, connections out.

use super::{
    Certainty, Connection, Counters, HelloState, Limit, Outcome, Settings, Totals,
    due::Due,
    entry::{CidKey, Entry},
    path::{At, Path},
    queue::Queue,
};
use crate::{
    cumulative::take_back,
    quic::{Sender, layout::Layouts},
    rate::Ticks,
    slab::Slab,
};
use netweir_wire::map::{FlowKey, MAX_CID_BYTES, QuicEvent, QuicEventKind};
use std::{collections::HashMap, ops::Range, sync::Arc};

/// Every live connection, and what became of everything that came in.
pub struct Connections {
    pub(super) settings: Settings,
    pub(super) layouts: Arc<Layouts>,
    pub(super) entries: Slab<Option<Box<Entry>>>,
    pub(super) by_path: HashMap<Path, u32>,
    by_cid: HashMap<CidKey, u32>,
    /// How many connection IDs of each length `by_cid` has.
    lengths: [u32; MAX_CID_BYTES + 1],
    pub(super) due: Due,
    /// Guesses, and the others.
    pub(super) guesses: usize,
    pub(super) known: usize,
    /// Those of the others that no server has answered yet.
    pub(super) unanswered: Queue,
    /// Those whose clients go on as if it had, and of whose servers nothing was seen.
    pub(super) unheard: Queue,
    /// Bytes of memory that incomplete ClientHellos take.
    pub(super) crypto_bytes: usize,
    /// Whose they are.
    pub(super) hellos: Queue,
    pub(super) counters: Counters,
    /// The tick that rates are worked out by.
    pub(super) ticks: Ticks,
}

impl Connections {
    /// A table that knows nothing yet.
    pub fn new(settings: Settings, layouts: Arc<Layouts>) -> Self {
        let shortest_ns = settings.idle_ns.min(settings.unanswered_ns);
        Self {
            due: Due::new(shortest_ns.min(settings.hello_ns)),
            settings,
            layouts,
            entries: Slab::new(),
            by_path: HashMap::new(),
            by_cid: HashMap::new(),
            lengths: [0; MAX_CID_BYTES + 1],
            guesses: 0,
            known: 0,
            unanswered: Queue::default(),
            unheard: Queue::default(),
            crypto_bytes: 0,
            hellos: Queue::default(),
            counters: Counters::default(),
            ticks: Ticks::new(0),
        }
    }

    /// Takes an event, with the first bytes of its datagram.
    pub fn handle_event(&mut self, event: &QuicEvent, bytes: &[u8]) -> Outcome {
        let outcome = self.outcome_of(event, bytes);
        self.counters.events += 1;
        self.counters.outcomes[outcome as usize] += 1;
        outcome
    }

    fn outcome_of(&mut self, event: &QuicEvent, bytes: &[u8]) -> Outcome {
        let (Ok(kind), Some(at)) = (
            QuicEventKind::try_from(event.kind),
            At::new(&event.key, event.time_ns),
        ) else {
            return Outcome::Malformed;
        };
        let at = At {
            payload_bytes: event.payload_bytes,
            ..at
        };
        let bytes = bytes.get(..event.payload_bytes as usize).unwrap_or(bytes);
        match kind {
            QuicEventKind::Long => self.handle_long(&at, bytes),
            QuicEventKind::Short => self.handle_short(&at, bytes),
            QuicEventKind::Spin => self.handle_spin(&at, event),
        }
    }

    /// Lets connections go whose time has come; looks at no more than `at_most`. Returns how many it
    /// looked at.
    pub fn tick(&mut self, now_ns: u64, at_most: usize) -> usize {
        for looked_at in 0..at_most {
            let Some(ticket) = self.due.take(now_ns) else {
                return looked_at;
            };
            let Some(id) = ticket else { continue };
            let due_ns = self.get(id).map(|entry| self.due_ns(&entry.facts));
            if due_ns.is_some_and(|due_ns| due_ns <= now_ns) {
                self.remove(id);
                continue;
            }
            self.check_hello(id, now_ns);
            self.queue(id);
        }
        at_most
    }

    /// Connections that may be called QUIC, in no particular order: proven, matched, and guesses
    /// that look right.
    pub fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.all().filter(|connection| connection.is_shown())
    }

    /// The same, and guesses that are undecided or found to be something else.
    pub fn all(&self) -> impl Iterator<Item = &Connection> {
        self.range(0..self.end()).map(|(_, connection)| connection)
    }

    /// The connection that has the 5-tuple of a flow now, shown or not.
    pub(crate) fn find(&self, key: &FlowKey) -> Option<&Connection> {
        let at = At::new(key, 0)?;
        self.at(self.find_path(&at.path)?)
    }

    /// The connection of this number, if there is one.
    pub(crate) fn at(&self, id: u32) -> Option<&Connection> {
        Some(&self.get(id)?.facts)
    }

    /// All connections whose numbers are in this range, with their numbers.
    pub(crate) fn range(&self, range: Range<u32>) -> impl Iterator<Item = (u32, &Connection)> {
        let entries = self.entries.range(range);
        entries.filter_map(|(id, entry)| Some((id, &entry.as_deref()?.facts)))
    }

    /// All numbers are below this one.
    pub(crate) fn end(&self) -> u32 {
        self.entries.end()
    }

    /// What became of everything that came in.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Shares of versions, backends and queues, of the connections that [`Self::iter`] has.
    pub fn totals(&self) -> Totals {
        Totals::of(self)
    }

    /// Bytes of memory that ClientHellos take which are not complete yet.
    pub const fn crypto_bytes(&self) -> usize {
        self.crypto_bytes
    }

    /// Live connections, and guesses.
    pub const fn len(&self) -> (usize, usize) {
        (self.known, self.guesses)
    }

    /// Whether nothing at all is there.
    pub const fn is_empty(&self) -> bool {
        self.known + self.guesses == 0
    }

    /// 5-tuples and connection IDs that connections are found by.
    pub fn indexed(&self) -> (usize, usize) {
        (self.by_path.len(), self.by_cid.len())
    }

    pub(super) fn due_ns(&self, facts: &Connection) -> u64 {
        let idle_ns = if facts.certainty > Certainty::Guessed && facts.is_answered() {
            self.settings.idle_ns
        } else {
            self.settings.unanswered_ns.min(self.settings.idle_ns)
        };
        facts.last_ns.saturating_add(idle_ns)
    }

    /// Has a connection looked at when the first of its time-outs may be over.
    fn queue(&mut self, id: u32) {
        let Some(entry) = self.get(id) else {
            return;
        };
        let mut due_ns = self.due_ns(&entry.facts);
        if entry.handshake.is_waiting() {
            due_ns = due_ns.min(entry.facts.first_ns.saturating_add(self.settings.hello_ns));
        }
        self.due.queue(due_ns, id);
    }

    /// Gives up on a ClientHello that takes too long.
    pub(super) fn check_hello(&mut self, id: u32, now_ns: u64) {
        let hello_ns = self.settings.hello_ns;
        let Some(entry) = self.get_mut(id) else {
            return;
        };
        let is_late = now_ns.saturating_sub(entry.facts.first_ns) >= hello_ns;
        if is_late && entry.handshake.is_waiting() {
            if matches!(entry.facts.hello_state, HelloState::Partial) {
                entry.facts.hello_state = HelloState::TimedOut;
            }
            self.forget_hello(id);
            self.counters.meet(Limit::HelloTime);
        }
    }

    /// Frees what is there of a ClientHello.
    pub(super) fn forget_hello(&mut self, id: u32) {
        self.hellos.remove(id);
        let Some(entry) = self.get_mut(id) else {
            return;
        };
        let bytes = entry.handshake.memory_bytes();
        entry.handshake.forget_hello();
        self.crypto_bytes -= bytes;
    }

    pub(super) fn get(&self, id: u32) -> Option<&Entry> {
        self.entries[id].as_deref()
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Entry> {
        self.entries[id].as_deref_mut()
    }

    pub(super) fn find_path(&self, path: &Path) -> Option<u32> {
        self.by_path.get(path).copied()
    }

    pub(super) fn find_cid(&self, key: &CidKey) -> Option<u32> {
        self.by_cid.get(key).copied()
    }

    /// Lengths that connection IDs have, the longest first; never 0.
    pub(super) fn cid_lengths(&self) -> impl Iterator<Item = usize> + use<> {
        let lengths = self.lengths;
        let in_use = move |length: &usize| lengths[*length] > 0;
        (1..=MAX_CID_BYTES).rev().filter(in_use)
    }

    /// Has a connection found by an ID; whoever is found by it already stays.
    pub(super) fn add_cid(&mut self, id: u32, key: CidKey) {
        if key.cid.is_empty() || self.by_cid.contains_key(&key) {
            return;
        }
        self.by_cid.insert(key, id);
        self.lengths[key.cid.length()] += 1;
    }

    pub(super) fn remove_cid(&mut self, id: u32, key: &CidKey) {
        if self.by_cid.get(key) == Some(&id) {
            self.by_cid.remove(key);
            self.lengths[key.cid.length()] -= 1;
        }
    }

    pub(super) fn remove(&mut self, id: u32) {
        self.forget_hello(id);
        self.unanswered.remove(id);
        self.unheard.remove(id);
        let Some(entry) = self.entries.remove(id) else {
            return;
        };
        for path in entry.paths() {
            self.remove_path(id, path);
        }
        for side in [Sender::Client, Sender::Server] {
            for known in entry.facts.cids_of(side).iter() {
                self.remove_cid(id, &entry.cid_key(side, known.cid));
            }
        }
        match entry.facts.certainty {
            Certainty::Guessed => self.guesses -= 1,
            _ => self.known -= 1,
        }
        let sum = entry.facts.sum();
        self.counters.ended += sum;
        self.counters.live = take_back(self.counters.live, sum);
        if entry.facts.is_shown() {
            self.counters.ended_connections += 1;
        }
    }
}
