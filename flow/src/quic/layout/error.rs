//! What can be wrong with a layout.

use super::{MAX_CID_BYTES, MAX_FIELDS, MAX_LAYOUTS};
use thiserror::Error;

/// What is wrong with a layout.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// There are too many of them.
    #[error("{0} layouts, and there can be {MAX_LAYOUTS} (mvfst has three)")]
    TooManyLayouts(usize),
    /// The text begins with none of the known presets.
    #[error("no preset `{0}`: there are telementry, mvfst, nginx, quic-lb and custom")]
    Preset(String),
    /// A word of the text is no assignment.
    #[error("`{0}` is not of the form NAME=VALUE")]
    Word(String),
    /// A name is given twice.
    #[error("`{0}` is given twice")]
    Twice(String),
    /// The preset does not take what is given, or has its own.
    #[error("{preset} takes no `{key}`")]
    NotTaken {
        /// The preset.
        preset: String,
        /// The name.
        key: String,
    },
    /// The preset cannot do without it.
    #[error("{preset} needs `{key}`")]
    Missing {
        /// The preset.
        preset: String,
        /// The name.
        key: &'static str,
    },
    /// A value cannot be understood. A key is not repeated.
    #[error("{key} = {value:?}: expected {expected}")]
    Value {
        /// The name.
        key: String,
        /// What is given.
        value: String,
        /// What may be given.
        expected: &'static str,
    },
    /// The guard asks for bits that it does not look at.
    #[error("guard {mask:#04x}/{value:#04x}: the value has bits outside of the mask")]
    Guard {
        /// The bits that count.
        mask: u8,
        /// What they should be.
        value: u8,
    },
    /// No connection ID has such a length.
    #[error("length {0}: a connection ID has 1 to {MAX_CID_BYTES} bytes")]
    Length(u8),
    /// The first byte has no so many bits.
    #[error("length in {0} bits: the first byte has 1 to 8")]
    LengthBits(u8),
    /// Connection IDs of this length do not hold what QUIC-LB writes.
    #[error("length {bytes}: QUIC-LB writes {needed} bytes here")]
    LengthOfQuicLb {
        /// The length, at least.
        bytes: u8,
        /// The first byte, server ID and nonce.
        needed: u8,
    },
    /// A number of rotation bits that no draft has.
    #[error("rotation = {0}: QUIC-LB has 3 rotation bits, or 2 before draft 17")]
    Rotation(u8),
    /// The configuration ID is too large, or the one that means none.
    #[error("config = {config_id}: it is 0 to {most}")]
    ConfigId {
        /// What is given.
        config_id: u8,
        /// The largest that there is.
        most: u8,
    },
    /// A server ID of that length is not in QUIC-LB.
    #[error("server-id = {0}: a server ID has 1 to 15 bytes")]
    ServerId(u8),
    /// A nonce of that length is not in QUIC-LB.
    #[error("nonce = {0}: a nonce has 4 to 18 bytes")]
    Nonce(u8),
    /// Server ID and nonce do not fit.
    #[error("server-id and nonce have {0} bytes together: there is room for 19")]
    TextBytes(u8),
    /// Nothing is named.
    #[error("no field: name one, such as backend=8:16 (a server ID above 8 bytes has none itself)")]
    NoField,
    /// Too much is named.
    #[error("{0} fields: there can be {MAX_FIELDS}")]
    TooManyFields(usize),
    /// A field has a name that it cannot have.
    #[error("field {0:?}: a name is a lower-case letter, then letters, digits and `_`, 32 at most")]
    FieldName(String),
    /// A field has no bits, or more than a number.
    #[error("field {field}: {bits} bits, and a field has 1 to 64")]
    FieldBits {
        /// Its name.
        field: String,
        /// How many are given.
        bits: u8,
    },
    /// A field ends behind the shortest connection ID of the layout.
    #[error("field {field}: it ends with bit {end}, and the connection ID may have {bytes} bytes")]
    FieldEnd {
        /// Its name.
        field: String,
        /// The number of the bit behind it.
        end: u16,
        /// How many bytes there are at least.
        bytes: u8,
    },
    /// A little-endian field is not made of bytes.
    #[error("field {field}: {offset}:{bits}le is not made of whole bytes")]
    FieldOrder {
        /// Its name.
        field: String,
        /// Its first bit.
        offset: u8,
        /// How many bits it has.
        bits: u8,
    },
    /// Nothing is left of a field.
    #[error("field {field}: shifted by {shift}, nothing is left of {bits} bits")]
    FieldShift {
        /// Its name.
        field: String,
        /// By how many bits in all.
        shift: u8,
        /// How many bits its source has.
        bits: u8,
    },
    /// A field comes from one that is not there, or stands behind it.
    #[error("field {field}: there is no field `{from}` before it")]
    FieldSource {
        /// Its name.
        field: String,
        /// Where it should come from.
        from: String,
    },
    /// A field changes a number that is a rest already.
    #[error("field {field}: `{from}` has a modulo already, and can only be taken as it is")]
    FieldModulo {
        /// Its name.
        field: String,
        /// Where it comes from.
        from: String,
    },
}
