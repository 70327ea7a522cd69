//! Layouts of connection IDs: which backend, which worker queue, and what else one names.
//!
//! ```text
//! telementry server=192.0.2.0/24 port=443
//! quic-lb config=1 server-id=3 nonce=4 key=8f95f09245765f80256934e50c66207f
//! custom length=12 guard=0xc0/0x40 backend=8:16 worker=24:8 queue=worker%16
//! ```
//!
//! A [`Layout`] is what the configuration says, as text or as fields. [`Layouts`] are those of a
//! configuration, checked: they give the kernel programs their [`LayoutProgram`] and read connection
//! IDs by the same functions, and beyond them all named fields and what QUIC-LB has encrypted. Only
//! IDs of which it is certain that the server chose them are taken ([`ServerChosen`]).
//! `docs/quic.md` is the page for who writes layouts.

mod cipher;
mod compile;
mod decode;
mod error;
mod form;
mod parse;
mod preset;

pub use decode::{Decoded, Layouts, cid_server};
pub use error::LayoutError;
pub use form::{ByteOrder, Field, FieldSource, Guard, Key, Layout, LengthRule, QuicLb, Scope};
pub use netweir_wire::map::{
    Cid, CidPacket, CidRoute, CidServer, LayoutProgram, MAX_CID_BYTES, MAX_LAYOUTS, ServerChosen,
    Undecoded,
};

/// Named fields of a layout at most.
pub const MAX_FIELDS: usize = 8;
