//! What was counted of flows: how much connections sent, and how fast.

use super::{Connections, entry::Entry, path::At};
use crate::{Rate, Sample, quic::Sender, rate::Ticks};
use netweir_wire::map::{Direction, Volume};

/// Sides, and directions of each: what rates are kept of.
pub(super) const PULSES: usize = 4;

impl Connections {
    /// Adds what was counted of a flow that may be QUIC to the connection that has its 5-tuple now.
    pub fn add_sample(&mut self, sample: &Sample) {
        let count = sample.counters.count();
        self.counters.received += count;
        let at = At::new(&sample.key, sample.counters.last_ns);
        let Some((at, id)) = at.and_then(|at| Some((at, self.find_path(&at.path)?))) else {
            self.counters.unclaimed += count;
            return;
        };
        self.counters.live += count;
        let ticks = self.ticks;
        let Some(entry) = self.get_mut(id) else {
            return;
        };
        let facts = &mut entry.facts;
        let sender = facts.sender(at.source);
        let sent = match sender {
            Sender::Client => &mut facts.client_sent,
            Sender::Server => &mut facts.server_sent,
        };
        sent.add(at.direction, count);
        facts.last_ns = facts.last_ns.max(at.time_ns);
        let pulse = pulse_of(sender, at.direction);
        entry.pulse.add(ticks, pulse, count.volume());
        if sender == Sender::Server && count.packets > 0 {
            self.hear_server(id, &at.path);
        }
    }

    /// Begins a tick: rates are those of the one before.
    pub(crate) const fn begin_tick(&mut self, ticks: Ticks) {
        self.ticks = ticks;
    }

    /// How fast one side of a connection sent in the last whole tick, each packet once.
    pub(crate) fn rate(&self, id: u32, sender: Sender) -> Rate {
        Rate::of(self.last(id, sender), self.ticks.interval_ns)
    }

    /// What one side of a connection sent in the last whole tick, each packet once.
    pub(crate) fn last(&self, id: u32, sender: Sender) -> Volume {
        let entry = self.get(id);
        entry.map_or(Volume::ZERO, |entry| entry.last(sender, self.ticks))
    }
}

impl Entry {
    fn last(&self, sender: Sender, ticks: Ticks) -> Volume {
        let direction = self.facts.sent_of(sender).direction();
        self.pulse.last(ticks, pulse_of(sender, direction))
    }
}

const fn pulse_of(sender: Sender, direction: Direction) -> usize {
    2 * sender as usize + matches!(direction, Direction::Egress) as usize
}
