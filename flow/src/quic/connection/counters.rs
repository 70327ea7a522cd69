//! What became of everything that came in.

use super::Resemblance;
use netweir_wire::map::Count;

/// What became of an event. The smaller, the more it told; a datagram of several packets counts by
/// the one that told most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// It is of a connection, and proves it.
    Proven = 0,
    /// It is of a connection, by a connection ID or by the 5-tuple of one that is more than a guess.
    Matched = 1,
    /// It is of a connection that is a guess, and nothing speaks against it.
    Guessed = 2,
    /// A connection began with it, and there was no room for it.
    Full = 3,
    /// It says that it is of a connection, and cannot be opened with the keys, or contradicts it.
    NotAuthentic = 4,
    /// It tells something of a connection that is not known.
    NoConnection = 5,
    /// It looks like something else than QUIC.
    NotQuic = 6,
    /// Its header goes past its end, or past what was captured.
    Unreadable = 7,
    /// The event itself has no known kind, or a flow that is not UDP over IP.
    Malformed = 8,
}

/// What there is a limit of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Limit {
    /// Connections that are proven or matched: servers have answered all of them, and the new one is
    /// not kept.
    Connections = 0,
    /// Guesses: the new one is not kept.
    Guesses = 1,
    /// Connection IDs of a side: one that was matched by path goes, or the new one is not kept.
    Cids = 2,
    /// 5-tuples of a connection: the oldest goes, of those first on which no server was heard.
    Paths = 3,
    /// Bytes of incomplete ClientHellos in all: the oldest is given up, or the piece is not kept.
    CryptoInAll = 4,
    /// Bytes or pieces of one ClientHello: the piece is not kept.
    CryptoOfOne = 5,
    /// Time for a ClientHello: it is not waited for.
    HelloTime = 6,
    /// What is kept of a ClientHello: long lists and values are cut.
    HelloFacts = 7,
    /// Packets of a datagram: those behind them are not read.
    Packets = 8,
    /// Initials of a connection: later ones are not opened.
    Initials = 9,
    /// Connections that no server has answered: the oldest goes.
    Unanswered = 10,
}

/// Counts since the start.
///
/// Every event is in exactly one of `outcomes`: their sum is `events`. What came in samples is in
/// connections that live, in those that ended, or in none: `received = live + ended + unclaimed`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events, whatever they were.
    pub events: u64,
    /// What became of them, by [`Outcome`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// What those looked like that were [`Outcome::NotQuic`], by [`Resemblance`].
    pub resemblances: [u64; Resemblance::ALL.len()],
    /// How often each limit was met, by [`Limit`].
    pub limits: [u64; Limit::ALL.len()],
    /// What came in samples.
    pub received: Count,
    /// What of it is in connections that live, guesses included.
    pub live: Count,
    /// What of it is in connections that ended.
    pub ended: Count,
    /// What of it had a 5-tuple of no connection.
    pub unclaimed: Count,
    /// Connections that were shown, and have ended: their time had come, or they made room.
    pub ended_connections: u64,
}

impl Outcome {
    /// Every outcome, in the order of its number.
    pub const ALL: [Self; 9] = [
        Self::Proven,
        Self::Matched,
        Self::Guessed,
        Self::Full,
        Self::NotAuthentic,
        Self::NoConnection,
        Self::NotQuic,
        Self::Unreadable,
        Self::Malformed,
    ];

    /// The name that views, metrics and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Matched => "matched",
            Self::Guessed => "guessed",
            Self::Full => "full",
            Self::NotAuthentic => "not_authentic",
            Self::NoConnection => "no_connection",
            Self::NotQuic => "not_quic",
            Self::Unreadable => "unreadable",
            Self::Malformed => "malformed",
        }
    }
}

impl Limit {
    /// Every limit, in the order of its number.
    pub const ALL: [Self; 11] = [
        Self::Connections,
        Self::Guesses,
        Self::Cids,
        Self::Paths,
        Self::CryptoInAll,
        Self::CryptoOfOne,
        Self::HelloTime,
        Self::HelloFacts,
        Self::Packets,
        Self::Initials,
        Self::Unanswered,
    ];

    /// The setting that says how much there is room for; none where that is fixed.
    pub const fn setting(self) -> Option<&'static str> {
        match self {
            Self::Connections | Self::Unanswered => Some("quic.max_connections"),
            Self::Guesses => Some("quic.max_guesses"),
            Self::CryptoInAll => Some("quic.max_hello_memory"),
            Self::Cids
            | Self::Paths
            | Self::CryptoOfOne
            | Self::HelloTime
            | Self::HelloFacts
            | Self::Packets
            | Self::Initials => None,
        }
    }

    /// The name that views, metrics and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Guesses => "guesses",
            Self::Cids => "cids",
            Self::Paths => "paths",
            Self::CryptoInAll => "crypto_in_all",
            Self::CryptoOfOne => "crypto_of_one",
            Self::HelloTime => "hello_time",
            Self::HelloFacts => "hello_facts",
            Self::Packets => "packets",
            Self::Initials => "initials",
            Self::Unanswered => "unanswered",
        }
    }
}

impl Counters {
    /// How many events had this outcome.
    pub const fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// How often this limit was met.
    pub const fn limit(&self, limit: Limit) -> u64 {
        self.limits[limit as usize]
    }

    /// The settings whose limits were met, each once, and how often: with greater ones more would be
    /// known.
    pub fn settings_met(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let settings = [Limit::Connections, Limit::Guesses, Limit::CryptoInAll];
        let met = settings.into_iter().filter_map(|one| {
            let setting = one.setting()?;
            let limits = Limit::ALL.into_iter();
            let of_it = limits.filter(|limit| limit.setting() == Some(setting));
            Some((setting, of_it.map(|limit| self.limit(limit)).sum()))
        });
        met.filter(|(_, times)| *times > 0)
    }

    /// How many events looked like this.
    pub const fn resemblance(&self, resemblance: Resemblance) -> u64 {
        self.resemblances[resemblance as usize]
    }

    pub(super) const fn meet(&mut self, limit: Limit) {
        self.limits[limit as usize] += 1;
    }
}
