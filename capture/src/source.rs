//! The bytes of a capture: decompressed, and counted at both ends.
//!
//! A [`Source`] recognises gzip and zstd by their magic, knows the offset in the decompressed
//! stream for errors and the bytes taken from the file for a progress bar, and turns a short read
//! into an error that says what was cut. It knows nothing of capture formats.

use std::io::{self, BufReader, Chain, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::compression::{self, Compression};
use crate::error::Error;

/// The longest record (pcap) or block (pcapng) that is read, in bytes: 16 MiB.
///
/// The format sets no limit; no link has frames near this size, so that a longer one means a
/// damaged length field.
pub const MAX_RECORD_BYTES: u32 = 16 << 20;

/// The decompressed bytes of a capture.
pub(crate) struct Source {
    bytes: Chain<Cursor<Vec<u8>>, BufReader<Box<dyn Read + Send>>>,
    start: Vec<u8>,
    compression: Option<Compression>,
    offset: u64,
    consumed_bytes: Arc<AtomicU64>,
}

/// A header, record or block that is being read: its name for errors, and where it begins.
#[derive(Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) what: &'static str,
    pub(crate) offset: u64,
}

impl Piece {
    pub(crate) fn malformed(self, expected: &'static str, found: impl Into<u64>) -> Error {
        let Self { what, offset } = self;
        Error::Malformed {
            what,
            offset,
            expected,
            found: found.into(),
        }
    }
}

impl Source {
    /// Reads the first bytes of `raw`, and puts a decompressor in front of it if they ask for one.
    pub(crate) fn new(raw: impl Read + Send + 'static) -> Result<Self, Error> {
        let consumed_bytes = Arc::new(AtomicU64::new(0));
        let mut raw = Counted {
            raw,
            consumed_bytes: Arc::clone(&consumed_bytes),
        };
        let magic = read_start(&mut raw, 4).map_err(|source| read_error(None, 0, source))?;
        let compression = compression::recognise(&magic);
        let raw = Cursor::new(magic).chain(raw);
        let decoder = compression::decompress(compression, raw);
        let mut decoder = BufReader::with_capacity(compression::BUFFER_BYTES, decoder);
        let start = read_start(&mut decoder, START_BYTES)
            .map_err(|source| read_error(compression, 0, source))?;
        let bytes = Cursor::new(start.clone()).chain(decoder);
        Ok(Self {
            bytes,
            start,
            compression,
            offset: 0,
            consumed_bytes,
        })
    }

    /// The first bytes of the stream, at most [`START_BYTES`], whatever has been read since.
    pub(crate) fn start(&self) -> &[u8] {
        &self.start
    }

    /// Bytes taken from the compressed source so far.
    pub(crate) fn consumed_bytes(&self) -> u64 {
        self.consumed_bytes.load(Ordering::Relaxed)
    }

    /// Fills `head` with the head of a piece that begins here; none at a clean end of the stream.
    pub(crate) fn read_head(
        &mut self,
        what: &'static str,
        head: &mut [u8],
    ) -> Result<Option<Piece>, Error> {
        let piece = Piece {
            what,
            offset: self.offset,
        };
        match self.fill(head)? {
            0 => Ok(None),
            filled => self
                .require(piece, filled, head.len())
                .map(|()| Some(piece)),
        }
    }

    /// Fills `more` with the next bytes of `piece`.
    pub(crate) fn read_more(&mut self, piece: Piece, more: &mut [u8]) -> Result<(), Error> {
        let filled = self.fill(more)?;
        self.require(piece, filled, more.len())
    }

    /// Reads the next `bytes` of `piece` into `buffer`, which then holds just these.
    pub(crate) fn read_body(
        &mut self,
        piece: Piece,
        bytes: u32,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let Piece { what, offset } = piece;
        if bytes > MAX_RECORD_BYTES {
            let limit = MAX_RECORD_BYTES.into();
            return Err(Error::TooLong {
                what,
                offset,
                bytes: bytes.into(),
                limit,
            });
        }
        buffer.resize(bytes as usize, 0);
        self.read_more(piece, buffer)
    }

    /// Reads until `buffer` is full or the stream ends, and returns how many bytes came.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.bytes.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => {
                    filled += read;
                    self.offset += read as u64;
                }
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(read_error(self.compression, self.offset, err)),
            }
        }
        Ok(filled)
    }

    fn require(&self, piece: Piece, filled: usize, wanted: usize) -> Result<(), Error> {
        if filled == wanted {
            return Ok(());
        }
        let Piece { what, offset } = piece;
        let left = self.offset - offset;
        let promised = left + (wanted - filled) as u64;
        Err(Error::Truncated {
            what,
            offset,
            promised,
            left,
        })
    }
}

/// Enough to tell every format, and to show in an error what else it was.
const START_BYTES: u64 = 16;

/// Counts the bytes that are taken from the file.
struct Counted<R> {
    raw: R,
    consumed_bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.raw.read(buffer)?;
        self.consumed_bytes
            .fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

fn read_start(source: &mut impl Read, bytes: u64) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    source.take(bytes).read_to_end(&mut start)?;
    Ok(start)
}

fn read_error(compression: Option<Compression>, offset: u64, source: io::Error) -> Error {
    match compression {
        None => Error::Read { offset, source },
        Some(compression) if source.kind() == io::ErrorKind::UnexpectedEof => {
            Error::TruncatedStream {
                compression,
                offset,
            }
        }
        Some(compression) => Error::Decompress {
            compression,
            offset,
            source,
        },
    }
}
