//! Shares of versions, backends and queues.

use super::{Connection, Connections};
use crate::sampling::Sampling;
use netweir_wire::{map::Count, packet::quic::Version};
use std::collections::BTreeMap;

/// How many connections, and what they sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Connections.
    pub connections: u64,
    /// What their clients sent, each packet once.
    pub from_clients: Count,
    /// What their servers sent, each packet once.
    pub from_servers: Count,
}

/// A backend or a queue: the number means something within its layout alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The name of the layout.
    pub layout: String,
    /// The number.
    pub number: u64,
}

/// Shares of versions, backends and queues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// By the version that is spoken; none where no long header was seen.
    pub versions: BTreeMap<Option<Version>, Share>,
    /// By backend; connections without one are in none.
    pub backends: BTreeMap<Place, Share>,
    /// By worker queue; connections without one are in none.
    pub queues: BTreeMap<Place, Share>,
}

impl Totals {
    pub(super) fn of(table: &Connections) -> Self {
        let mut totals = Self::default();
        table.iter().for_each(|connection| totals.add(connection));
        totals
    }

    pub(crate) fn add(&mut self, connection: &Connection) {
        let version = self.versions.entry(connection.version);
        version.or_default().add(connection);
        let Ok(named) = &connection.backend else {
            return;
        };
        for (numbers, number) in [
            (&mut self.backends, named.backend),
            (&mut self.queues, named.queue),
        ] {
            if let Some(number) = number {
                let layout = named.layout.clone();
                let share = numbers.entry(Place { layout, number });
                share.or_default().add(connection);
            }
        }
    }

    /// Multiplies what was counted of one frame in so many.
    pub(crate) fn scale(&mut self, sampling: Sampling) {
        let places = self.backends.values_mut().chain(self.queues.values_mut());
        for share in self.versions.values_mut().chain(places) {
            share.from_clients = sampling.count(share.from_clients);
            share.from_servers = sampling.count(share.from_servers);
        }
    }
}

impl Share {
    fn add(&mut self, connection: &Connection) {
        self.connections += 1;
        self.from_clients += connection.client_sent.once();
        self.from_servers += connection.server_sent.once();
    }
}
