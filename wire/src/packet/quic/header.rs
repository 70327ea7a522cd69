//! What every version of QUIC has in common (RFC 8999).

use super::{FIXED_BIT, LONG_FORM, MAX_CID_BYTES, Problem, SPIN_BIT, Version, version::Layout};
use crate::packet::Packet;
use core::ops::Range;

/// A run of bytes in a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Where it begins.
    pub offset: usize,
    /// How many bytes it has.
    pub length: usize,
}

impl Span {
    /// Where it ends.
    #[inline(always)]
    pub const fn end(self) -> usize {
        self.offset + self.length
    }

    /// The offsets of its bytes.
    pub const fn range(self) -> Range<usize> {
        self.offset..self.end()
    }

    /// Its bytes; none where they are not there.
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.range()).unwrap_or_default()
    }
}

/// The part of a header that no version changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// With version and both connection IDs.
    Long(Long),
    /// With a destination connection ID whose length the packet does not say.
    Short(Short),
}

/// A long header (RFC 8999 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Long {
    /// The first byte. Its lower half is protected in most packets of known versions.
    pub first: u8,
    /// The version.
    pub version: Version,
    /// Destination connection ID: up to [`MAX_CID_BYTES`] in a version that is known, up to 255
    /// bytes in others.
    pub dcid: Span,
    /// Source connection ID, as long as the other one may be.
    pub scid: Span,
}

/// A short header (RFC 8999 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// The first byte. Its lower five bits are protected in versions 1 and 2.
    pub first: u8,
    /// Where the destination connection ID begins, if it has one.
    pub dcid_offset: usize,
}

impl Header {
    /// Reads the header of the QUIC packet that begins at `offset`.
    ///
    /// # Errors
    /// Says why a long header cannot be read. A packet of no bytes is truncated.
    #[inline(always)]
    pub fn read<P: Packet>(packet: &P, offset: usize) -> Result<Self, Problem> {
        let [first] = packet.bytes::<1>(offset)?;
        if first & LONG_FORM != 0 {
            return Long::read(packet, offset).map(Self::Long);
        }
        Ok(Self::Short(Short {
            first,
            dcid_offset: offset + 1,
        }))
    }
}

impl Long {
    #[inline(always)]
    fn read<P: Packet>(packet: &P, offset: usize) -> Result<Self, Problem> {
        let [first, v0, v1, v2, v3, lengths] = packet.bytes::<6>(offset)?;
        let version = Version(u32::from_be_bytes([v0, v1, v2, v3]));
        let layout = version.layout();
        let mut dcid = Span {
            offset: offset + 6,
            length: usize::from(lengths),
        };
        let mut scid = Span::default();
        if matches!(layout, Layout::HalfBytes) {
            dcid.length = half_byte_length(lengths >> 4);
            scid.length = half_byte_length(lengths & 0x0f);
            scid.offset = dcid.end();
        } else {
            let [length] = packet.bytes::<1>(dcid.end())?;
            scid.length = usize::from(length);
            scid.offset = dcid.end() + 1;
        }
        if !matches!(layout, Layout::Invariant)
            && (dcid.length > MAX_CID_BYTES || scid.length > MAX_CID_BYTES)
        {
            return Err(Problem::CidTooLong);
        }
        // Something stands before them, so that there is a byte before the end.
        let [_] = packet.bytes::<1>(scid.end() - 1)?;
        Ok(Self {
            first,
            version,
            dcid,
            scid,
        })
    }

    /// Whether the fixed bit is set. Where it is not, this may be no QUIC, or a peer that greases
    /// the bit (RFC 9287), or a version negotiation.
    #[inline(always)]
    pub const fn has_fixed_bit(&self) -> bool {
        self.first & FIXED_BIT != 0
    }

    /// Where what follows the connection IDs begins: the first byte that depends on the version.
    #[inline(always)]
    pub const fn end(&self) -> usize {
        self.scid.end()
    }
}

impl Short {
    /// Whether the fixed bit is set. Where it is not, this may be no QUIC, or a peer that greases
    /// the bit (RFC 9287).
    #[inline(always)]
    pub const fn has_fixed_bit(&self) -> bool {
        self.first & FIXED_BIT != 0
    }

    /// The spin bit, which means something where both peers take part (RFC 9000 section 17.4).
    #[inline(always)]
    pub const fn spin_bit(&self) -> bool {
        self.first & SPIN_BIT != 0
    }

    /// The destination connection ID, where its length is known from elsewhere. The packet may be
    /// too short for it.
    #[inline(always)]
    pub const fn dcid(&self, length: usize) -> Span {
        Span {
            offset: self.dcid_offset,
            length,
        }
    }
}

/// The length of a connection ID in the versions before RFC 8999: 0, or 4 to 18 bytes.
#[inline(always)]
const fn half_byte_length(half: u8) -> usize {
    if half == 0 { 0 } else { half as usize + 3 }
}
