//! Puts the handshake together from the CRYPTO frames of several packets (RFC 9000 section 19.6).

use std::collections::BTreeMap;
use thiserror::Error;

/// How much of a handshake is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CryptoLimits {
    /// No byte past this offset.
    pub bytes: usize,
    /// No more pieces than this behind a gap.
    pub pieces: usize,
}

impl Default for CryptoLimits {
    /// Four times what peers have to keep (RFC 9000 section 7.5), and several times as many pieces as
    /// those send that split the handshake on purpose.
    fn default() -> Self {
        Self {
            bytes: 16_384,
            pieces: 256,
        }
    }
}

/// Why a piece of a handshake was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CryptoError {
    /// The piece goes past the limit; nothing of it was kept.
    #[error("a handshake of {bytes} bytes is too long")]
    TooLong {
        /// Where the piece ends.
        bytes: u64,
    },
    /// There are too many pieces behind gaps; the beginning of this one may have been kept.
    #[error("a handshake in more than {pieces} pieces")]
    TooManyPieces {
        /// The limit.
        pieces: usize,
    },
}

/// The handshake bytes that one side sent in packets of one type.
///
/// Pieces may come in any order, more than once, and overlap. What came first stays: a peer that
/// sends other bytes for the same place breaks the protocol (RFC 9000 section 2.2).
#[derive(Clone, Debug, Default)]
pub struct CryptoStream {
    limits: CryptoLimits,
    /// What is there without a gap.
    prefix: Vec<u8>,
    /// What is there behind gaps, by where it begins. Pieces do not overlap, and none begins before
    /// the end of `prefix`.
    pieces: BTreeMap<usize, Vec<u8>>,
    /// Bytes of all pieces.
    behind_gaps: usize,
}

impl CryptoStream {
    /// Bytes that a piece behind a gap takes beside its own: its place in the tree, half of whose
    /// places may be vacant, and what is allocated at the least.
    pub const PIECE_BYTES: usize = 96;

    /// An empty one.
    pub const fn new(limits: CryptoLimits) -> Self {
        Self {
            limits,
            prefix: Vec::new(),
            pieces: BTreeMap::new(),
            behind_gaps: 0,
        }
    }

    /// The handshake from its beginning to the first gap.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Whether bytes are there behind a gap.
    pub fn has_gap(&self) -> bool {
        !self.pieces.is_empty()
    }

    /// Bytes that are kept.
    pub const fn bytes(&self) -> usize {
        self.prefix.len() + self.behind_gaps
    }

    /// Bytes of memory that they take. A piece that is added takes [`Self::PIECE_BYTES`] beside its own
    /// at most.
    pub fn memory_bytes(&self) -> usize {
        self.bytes() + self.pieces.len() * Self::PIECE_BYTES
    }

    /// Adds a piece.
    ///
    /// # Errors
    /// Says which limit the piece goes past.
    pub fn insert(&mut self, offset: u64, bytes: &[u8]) -> Result<(), CryptoError> {
        let end = offset.saturating_add(bytes.len() as u64);
        if end > self.limits.bytes as u64 {
            return Err(CryptoError::TooLong { bytes: end });
        }
        let mut at = offset as usize;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (length, is_new) = self.next_run(at, rest.len());
            let (run, behind) = rest.split_at(length);
            if is_new {
                self.add(at, run)?;
            }
            at += length;
            rest = behind;
        }
        Ok(())
    }

    /// How many of the `length` bytes from `at` on are all there already, or all new; and which.
    fn next_run(&self, at: usize, length: usize) -> (usize, bool) {
        if at < self.prefix.len() {
            return (length.min(self.prefix.len() - at), false);
        }
        if let Some((begin, piece)) = self.pieces.range(..=at).next_back()
            && at < begin + piece.len()
        {
            return (length.min(begin + piece.len() - at), false);
        }
        let next = self.pieces.range(at..).next();
        let room = next.map_or(length, |(begin, _)| begin - at);
        (length.min(room), true)
    }

    /// Adds bytes of which none is there.
    fn add(&mut self, at: usize, run: &[u8]) -> Result<(), CryptoError> {
        if at == self.prefix.len() {
            append(&mut self.prefix, run);
            while let Some(piece) = self.pieces.remove(&self.prefix.len()) {
                self.behind_gaps -= piece.len();
                append(&mut self.prefix, &piece);
            }
            return Ok(());
        }
        if let Some((begin, piece)) = self.pieces.range_mut(..at).next_back()
            && begin + piece.len() == at
        {
            append(piece, run);
            self.behind_gaps += run.len();
            return Ok(());
        }
        let pieces = self.limits.pieces;
        if self.pieces.len() >= pieces {
            return Err(CryptoError::TooManyPieces { pieces });
        }
        self.pieces.insert(at, run.to_vec());
        self.behind_gaps += run.len();
        Ok(())
    }
}

/// Makes room for these bytes and no more, so that memory is what is counted of it.
fn append(bytes: &mut Vec<u8>, more: &[u8]) {
    bytes.reserve_exact(more.len());
    bytes.extend(more);
}
