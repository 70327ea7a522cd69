//! Connection IDs as layouts read them, and the proof that a server chose one.

use super::Undecoded;
use crate::packet::quic::MAX_CID_BYTES;

/// The bytes of a connection ID.
#[derive(Clone, Copy, Debug)]
pub struct Cid {
    /// The bytes as big-endian numbers; the last one's lower half is 0.
    words: [u64; 3],
    /// How many bytes are known.
    bytes: u8,
    /// Whether these are all.
    is_whole: bool,
}

impl Cid {
    /// A connection ID whose length its packet says, as long headers do. What `bytes` has behind it
    /// is never read.
    #[inline(always)]
    pub fn new(bytes: [u8; MAX_CID_BYTES], length: u8) -> Self {
        Self {
            words: words(bytes),
            bytes: length.min(MAX_CID_BYTES as u8),
            is_whole: true,
        }
    }

    /// A connection ID that begins here and whose length is not known, as in short headers: the
    /// layout says how much of it is the ID. `available` says how many of the bytes are the packet's.
    #[inline(always)]
    pub fn open(bytes: [u8; MAX_CID_BYTES], available: u8) -> Self {
        Self {
            is_whole: false,
            ..Self::new(bytes, available)
        }
    }

    /// The bytes as big-endian numbers.
    #[inline(always)]
    pub(super) const fn words(&self) -> [u64; 3] {
        self.words
    }

    /// How many bytes are known.
    #[inline(always)]
    pub const fn bytes(&self) -> u8 {
        self.bytes
    }

    /// Whether the bytes that are known are all.
    #[inline(always)]
    pub const fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The first byte; 0 if there is none.
    #[inline(always)]
    pub const fn first(&self) -> u8 {
        if self.bytes == 0 {
            return 0;
        }
        (self.words[0] >> 56) as u8
    }

    /// The bytes again; those behind the length are what they were.
    pub fn to_bytes(&self) -> [u8; MAX_CID_BYTES] {
        let mut bytes = [0; MAX_CID_BYTES];
        for (place, byte) in bytes.iter_mut().enumerate() {
            let word = self.words.get(place / 8).copied().unwrap_or_default();
            *byte = (word >> (56 - 8 * (place % 8))) as u8;
        }
        bytes
    }
}

#[inline(always)]
const fn words(bytes: [u8; MAX_CID_BYTES]) -> [u64; 3] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
    let [i, j, k, l, m, n, o, p, q, r, s, t] = rest;
    [
        u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        u64::from_be_bytes([i, j, k, l, m, n, o, p]),
        u64::from_be_bytes([q, r, s, t, 0, 0, 0, 0]),
    ]
}

/// The packet that a connection ID was read from, as far as it says who chose the ID.
///
/// The types of long headers are those of a known version: RFC 9000 and RFC 9369 number them
/// differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CidPacket {
    /// Version Negotiation.
    VersionNegotiation,
    /// Initial.
    Initial,
    /// 0-RTT.
    ZeroRtt,
    /// Handshake.
    Handshake,
    /// Retry.
    Retry,
    /// A short header.
    OneRtt,
    /// A long header of a version whose types are not known.
    Unknown,
}

/// A connection ID that the server chose, the only kind that layouts read.
///
/// The bytes of one that a client chose are random, and would name a backend at random. So there is
/// no way to this type but by saying which packet the ID was read from and who sent that.
#[derive(Clone, Copy, Debug)]
pub struct ServerChosen {
    cid: Cid,
}

impl ServerChosen {
    /// The *destination* connection ID of a packet that the *client* sent.
    ///
    /// # Errors
    /// [`Undecoded::ClientChosen`] unless it is a Handshake or a short header packet. Before the
    /// server's first packet arrives, a client sends Initial and 0-RTT packets to an ID of its own
    /// making (RFC 9000 section 7.2), and a later one of these cannot be told from them.
    #[inline(always)]
    pub fn from_client(packet: CidPacket, destination: Cid) -> Result<Self, Undecoded> {
        match packet {
            CidPacket::Handshake | CidPacket::OneRtt => Ok(Self { cid: destination }),
            _ => Err(Undecoded::ClientChosen),
        }
    }

    /// The *source* connection ID of a packet that the *server* sent.
    ///
    /// # Errors
    /// [`Undecoded::ClientChosen`] unless it is an Initial, Handshake or Retry packet. Version
    /// Negotiation repeats what the client sent to (RFC 9000 section 17.2.1), and a short header has
    /// no source: its only ID is the client's.
    #[inline(always)]
    pub fn from_server(packet: CidPacket, source: Cid) -> Result<Self, Undecoded> {
        match packet {
            CidPacket::Initial | CidPacket::Handshake | CidPacket::Retry => {
                Ok(Self { cid: source })
            }
            _ => Err(Undecoded::ClientChosen),
        }
    }

    /// Its bytes.
    #[inline(always)]
    pub const fn cid(&self) -> &Cid {
        &self.cid
    }

    /// The same connection ID in the clear: for who has decrypted it.
    #[inline(always)]
    pub const fn decrypted(self, clear: Cid) -> Self {
        Self { cid: clear }
    }
}
