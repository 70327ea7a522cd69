//! What goes wrong when a capture is read: one enum, and the offset that each case names.
//!
//! Offsets count bytes of the decompressed stream from its start, so that they can be looked up in
//! the file (or in what `gzip -dc` and `zstd -dc` make of it) with any hex viewer.

use std::io;
use std::path::PathBuf;

use crate::compression::Compression;

/// Why a capture cannot be read, or not further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The path as it was given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system failed to deliver bytes of an uncompressed source.
    #[error("cannot read at offset {offset}")]
    Read {
        /// Where in the stream reading failed.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The compressed stream is damaged, or the bytes beneath it could not be read.
    #[error("cannot decompress {compression} at offset {offset} of the decompressed stream")]
    Decompress {
        /// The compression that the source began with.
        compression: Compression,
        /// How many decompressed bytes came before the failure.
        offset: u64,
        /// What the decompressor or the system said.
        source: io::Error,
    },
    /// The compressed stream ends in its middle; the frames before the cut were delivered.
    #[error(
        "truncated {compression} stream: it ends at offset {offset} of the decompressed stream"
    )]
    TruncatedStream {
        /// The compression that the source began with.
        compression: Compression,
        /// How many decompressed bytes could be recovered.
        offset: u64,
    },
    /// The capture ends in the middle of a header, record or block.
    #[error("truncated {what} at offset {offset}: {promised} bytes promised, {left} left")]
    Truncated {
        /// The piece that is cut.
        what: &'static str,
        /// Where the piece begins.
        offset: u64,
        /// The length of the whole piece, as far as it is known.
        promised: u64,
        /// How many bytes of the piece are there.
        left: u64,
    },
    /// A record or block is longer than [`MAX_RECORD_BYTES`](crate::MAX_RECORD_BYTES).
    #[error("{what} at offset {offset} is too long: {bytes} bytes, at most {limit} are read")]
    TooLong {
        /// The piece that is too long.
        what: &'static str,
        /// Where the piece begins.
        offset: u64,
        /// The length that it claims.
        bytes: u64,
        /// The longest that is read.
        limit: u64,
    },
    /// A field holds what the format forbids.
    #[error("malformed {what} at offset {offset}: expected {expected}, found {found}")]
    Malformed {
        /// The piece that holds the field.
        what: &'static str,
        /// Where the piece begins.
        offset: u64,
        /// What the format asks for.
        expected: &'static str,
        /// The value found instead.
        found: u64,
    },
    /// The file is of a version of its format that is not read.
    #[error("{what} at offset {offset} has version {major}.{minor}: expected {expected}")]
    Version {
        /// The header that holds the version.
        what: &'static str,
        /// Where the header begins.
        offset: u64,
        /// The major version found.
        major: u16,
        /// The minor version found.
        minor: u16,
        /// The versions that are read.
        expected: &'static str,
    },
    /// The first bytes, at offset 0, are of no capture format.
    #[error(
        "not a capture file (pcap, pcapng; gzip and zstd too): {}",
        describe_start(start)
    )]
    NotCapture {
        /// The first bytes, decompressed; none when the file is empty.
        start: Vec<u8>,
    },
}

impl Error {
    /// The offset in the decompressed stream that the message names; none if it was never opened.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        match self {
            Self::Open { .. } => None,
            Self::NotCapture { .. } => Some(0),
            Self::Read { offset, .. }
            | Self::Decompress { offset, .. }
            | Self::TruncatedStream { offset, .. }
            | Self::Truncated { offset, .. }
            | Self::TooLong { offset, .. }
            | Self::Malformed { offset, .. }
            | Self::Version { offset, .. } => Some(*offset),
        }
    }
}

fn describe_start(start: &[u8]) -> String {
    if start.is_empty() {
        return "it is empty".to_owned();
    }
    let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    if start.iter().all(is_text) {
        return format!("starts with {:?}", String::from_utf8_lossy(start));
    }
    let octets: Vec<String> = start.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("starts with bytes {}", octets.join(" "))
}
