//! What a datagram without proof looks like.
//!
//! A short header has nothing in it that only QUIC has: of random bytes a quarter begins like one.
//! So what else is common on such ports is recognised by its own marks, and a guess stays unsaid
//! until enough packets have come that all look right.

use netweir_wire::packet::quic::{Family, Version};

/// The shortest packet with a short header that peers send (RFC 9000 section 10.3).
const LEAST_SHORT_BYTES: u32 = 21;
/// Short headers that have to look right before they count as a candidate.
const LEAST_SHORTS: u32 = 8;
/// First byte of a short header: what is protected, and so random (RFC 9001 section 5.4.1).
const PROTECTED_BITS: u8 = 0x1f;
/// STUN (RFC 8489 section 5), bytes 4 to 7.
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// What a datagram looks like that is no QUIC, or nothing that QUIC is known to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Resemblance {
    /// DNS: a header with one question (RFC 1035 section 4.1.1).
    Dns = 0,
    /// STUN: first byte 0 to 3 and the magic cookie (RFC 8489 section 5).
    Stun = 1,
    /// DTLS: a record of a known type and version (RFC 9147 section 4).
    Dtls = 2,
    /// A TURN channel: first byte 64 to 79 and its own length (RFC 8656 section 12.4).
    Turn = 3,
    /// RTP or RTCP: first byte 128 to 191 (RFC 7983).
    Rtp = 4,
    /// The fixed bit is 0, and it is nothing of the above.
    NoFixedBit = 5,
    /// A long header of a version that nobody defined.
    UnknownVersion = 6,
    /// It is shorter than any packet with a short header.
    TooShort = 7,
}

/// How far a guess has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Too little has come: it is not shown.
    #[default]
    Undecided,
    /// It looks like QUIC, and nothing speaks against it.
    Candidate,
    /// It is something else: it is not shown.
    NotQuic(Resemblance),
}

/// What speaks for a guess.
#[derive(Clone, Debug, Default)]
pub(super) struct Guess {
    shorts: u32,
    /// Which values the protected bits have had.
    first_bytes: u32,
}

impl Resemblance {
    /// Every resemblance, in the order of its number.
    pub const ALL: [Self; 8] = [
        Self::Dns,
        Self::Stun,
        Self::Dtls,
        Self::Turn,
        Self::Rtp,
        Self::NoFixedBit,
        Self::UnknownVersion,
        Self::TooShort,
    ];

    /// The name that views, metrics and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Stun => "stun",
            Self::Dtls => "dtls",
            Self::Turn => "turn",
            Self::Rtp => "rtp",
            Self::NoFixedBit => "no_fixed_bit",
            Self::UnknownVersion => "unknown_version",
            Self::TooShort => "too_short",
        }
    }

    /// What a datagram that begins with a short header looks like instead.
    pub(super) fn of_short(bytes: &[u8], payload_bytes: u32) -> Option<Self> {
        if is_dns(bytes) {
            return Some(Self::Dns);
        }
        let first = bytes.first().copied().unwrap_or_default();
        match first {
            0..=3 if bytes.get(4..8) == Some(&MAGIC_COOKIE) => Some(Self::Stun),
            20..=63 if is_dtls(bytes) => Some(Self::Dtls),
            0..=63 => Some(Self::NoFixedBit),
            64..=79 if is_channel(bytes, payload_bytes) => Some(Self::Turn),
            _ if payload_bytes < LEAST_SHORT_BYTES => Some(Self::TooShort),
            _ => None,
        }
    }

    /// What a datagram that begins with a long header looks like instead; nothing where it has a
    /// version that somebody defined.
    pub(super) fn of_long(bytes: &[u8]) -> Option<Self> {
        let (first, version) = match *bytes {
            [first, a, b, c, d, ..] => (first, Version(u32::from_be_bytes([a, b, c, d]))),
            _ => return Some(Self::TooShort),
        };
        let family = version.family();
        if is_dns(bytes) {
            Some(Self::Dns)
        } else if family == Family::Negotiation {
            None
        } else if first & 0x40 == 0 {
            Some(Self::Rtp)
        } else {
            matches!(family, Family::Unknown | Family::Greased).then_some(Self::UnknownVersion)
        }
    }
}

impl Guess {
    /// Takes note of a short header that looks right; whether that is enough.
    pub(super) fn add_short(&mut self, first: u8) -> bool {
        self.shorts = self.shorts.saturating_add(1);
        self.first_bytes |= 1 << (first & PROTECTED_BITS);
        self.shorts >= LEAST_SHORTS && self.first_bytes.count_ones() > 1
    }
}

/// A standard query with one question, or an answer to one; of random bytes one in 2^47 is.
fn is_dns(bytes: &[u8]) -> bool {
    let Some(&[_, _, flags, _, q0, q1, a0, a1, n0, n1, r0, r1]) = bytes.first_chunk::<12>() else {
        return false;
    };
    let is_few = |high: u8, low: u8| high == 0 && low < 64;
    let opcode = flags >> 3 & 0x0f;
    let is_one_question = [q0, q1] == [0, 1];
    opcode <= 5 && is_one_question && is_few(a0, a1) && is_few(n0, n1) && is_few(r0, r1)
}

/// A record of DTLS 1.0 or 1.2, which 1.3 calls itself too, or a unified header of 1.3, whose
/// bits 001 no other protocol here has.
fn is_dtls(bytes: &[u8]) -> bool {
    match *bytes {
        [20..=26, 0xfe, 0xfd | 0xff, ..] => true,
        [first, ..] => first >> 5 == 1,
        [] => false,
    }
}

/// The length of a TURN message is that of the datagram, with or without its padding.
fn is_channel(bytes: &[u8], payload_bytes: u32) -> bool {
    let Some(&[_, _, high, low]) = bytes.first_chunk::<4>() else {
        return false;
    };
    let length = u32::from(u16::from_be_bytes([high, low])) + 4;
    payload_bytes == length || payload_bytes == length.next_multiple_of(4)
}
