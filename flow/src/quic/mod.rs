//! What the first packets of a QUIC connection say: versions, keys, handshake, fingerprint.
//!
//! The header is read by [`netweir_wire::packet::quic`]; here is what needs memory or cryptography.
//! Initial packets are protected with keys that follow from what anybody can see (RFC 9001
//! section 5.2), so that they can be opened: [`InitialKeys`] opens a packet, [`Frames`] walks its
//! frames, [`CryptoStream`] puts the handshake together, and [`Hello`] reads it. [`verify_retry`]
//! says whether a Retry is genuine. None of these knows of connections: which keys and which stream
//! belong to a packet is for [`connection`] to know. No bytes make anything here panic, and memory
//! grows with the bytes that came in, up to stated limits. [`layout`] says what connection IDs name.
//! [`QuicMeter`] is what a [`crate::Meter`] knows of all that, and [`Record`] a connection as views
//! show it.

pub mod connection;
pub mod layout;

mod backend;
mod client;
mod crypto;
mod cursor;
mod frame;
mod hello;
mod initial;
mod ja4;
mod look;
mod meter;
mod parameter;
mod ports;
mod record;
mod retry;
mod server;
mod trace;
mod version;

pub use client::ClientHello;
pub use crypto::{CryptoError, CryptoLimits, CryptoStream};
pub use frame::{Frame, FrameError, Frames};
pub use hello::{Hello, HelloError, MAX_HELLO_BYTES, Progress, is_grease};
pub use initial::{InitialKeys, OpenError, Opened, Sender};
pub use ja4::ja4;
pub(crate) use look::Look;
pub use meter::{Accounting, Counted, QuicMeter, Settings};
pub use parameter::{ParameterId, TransportParameter, TransportParameters, VersionInformation};
pub use record::{Record, Summary, Sums};
pub use retry::verify_retry;
pub use server::ServerHello;
pub use trace::{Datagram, Packet, PacketKind, Traced};
pub use version::can_open_initials;
