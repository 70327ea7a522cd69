//! Version numbers: what they are called, and how their long headers are laid out.

use core::fmt;

/// The longest connection ID of versions 1 and 2 (RFC 9000 section 17.2).
pub const MAX_CID_BYTES: usize = 20;

/// A version number as it stands in a long header (RFC 8999 section 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(pub u32);

/// Who defined a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Number 0: the packet is a version negotiation (RFC 8999 section 6).
    Negotiation,
    /// Version 1 (RFC 9000).
    V1,
    /// Version 2 (RFC 9369).
    V2,
    /// Version 2 as of draft-ietf-quic-v2-01 to -07, with a number of its own.
    V2Draft,
    /// draft-ietf-quic-transport of that number.
    Draft(u8),
    /// QUIC as Google defined it, with its own handshake (`Q0xx`) or with TLS (`T0xx`).
    Google,
    /// The numbers of mvfst, Meta's implementation.
    Mvfst,
    /// A number that no version will ever have, so that peers learn to pass over those that they
    /// do not know (RFC 9000 section 15).
    Greased,
    /// None of these.
    Unknown,
}

/// How a long header goes on behind the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// As RFC 8999 has it; nothing more is known.
    Invariant,
    /// As RFC 9000 has it.
    V1,
    /// As RFC 9000 has it, and a Retry has no integrity tag (drafts before -25).
    V1Untagged,
    /// As RFC 9369 has it.
    V2,
    /// Older than RFC 8999: one byte with half a byte for the length of each connection ID (drafts
    /// before -22, Google's Q046).
    HalfBytes,
}

impl Version {
    /// Version 0: the packet is a version negotiation.
    pub const NEGOTIATION: Self = Self(0);
    /// Version 1 (RFC 9000).
    pub const V1: Self = Self(1);
    /// Version 2 (RFC 9369).
    pub const V2: Self = Self(0x6b33_43cf);
    /// Version 2 as of its drafts -01 to -07.
    pub const V2_DRAFT: Self = Self(0x709a_50c4);

    /// The number of draft-ietf-quic-transport-`number`.
    pub const fn draft(number: u8) -> Self {
        Self(0xff00_0000 | number as u32)
    }

    /// Who defined it.
    #[inline(always)]
    pub const fn family(self) -> Family {
        if self.0 & 0x0f0f_0f0f == 0x0a0a_0a0a {
            return Family::Greased;
        }
        match self.0 {
            0 => Family::Negotiation,
            1 => Family::V1,
            0x6b33_43cf => Family::V2,
            0x709a_50c4 => Family::V2Draft,
            0xff00_0001..=0xff00_00ff => Family::Draft(self.0 as u8),
            0xface_b000..=0xface_b0ff => Family::Mvfst,
            number if is_google(number.to_be_bytes()) => Family::Google,
            _ => Family::Unknown,
        }
    }

    /// Whether its long headers can be read up to the packet number.
    pub const fn is_known(self) -> bool {
        matches!(self.layout(), Layout::V1 | Layout::V1Untagged | Layout::V2)
    }

    #[inline(always)]
    pub(super) const fn layout(self) -> Layout {
        match self.family() {
            Family::V1 => Layout::V1,
            Family::V2 | Family::V2Draft => Layout::V2,
            Family::Draft(22..=24) => Layout::V1Untagged,
            Family::Draft(25..=34) => Layout::V1,
            Family::Draft(0..=21) => Layout::HalfBytes,
            Family::Google if self.0 == u32::from_be_bytes(*b"Q046") => Layout::HalfBytes,
            _ => Layout::Invariant,
        }
    }
}

/// `Q` or `T` and three digits.
#[inline(always)]
const fn is_google([letter, a, b, c]: [u8; 4]) -> bool {
    matches!(letter, b'Q' | b'T') && a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit()
}

/// `v1`, `v2`, `draft-29`, `v2-draft`, `Q046`, `mvfst-0xfaceb002`, `greased-0x1a2a3a4a`; a number
/// that is not known stands for itself: `0x12345678`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0;
        match self.family() {
            Family::Negotiation => f.write_str("negotiation"),
            Family::V1 => f.write_str("v1"),
            Family::V2 => f.write_str("v2"),
            Family::V2Draft => f.write_str("v2-draft"),
            Family::Draft(draft) => write!(f, "draft-{draft:02}"),
            Family::Google => number
                .to_be_bytes()
                .iter()
                .try_for_each(|&byte| write!(f, "{}", char::from(byte))),
            Family::Mvfst => write!(f, "mvfst-{number:#010x}"),
            Family::Greased => write!(f, "greased-{number:#010x}"),
            Family::Unknown => write!(f, "{number:#010x}"),
        }
    }
}
