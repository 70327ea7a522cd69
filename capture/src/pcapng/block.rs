//! Blocks: type, length, body, and the length once more.

use crate::error::Error;
use crate::order::ByteOrder;
use crate::source::{Piece, Source};

/// The type of a Section Header Block, the same in both byte orders; a file begins with it.
pub(crate) const MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// What a block is.
pub(super) enum Kind {
    SectionHeader,
    Interface,
    Packet(PacketKind),
    Other,
}

/// The layout of a block that holds a packet.
#[derive(Clone, Copy)]
pub(super) enum PacketKind {
    Enhanced,
    Simple,
    /// The Packet Block that the enhanced one replaced.
    Obsolete,
}

impl Kind {
    fn from_type(block_type: u32) -> (Self, &'static str) {
        match block_type {
            0x0a0d_0d0a => (Self::SectionHeader, "section header block"),
            1 => (Self::Interface, "interface description block"),
            2 => (Self::Packet(PacketKind::Obsolete), "packet block"),
            3 => (Self::Packet(PacketKind::Simple), "simple packet block"),
            6 => (Self::Packet(PacketKind::Enhanced), "enhanced packet block"),
            _ => (Self::Other, "block"),
        }
    }
}

/// Reads the next block, its body (without the byte-order magic and version of a section header)
/// into `buffer`; none at the end of the file. A section header sets `order`.
pub(super) fn read(
    source: &mut Source,
    order: &mut ByteOrder,
    buffer: &mut Vec<u8>,
) -> Result<Option<(Kind, Piece)>, Error> {
    let mut head = [[0; 4]; 2];
    let Some(piece) = source.read_head("block", head.as_flattened_mut())? else {
        return Ok(None);
    };
    let [block_type, length] = head;
    let (kind, what) = Kind::from_type(order.u32(block_type));
    let piece = Piece { what, ..piece };
    let mut head_bytes = 8;
    if let Kind::SectionHeader = kind {
        *order = read_section_head(source, piece)?;
        head_bytes = 16;
    }
    let length = order.u32(length);
    if !length.is_multiple_of(4) {
        return Err(piece.malformed("a block length that is a multiple of 4", length));
    }
    let Some(rest_bytes) = length.checked_sub(head_bytes).filter(|&bytes| bytes >= 4) else {
        return Err(piece.malformed("a block length that holds the block", length));
    };
    source.read_body(piece, rest_bytes, buffer)?;
    let trailer = buffer.last_chunk().copied().map(|bytes| order.u32(bytes));
    if trailer != Some(length) {
        let found = trailer.unwrap_or_default();
        return Err(piece.malformed("the block length again at the end of the block", found));
    }
    buffer.truncate(buffer.len() - 4);
    Ok(Some((kind, piece)))
}

/// Splits the fixed fields, words of 32 bits, from what follows.
pub(super) fn split_words<const N: usize>(
    piece: Piece,
    body: &[u8],
) -> Result<(&[[u8; 4]; N], &[u8]), Error> {
    let words = body.as_chunks().0.first_chunk();
    words
        .map(|words| (words, &body[N * 4..]))
        .ok_or_else(|| piece.malformed("a body that holds the fixed fields", body.len() as u64))
}

/// Reads the byte-order magic and the version.
fn read_section_head(source: &mut Source, piece: Piece) -> Result<ByteOrder, Error> {
    let mut head = [[0; 4]; 2];
    source.read_more(piece, head.as_flattened_mut())?;
    let [magic, version] = head;
    let order = match magic {
        [0x1a, 0x2b, 0x3c, 0x4d] => ByteOrder::Big,
        [0x4d, 0x3c, 0x2b, 0x1a] => ByteOrder::Little,
        other => {
            let found = u32::from_be_bytes(other);
            return Err(piece.malformed("the byte-order magic 439041101 (0x1a2b3c4d)", found));
        }
    };
    let (major, minor) = order.u16_pair(version);
    if major != 1 {
        let Piece { what, offset } = piece;
        let expected = "major version 1";
        return Err(Error::Version {
            what,
            offset,
            major,
            minor,
            expected,
        });
    }
    Ok(order)
}
