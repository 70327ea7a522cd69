//! What a configuration says of a layout, before anything is checked.

use ipnet::IpNet;
use std::fmt::{self, Debug, Formatter};

/// How the servers of a scope write their connection IDs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// What it is called in views: its preset, and which one of it.
    pub name: String,
    /// The servers that it is for.
    pub scope: Scope,
    /// What the first byte has to be. QUIC-LB has its own.
    pub guard: Guard,
    /// How long the connection IDs are.
    pub length: LengthRule,
    /// That they are written as QUIC-LB says.
    pub quic_lb: Option<QuicLb>,
    /// What they name. `backend` and `queue` are those that the kernel programs count by.
    pub fields: Vec<Field>,
}

/// For which servers a layout is. The default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The servers' addresses; none for any.
    pub net: Option<IpNet>,
    /// The servers' UDP port; none for any.
    pub port: Option<u16>,
    /// The QUIC version; none for any. Short headers do not say theirs: the kernel programs read no
    /// connection ID of theirs by a layout that asks for a version.
    pub version: Option<u32>,
}

/// What the first byte of a connection ID has to be. The default takes any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// The bits that count.
    pub mask: u8,
    /// What they have to be.
    pub value: u8,
}

/// How long the connection IDs of a layout are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthRule {
    /// So many bytes, 1 to 20.
    Exactly(u8),
    /// So many bytes or more.
    AtLeast(u8),
    /// As many bytes more as so many of the lowest bits of the first byte say, as QUIC-LB may have
    /// it: 5 of them with three rotation bits, 6 with two.
    SelfDescribed(u8),
}

/// A number that a connection ID has in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Lower-case letters, digits and `_`.
    pub name: String,
    /// Where it comes from.
    pub source: FieldSource,
    /// By how many bits it is shifted to the right.
    pub shift: u8,
    /// What it is then divided by, to take the rest; 0 for the number itself.
    pub modulo: u64,
}

/// Where the number of a field comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldSource {
    /// Bits of the connection ID; in the clear, where it is encrypted.
    Bits {
        /// The first one, from the highest bit of the first byte.
        offset: u8,
        /// How many, 1 to 64.
        bits: u8,
        /// How they make a number.
        order: ByteOrder,
    },
    /// A field before this one.
    Field(String),
}

/// How bytes make a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// The first bit is the highest one.
    Big,
    /// The first byte is the lowest one; for whole bytes.
    Little,
}

/// The parameters of QUIC-LB (draft-ietf-quic-load-balancers section 5.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuicLb {
    /// Rotation bits at the head of the first byte: 3, or 2 as before draft 17.
    pub rotation_bits: u8,
    /// What they are for this configuration; not all set.
    pub config_id: u8,
    /// Bytes of the server ID, 1 to 15.
    pub server_id_bytes: u8,
    /// Bytes of the nonce, 4 to 18.
    pub nonce_bytes: u8,
    /// The key; none where the server ID is in the clear.
    pub key: Option<Key>,
}

/// An AES-128 key, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(pub [u8; 16]);

impl Debug for Key {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Field {
    /// Bits of the connection ID as a number, the first bit the highest one.
    pub fn bits(name: &str, offset: u8, bits: u8) -> Self {
        let order = ByteOrder::Big;
        Self::new(
            name,
            FieldSource::Bits {
                offset,
                bits,
                order,
            },
        )
    }

    /// The number of a field before this one.
    pub fn of(name: &str, source: &str) -> Self {
        Self::new(name, FieldSource::Field(source.to_owned()))
    }

    fn new(name: &str, source: FieldSource) -> Self {
        Self {
            name: name.to_owned(),
            source,
            shift: 0,
            modulo: 0,
        }
    }
}

impl QuicLb {
    /// Bytes of the server ID and the nonce together.
    pub(super) const fn text_bytes(&self) -> u8 {
        self.server_id_bytes.saturating_add(self.nonce_bytes)
    }

    /// The rotation bits of the first byte.
    pub(super) const fn rotation_mask(&self) -> u8 {
        !(u8::MAX >> self.rotation_bits)
    }

    /// What the first byte of this configuration is.
    pub(super) const fn guard(&self) -> Guard {
        Guard {
            mask: self.rotation_mask(),
            value: self.config_id << (8 - self.rotation_bits),
        }
    }
}
