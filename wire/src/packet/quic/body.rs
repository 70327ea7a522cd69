//! What follows the connection IDs in a long header (RFC 9000 section 17.2, RFC 9369 section 3.2).

use super::{LONG_TYPE, Long, Problem, Span, Version, read_varint, version::Layout};
use crate::packet::Packet;

/// Bytes of the integrity tag at the end of a Retry (RFC 9001 section 5.8).
pub const RETRY_TAG_BYTES: usize = 16;

/// What follows the connection IDs in a long header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// A version negotiation (RFC 8999 section 6). It ends with its datagram.
    VersionNegotiation {
        /// The versions that the server speaks, four bytes each.
        versions: Span,
    },
    /// An Initial (RFC 9000 section 17.2.2).
    Initial {
        /// What the client got from the server in a Retry or in an earlier connection.
        token: Span,
        /// The packet number and what is encrypted.
        protected: Span,
    },
    /// A 0-RTT packet (RFC 9000 section 17.2.3).
    ZeroRtt {
        /// The packet number and what is encrypted.
        protected: Span,
    },
    /// A Handshake packet (RFC 9000 section 17.2.4).
    Handshake {
        /// The packet number and what is encrypted.
        protected: Span,
    },
    /// A Retry (RFC 9000 section 17.2.5). It ends with its datagram.
    Retry {
        /// What the client is to send back. In the drafts before -25 the original destination
        /// connection ID, with its length before it, is part of it.
        token: Span,
        /// The integrity tag of [`RETRY_TAG_BYTES`]; empty in the drafts before -25.
        tag: Span,
    },
    /// The layout of this version is not known.
    Unknown,
}

/// The packet types of version 1 (RFC 9000 section 17.2, table 5).
#[derive(Clone, Copy)]
enum Type {
    Initial,
    ZeroRtt,
    Handshake,
    Retry,
}

impl Body {
    /// Reads what follows `header`, in a datagram whose payload ends at the offset `end`.
    ///
    /// # Errors
    /// [`Problem::Truncated`] where the packet, or what it states about its own length, goes past
    /// the end.
    #[inline(always)]
    pub fn read<P: Packet>(packet: &P, header: &Long, end: usize) -> Result<Self, Problem> {
        let rest = Span {
            offset: header.end(),
            length: end.checked_sub(header.end()).ok_or(Problem::Truncated)?,
        };
        if header.version == Version::NEGOTIATION {
            return Ok(Self::VersionNegotiation { versions: rest });
        }
        let layout = header.version.layout();
        // A type of version 2 has the number of version 1 and one, modulo four.
        let shift = match layout {
            Layout::V1 | Layout::V1Untagged => 0,
            Layout::V2 => 3,
            Layout::Invariant | Layout::HalfBytes => return Ok(Self::Unknown),
        };
        let number = (header.first & LONG_TYPE) >> 4;
        match Type::from_number((number + shift) & 3) {
            Type::Initial => {
                let token = read_run(packet, rest)?;
                let behind = Span {
                    offset: token.end(),
                    length: rest.end() - token.end(),
                };
                let protected = read_run(packet, behind)?;
                Ok(Self::Initial { token, protected })
            }
            Type::ZeroRtt => read_run(packet, rest).map(|protected| Self::ZeroRtt { protected }),
            Type::Handshake => {
                read_run(packet, rest).map(|protected| Self::Handshake { protected })
            }
            Type::Retry => read_retry(rest, layout),
        }
    }

    /// Where the packet ends, in a datagram whose payload ends at the offset `end`: there the next
    /// one may begin (RFC 9000 section 12.2).
    #[inline(always)]
    pub const fn end(&self, end: usize) -> usize {
        match self {
            Self::Initial { protected, .. }
            | Self::ZeroRtt { protected }
            | Self::Handshake { protected } => protected.end(),
            Self::VersionNegotiation { .. } | Self::Retry { .. } | Self::Unknown => end,
        }
    }
}

impl Type {
    #[inline(always)]
    const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Initial,
            1 => Self::ZeroRtt,
            2 => Self::Handshake,
            _ => Self::Retry,
        }
    }
}

/// Reads a length at the beginning of `within`, and the run of bytes that it speaks of.
#[inline(always)]
fn read_run<P: Packet>(packet: &P, within: Span) -> Result<Span, Problem> {
    let (length, size) = read_varint(packet, within.offset)?;
    let left = within.length.checked_sub(size).ok_or(Problem::Truncated)?;
    if length > left as u64 {
        return Err(Problem::Truncated);
    }
    Ok(Span {
        offset: within.offset + size,
        length: length as usize,
    })
}

#[inline(always)]
fn read_retry(rest: Span, layout: Layout) -> Result<Body, Problem> {
    let tag_bytes = match layout {
        Layout::V1Untagged => 0,
        _ => RETRY_TAG_BYTES,
    };
    let token_bytes = rest.length.checked_sub(tag_bytes);
    let token = Span {
        offset: rest.offset,
        length: token_bytes.ok_or(Problem::Truncated)?,
    };
    let tag = Span {
        offset: token.end(),
        length: tag_bytes,
    };
    Ok(Body::Retry { token, tag })
}
