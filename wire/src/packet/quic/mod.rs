//! QUIC headers: what of a QUIC packet is not encrypted.
//!
//! [`Header`] reads what every version of QUIC has in common (RFC 8999): the form, the version and
//! the connection IDs. [`Body`] reads what stands behind that in the long headers of the versions
//! whose layout is known, up to the packet number, which is protected. [`Packets`] walks the packets
//! that share one datagram (RFC 9000 section 12.2) where its bytes lie in one piece. Nothing here
//! decrypts, and nothing here says that bytes are QUIC: any datagram that begins with a bit 0 has a
//! short header.

mod body;
mod header;
mod varint;
mod version;
mod view;

pub use body::{Body, RETRY_TAG_BYTES};
pub use header::{Header, Long, Short, Span};
pub use varint::read as read_varint;
pub use version::{Family, MAX_CID_BYTES, Version};
pub use view::{LongView, Packets, View};

use super::Truncated;

/// First byte: the header is a long one (RFC 8999 section 5.1).
pub const LONG_FORM: u8 = 0x80;
/// First byte: the fixed bit (RFC 9000 section 17.2), which may be 0 between peers that agreed to
/// that (RFC 9287).
pub const FIXED_BIT: u8 = 0x40;
/// First byte of a long header: the packet type of versions 1 and 2 (RFC 9000 section 17.2).
pub const LONG_TYPE: u8 = 0x30;
/// First byte of a short header: the spin bit (RFC 9000 section 17.4).
pub const SPIN_BIT: u8 = 0x20;

/// Why a QUIC header could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Problem {
    /// The packet, or as much of it as was captured, ends inside the header or before the length
    /// that the header states.
    Truncated,
    /// A connection ID is longer than its version allows (RFC 9000 section 17.2).
    CidTooLong,
}

impl From<Truncated> for Problem {
    #[inline(always)]
    fn from(_: Truncated) -> Self {
        Self::Truncated
    }
}

impl Problem {
    /// The name that views, metrics and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "quic_truncated",
            Self::CidTooLong => "quic_cid_too_long",
        }
    }
}

#[cfg(test)]
mod tests;
