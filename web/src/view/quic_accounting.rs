//! Shares of QUIC traffic, and where everything went that has to do with it, as JSON has them.

use super::{Count, QuicConnection, QuicRoute, Volume, quic_route::hex_number};
use netweir_flow::quic::{
    self,
    connection::{self, Limit, Outcome, Resemblance},
};
use netweir_wire::map::{QuicEventKind, QuicLoss, Undecoded};
use serde::Serialize;
use std::{cmp::Reverse, collections::BTreeMap};
use utoipa::ToSchema;

/// QUIC: connections, what they share, and where everything went.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Quic {
    /// Whether QUIC is looked for at all (`ports.quic`).
    pub enabled: bool,
    /// The connections that were asked for, in that order.
    pub connections: Vec<QuicConnection>,
    /// Live connections by version, most bytes first.
    pub versions: Vec<QuicVersionShare>,
    /// Live connections by backend, most bytes first.
    pub backends: Vec<QuicShare>,
    /// Live connections by worker queue, most bytes first.
    pub queues: Vec<QuicShare>,
    /// Short headers of clients by what their connection IDs name, most bytes first: counted in the
    /// kernel packet by packet since the start, whether their connection is known or not.
    pub counted: Vec<QuicCounted>,
    /// Where everything went.
    pub accounting: QuicAccounting,
}

/// What the connections of a version, a backend or a queue sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuicTraffic {
    /// How many there are.
    pub connections: u64,
    /// What their clients sent, each packet once.
    pub client_sent: Count,
    /// What their servers sent, each packet once.
    pub server_sent: Count,
}

/// The share of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuicVersionShare {
    /// The version; null where no long header was seen.
    #[schema(example = "v1")]
    pub version: Option<String>,
    /// Its number.
    pub version_number: Option<u32>,
    /// What its connections sent.
    #[serde(flatten)]
    pub traffic: QuicTraffic,
}

/// The share of a backend or a worker queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuicShare {
    /// The layout within which the number means something.
    #[schema(example = "telementry")]
    pub layout: String,
    /// The number of the backend or the queue.
    pub number: u64,
    /// The same as hexadecimal digits, for readers whose numbers have no 64 bits.
    #[schema(example = "0x12c")]
    pub number_hex: String,
    /// What its connections sent.
    #[serde(flatten)]
    pub traffic: QuicTraffic,
}

/// Short headers that go to a backend and a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuicCounted {
    /// The layout that says so.
    #[schema(example = "telementry")]
    pub layout: String,
    /// Backend and queue.
    #[serde(flatten)]
    pub route: QuicRoute,
    /// Datagrams, and bytes of their UDP payloads; nothing is multiplied where frames are sampled.
    #[serde(flatten)]
    pub volume: Volume,
}

/// Where everything went that has to do with QUIC, since the start. Nothing is multiplied where frames
/// are sampled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuicAccounting {
    /// Datagrams between QUIC ports that begin with a long header: told, or lost by reason.
    pub long: u64,
    /// Datagrams that begin with a short one.
    pub short: u64,
    /// Events that the kernel told, by kind: `long`, `short`, `spin`.
    pub told: BTreeMap<&'static str, u64>,
    /// Long headers that were not told, by reason.
    pub lost: BTreeMap<&'static str, u64>,
    /// Short headers that were counted by backend and queue.
    pub decoded: u64,
    /// Those that the kernel had no room for.
    pub no_room: u64,
    /// The others, by reason; without layouts none are looked at.
    pub undecoded: BTreeMap<&'static str, u64>,
    /// Events that came in; the outcomes together.
    pub events: u64,
    /// What became of them.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// What those looked like that were `not_quic`.
    pub resemblances: BTreeMap<&'static str, u64>,
    /// How often each limit was met.
    pub limits: BTreeMap<&'static str, u64>,
    /// What came in samples of flows on QUIC ports: `live + ended + unclaimed`.
    pub received: Count,
    /// As much of it as is in connections that live, guesses included.
    pub live: Count,
    /// As much of it as is in connections that ended.
    pub ended: Count,
    /// As much of it as had the 5-tuple of no connection.
    pub unclaimed: Count,
    /// Live connections that are proven or matched.
    pub live_connections: usize,
    /// Live guesses, those that are not shown included.
    pub live_guesses: usize,
    /// Connections that were shown and have ended.
    pub ended_connections: u64,
    /// Backends and queues that were counted by.
    pub backends: usize,
    /// Short headers that belonged to more of them than there is room for.
    pub backends_full: Volume,
    /// Short headers that belonged to backends and queues which were idle, and made room for others.
    pub backends_forgotten: Volume,
}

impl Quic {
    /// QUIC where it is off.
    pub fn off() -> Self {
        Self {
            enabled: false,
            connections: Vec::new(),
            versions: Vec::new(),
            backends: Vec::new(),
            queues: Vec::new(),
            counted: Vec::new(),
            accounting: QuicAccounting::default(),
        }
    }

    /// Takes shares over; of each kind as many as `limit`.
    pub fn add_totals(&mut self, totals: &connection::Totals, limit: usize) {
        let versions = totals
            .versions
            .iter()
            .map(|(version, share)| QuicVersionShare {
                version: version.map(|version| version.to_string()),
                version_number: version.map(|version| version.0),
                traffic: share.into(),
            });
        self.versions = most(versions, limit, |share| share.traffic.bytes());
        let of = |places: &BTreeMap<connection::Place, connection::Share>| {
            let shares = places.iter().map(|(place, share)| QuicShare {
                layout: place.layout.clone(),
                number: place.number,
                number_hex: hex_number(place.number),
                traffic: share.into(),
            });
            most(shares, limit, |share| share.traffic.bytes())
        };
        self.backends = of(&totals.backends);
        self.queues = of(&totals.queues);
    }

    /// Takes over what was counted by backend and queue, no more than `limit`.
    pub fn add_counted(&mut self, counted: &[quic::Counted], limit: usize) {
        let counted = counted.iter().map(|one| QuicCounted {
            layout: one.layout.clone(),
            route: QuicRoute::new(one.backend, one.queue),
            volume: one.volume.into(),
        });
        self.counted = most(counted, limit, |one| one.volume.bytes);
    }
}

impl QuicTraffic {
    const fn bytes(&self) -> u64 {
        self.client_sent
            .bytes
            .saturating_add(self.server_sent.bytes)
    }
}

impl From<&connection::Share> for QuicTraffic {
    fn from(share: &connection::Share) -> Self {
        Self {
            connections: share.connections,
            client_sent: share.from_clients.into(),
            server_sent: share.from_servers.into(),
        }
    }
}

impl From<&quic::Accounting> for QuicAccounting {
    fn from(accounting: &quic::Accounting) -> Self {
        let quic::Accounting { kernel, table, .. } = accounting;
        let kinds = QuicEventKind::ALL.map(kind_name);
        Self {
            long: kernel.long,
            short: kernel.short,
            told: named(kinds, kernel.told),
            lost: named(QuicLoss::ALL.map(QuicLoss::name), kernel.lost),
            decoded: kernel.decoded,
            no_room: kernel.no_room,
            undecoded: named(Undecoded::ALL.map(Undecoded::name), kernel.undecoded),
            events: table.events,
            outcomes: named(Outcome::ALL.map(Outcome::name), table.outcomes),
            resemblances: named(Resemblance::ALL.map(Resemblance::name), table.resemblances),
            limits: named(Limit::ALL.map(Limit::name), table.limits),
            received: table.received.into(),
            live: table.live.into(),
            ended: table.ended.into(),
            unclaimed: table.unclaimed.into(),
            live_connections: accounting.connections,
            live_guesses: accounting.guesses,
            ended_connections: accounting.ended,
            backends: accounting.backends,
            backends_full: accounting.backends_full.into(),
            backends_forgotten: accounting.backends_forgotten.into(),
        }
    }
}

const fn kind_name(kind: QuicEventKind) -> &'static str {
    match kind {
        QuicEventKind::Long => "long",
        QuicEventKind::Short => "short",
        QuicEventKind::Spin => "spin",
    }
}

fn named<const N: usize>(
    names: [&'static str; N],
    counts: [u64; N],
) -> BTreeMap<&'static str, u64> {
    names.into_iter().zip(counts).collect()
}

/// As many as `limit`, those with the most bytes first; equal ones stay in their order.
fn most<T>(all: impl Iterator<Item = T>, limit: usize, bytes: impl Fn(&T) -> u64) -> Vec<T> {
    let mut all: Vec<T> = all.collect();
    all.sort_by_key(|one| Reverse(bytes(one)));
    all.truncate(limit);
    all
}
