//! What a view is asked for: which, in what order, how many.

use crate::{Filter, filter::Facts, rank::Rank};
use netweir_wire::map::FlowKey;
use std::{cmp::Ordering, fmt, net::IpAddr, str::FromStr};
use thiserror::Error;

/// Which flows, connections or hosts a view has, in what order, and how many of them.
///
/// The default asks for all, most bytes first.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Those alone that match; a connection does when either of its flows does.
    pub filter: Option<Filter>,
    /// Those alone that are on an interface of this name. Hosts are on no interface.
    pub interface: Option<String>,
    /// What they are ordered by; equal ones by their keys.
    pub sort: SortKey,
    /// Whether the greatest come first.
    pub descending: bool,
    /// No more than so many.
    pub limit: Option<usize>,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            filter: None,
            interface: None,
            sort: SortKey::Bytes,
            descending: true,
            limit: None,
        }
    }
}

impl Query {
    /// Whether nothing is left out for what it is, or where.
    pub(crate) const fn admits_all(&self) -> bool {
        self.filter.is_none() && self.interface.is_none()
    }

    /// Whether something on an interface of this name, any of whose flows may match, is asked for.
    #[expect(
        single_use_lifetimes,
        reason = "it cannot be elided inside `impl Trait`"
    )]
    pub(crate) fn admits<'a>(
        &self,
        interface: &str,
        flows: impl IntoIterator<Item = Facts<'a>>,
    ) -> bool {
        let matches = |filter: &Filter| {
            let mut flows = flows.into_iter();
            flows.any(|facts| filter.matches_facts(&facts))
        };
        self.interface
            .as_ref()
            .is_none_or(|wanted| wanted == interface)
            && self.filter.as_ref().is_none_or(matches)
    }
}

/// What a view is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SortKey {
    /// Bytes since the beginning, both directions.
    Bytes,
    /// Packets since the beginning, both directions.
    Packets,
    /// Bytes in a second in the last whole tick, both directions.
    Rate,
    /// Time of the first packet.
    First,
    /// Time of the last packet.
    Last,
    /// Source, or initiator: its address, then its port.
    Source,
    /// Destination, or responder: its address, then its port.
    Destination,
    /// Ethertype, then IP protocol number. Hosts have none.
    Protocol,
    /// Name of the label, what has none first. Hosts and QUIC connections have none.
    Label,
}

impl SortKey {
    /// Every key.
    pub const ALL: [Self; 9] = [
        Self::Bytes,
        Self::Packets,
        Self::Rate,
        Self::First,
        Self::Last,
        Self::Source,
        Self::Destination,
        Self::Protocol,
        Self::Label,
    ];

    /// The name that arguments and queries use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Packets => "packets",
            Self::Rate => "rate",
            Self::First => "first",
            Self::Last => "last",
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Protocol => "protocol",
            Self::Label => "label",
        }
    }
}

impl fmt::Display for SortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that names no [`SortKey`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "unknown sort key `{0}`: expected bytes, packets, rate, first, last, source, destination, \
     protocol or label"
)]
pub struct UnknownSortKey(pub String);

impl FromStr for SortKey {
    type Err = UnknownSortKey;

    fn from_str(word: &str) -> Result<Self, UnknownSortKey> {
        let is_named = |key: &Self| key.name().eq_ignore_ascii_case(word);
        let found = Self::ALL.into_iter().find(is_named);
        found.ok_or_else(|| UnknownSortKey(word.to_owned()))
    }
}

/// What decides between things of equal rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ThingKey {
    /// Of a flow, or of a connection by the initiator's.
    Flow(FlowKey),
    Host(IpAddr),
}

/// Something with its place in an order.
#[derive(Debug)]
pub(crate) struct Item<T> {
    pub(crate) rank: Rank,
    pub(crate) key: ThingKey,
    pub(crate) thing: T,
}

/// The order that a query asks for, and how many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    descending: bool,
    pub(crate) limit: usize,
}

impl Order {
    pub(crate) fn of(query: &Query) -> Self {
        Self {
            descending: query.descending,
            limit: query.limit.unwrap_or(usize::MAX),
        }
    }

    pub(crate) fn ranks(self, rank: Rank, other: Rank) -> Ordering {
        if self.descending {
            other.cmp(&rank)
        } else {
            rank.cmp(&other)
        }
    }

    pub(crate) fn items<T>(self, item: &Item<T>, other: &Item<T>) -> Ordering {
        let by_rank = self.ranks(item.rank, other.rank);
        by_rank.then_with(|| item.key.cmp(&other.key))
    }

    /// Keeps as many as were asked for, of which there are more; the last of them at the end.
    pub(crate) fn keep<T>(self, things: &mut Vec<T>, order: impl FnMut(&T, &T) -> Ordering) {
        // Nothing is sorted: what is kept is merely parted from the rest.
        if let Some(last) = self.limit.checked_sub(1) {
            things.select_nth_unstable_by(last, order);
        }
        things.truncate(self.limit);
    }
}
