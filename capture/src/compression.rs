//! gzip and zstd: recognised by their magic, and undone.
//!
//! A compressed stream inside another is left as it is: what comes out must be a capture.

use std::fmt;
use std::io::{BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use crate::zstd::ZstdDecoder;

/// Large enough that system calls do not show, small enough that a progress bar moves.
pub(crate) const BUFFER_BYTES: usize = 64 << 10;

/// The compression of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip (RFC 1952), of one or more members.
    Gzip,
    /// Zstandard (RFC 8878), of one or more frames.
    Zstd,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// RFC 1952 section 2.3.1; RFC 8878 section 3.1.1, and 3.1.2 for a skippable frame that comes
/// first.
pub(crate) fn recognise(magic: &[u8]) -> Option<Compression> {
    match magic {
        [0x1f, 0x8b, ..] => Some(Compression::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Some(Compression::Zstd),
        _ => None,
    }
}

/// Puts the decompressor for `compression` before `raw`.
pub(crate) fn decompress(
    compression: Option<Compression>,
    raw: impl Read + Send + 'static,
) -> Box<dyn Read + Send> {
    let Some(compression) = compression else {
        return Box::new(raw);
    };
    let raw = BufReader::with_capacity(BUFFER_BYTES, raw);
    match compression {
        Compression::Gzip => Box::new(MultiGzDecoder::new(raw)),
        Compression::Zstd => Box::new(ZstdDecoder::new(raw)),
    }
}
