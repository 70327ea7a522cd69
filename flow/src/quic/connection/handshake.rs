//! The keys of a connection's Initials, and what is there of the ClientHello.

use crate::quic::{CryptoError, CryptoStream, Hello, InitialKeys, Opened, Progress, Sender};
use netweir_wire::packet::quic::{LongView, Version};

use super::ConnectionId;

/// Initials of a connection that are opened, or tried.
const MAX_INITIALS: u32 = 128;
/// Versions of a connection: the client's first one, and one that was negotiated.
const MAX_VERSIONS: usize = 2;

/// What is needed to read on in a handshake.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    /// What the keys are derived from: the destination of the client's first Initial, or the source
    /// of the Retry.
    key_dcid: Option<ConnectionId>,
    keys: Vec<(Version, InitialKeys)>,
    /// The packet number that each side sends next.
    next: [u64; 2],
    /// The ClientHello, while it is not complete.
    stream: Option<Box<CryptoStream>>,
    initials: u32,
}

/// What came of a piece of the ClientHello.
pub(super) enum Piece {
    /// There has to come more, or nothing is waited for.
    Pending,
    /// It is complete.
    Complete(Hello),
    /// It is no hello.
    Unreadable,
    /// The piece was not kept.
    Refused,
}

impl Handshake {
    pub(super) const fn has_keys(&self) -> bool {
        self.key_dcid.is_some()
    }

    /// What the keys are derived from, once there are any.
    pub(super) const fn key_dcid(&self) -> Option<ConnectionId> {
        self.key_dcid
    }

    /// Whether the keys are derived from this connection ID.
    pub(super) fn is_keyed_by(&self, dcid: &[u8]) -> bool {
        self.key_dcid.is_some_and(|key| key.as_bytes() == dcid)
    }

    /// Derives keys anew: for the first Initial, after a Retry, after a version negotiation.
    pub(super) fn begin(&mut self, dcid: ConnectionId, keys: Option<(Version, InitialKeys)>) {
        self.key_dcid = Some(dcid);
        self.keys = keys.into_iter().collect();
    }

    /// Waits for a ClientHello from its beginning.
    pub(super) fn expect_hello(&mut self) {
        self.next = [0; 2];
        self.stream = Some(Box::default());
    }

    /// Whether another Initial may be opened.
    pub(super) const fn may_open(&self) -> bool {
        self.initials < MAX_INITIALS
    }

    /// Opens an Initial; `None` where it is not of this connection, or was changed.
    pub(super) fn open(&mut self, sender: Sender, view: &LongView<'_>) -> Option<Opened> {
        self.initials = self.initials.saturating_add(1);
        let version = view.header.version;
        let expected = self.next[sender as usize];
        if let Some((_, keys)) = self.keys.iter().find(|(known, _)| *known == version) {
            return keys.open(sender, view, expected).ok();
        }
        // The version may have changed on the way (RFC 9368 section 2.3), and the keys with it.
        let keys = InitialKeys::new(version, self.key_dcid?.as_bytes())?;
        let opened = keys.open(sender, view, expected).ok()?;
        if self.keys.len() < MAX_VERSIONS {
            self.keys.push((version, keys));
        }
        Some(opened)
    }

    /// Takes note of a packet number.
    pub(super) fn note_number(&mut self, sender: Sender, number: u64) {
        let next = &mut self.next[sender as usize];
        *next = (*next).max(number.saturating_add(1));
    }

    /// Whether a ClientHello is waited for.
    pub(super) const fn is_waiting(&self) -> bool {
        self.stream.is_some()
    }

    /// Bytes of memory that are taken by what is there of it.
    pub(super) fn memory_bytes(&self) -> usize {
        self.stream.as_ref().map_or(0, |one| one.memory_bytes())
    }

    /// Waits no longer.
    pub(super) fn forget_hello(&mut self) {
        self.stream = None;
    }

    /// Adds a piece of the ClientHello.
    pub(super) fn add(&mut self, offset: u64, bytes: &[u8]) -> Piece {
        let Some(stream) = &mut self.stream else {
            return Piece::Pending;
        };
        let inserted: Result<(), CryptoError> = stream.insert(offset, bytes);
        match (Hello::read(stream.prefix()), inserted) {
            (Ok(Progress::Complete(hello)), _) => Piece::Complete(hello),
            (Err(_), _) => Piece::Unreadable,
            (Ok(Progress::NeedsMore { .. }), Err(_)) => Piece::Refused,
            (Ok(Progress::NeedsMore { .. }), Ok(())) => Piece::Pending,
        }
    }
}
