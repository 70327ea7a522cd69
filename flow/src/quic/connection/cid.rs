//! Connection IDs, and where each is known from.

use super::Certainty;
use netweir_wire::packet::quic::MAX_CID_BYTES;
use std::fmt;

/// Shorter IDs come by chance too often: they mean something with their 5-tuple alone.
const DISTINCT_BYTES: usize = 4;

/// A connection ID of up to [`MAX_CID_BYTES`]; unknown versions may have longer ones, which are not
/// kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    length: u8,
    /// Zeros behind the length.
    bytes: [u8; MAX_CID_BYTES],
}

/// Where a connection ID is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CidOrigin {
    /// The client made it up for the server, to send its first packets to.
    ClientFirst,
    /// The server chose it in a Retry.
    Retry,
    /// Its owner told it in the handshake: the source of a long header.
    Source,
    /// Its owner must have told it, if this is QUIC: the destination of a long header that only goes to
    /// such an ID. That it did, nobody has seen.
    Destination,
    /// It came on a 5-tuple of the connection, with the length that its owner's IDs have: matched by
    /// path. New IDs are told in encrypted frames alone.
    Path,
}

/// A connection ID that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownCid {
    /// Its bytes.
    pub cid: ConnectionId,
    /// Where it is known from.
    pub origin: CidOrigin,
    /// How sure it is that it is one of this side's IDs.
    pub certainty: Certainty,
    /// When it was seen first, nanoseconds of the events' clock.
    pub first_ns: u64,
}

/// The connection IDs that packets to one side go to, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cids(Vec<KnownCid>);

impl ConnectionId {
    /// A connection ID of these bytes, if it is short enough to be kept.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut cid = Self {
            length: bytes.len() as u8,
            ..Self::default()
        };
        cid.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(cid)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Its bytes, and zeros behind them; and how many they are.
    pub const fn to_padded(self) -> ([u8; MAX_CID_BYTES], u8) {
        (self.bytes, self.length)
    }

    /// Whether it has no bytes: such an ID identifies nothing.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// How many bytes it has.
    pub const fn length(&self) -> usize {
        self.length as usize
    }
}

/// Its bytes as hexadecimal digits; `-` for none.
impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("-");
        }
        let mut bytes = self.as_bytes().iter();
        bytes.try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl CidOrigin {
    /// The name that views, metrics and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientFirst => "client_first",
            Self::Retry => "retry",
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Path => "path",
        }
    }
}

impl Cids {
    /// All of them, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &KnownCid> {
        self.0.iter()
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one with these bytes.
    pub fn get(&self, cid: &[u8]) -> Option<&KnownCid> {
        self.iter().find(|known| known.cid.as_bytes() == cid)
    }

    /// The length of the IDs that their owner itself chose, where it is known.
    pub fn length(&self) -> Option<usize> {
        let mut chosen = self.iter().rev().filter(|known| known.is_of_owner());
        chosen.next().map(|known| known.cid.length())
    }

    /// The longest one that its owner chose, that a short header goes to, and that has bytes.
    pub(super) fn addressed(&self, behind_first_byte: &[u8]) -> Option<&KnownCid> {
        let chosen = self.iter().filter(|known| known.is_of_owner());
        let fitting = chosen.filter(|known| {
            !known.cid.is_empty() && behind_first_byte.starts_with(known.cid.as_bytes())
        });
        fitting.max_by_key(|known| known.cid.length())
    }

    /// What has to go before another one can be kept: the oldest that was matched by path.
    pub(super) fn take_replaceable(&mut self) -> Option<KnownCid> {
        let by_path = |known: &KnownCid| known.origin == CidOrigin::Path;
        let place = self.0.iter().position(by_path)?;
        Some(self.0.remove(place))
    }

    /// Takes out the one with these bytes, if it is known from there alone; whether it was there.
    pub(super) fn forget(&mut self, cid: ConnectionId, origin: CidOrigin) -> bool {
        let before = self.0.len();
        self.0
            .retain(|known| known.cid != cid || known.origin != origin);
        self.0.len() < before
    }

    /// Keeps one, or, if it is there, what is surer of it.
    pub(super) fn keep(&mut self, new: KnownCid) {
        match self.0.iter_mut().find(|known| known.cid == new.cid) {
            None => self.0.push(new),
            Some(known) => {
                known.certainty = known.certainty.max(new.certainty);
                let is_surer = match known.origin {
                    CidOrigin::Path => true,
                    CidOrigin::Destination => new.origin == CidOrigin::Source,
                    _ => false,
                };
                if is_surer {
                    known.origin = new.origin;
                }
            }
        }
    }
}

impl KnownCid {
    /// Whether its owner itself has told it, and it is long enough not to come by chance: who sends
    /// to it has heard that.
    pub(super) const fn is_told(&self) -> bool {
        matches!(self.origin, CidOrigin::Source | CidOrigin::Retry) && self.is_distinct()
    }

    /// Whether it is long enough to stand for its connection where the 5-tuple does not.
    pub(super) const fn is_distinct(&self) -> bool {
        self.cid.length() >= DISTINCT_BYTES
    }

    /// Whether it says whose a packet is, wherever that comes from.
    pub(super) fn is_identifying(&self) -> bool {
        let is_guess = self.origin == CidOrigin::Path && self.certainty == Certainty::Guessed;
        self.is_of_owner() && self.is_distinct() && !is_guess
    }

    /// Whether the side that packets with it go to chose it.
    pub const fn is_of_owner(&self) -> bool {
        !matches!(self.origin, CidOrigin::ClientFirst)
    }
}
