//! Functions that build QUIC packets, for the payload of [`crate::frame::udp`].
//!
//! Protection is written here a second time, from the RFCs: nothing of the reader under test is
//! used. Connection IDs, versions and frames are whatever the caller says, sensible or not.

mod frame;
mod hello;
mod initial;
mod packet;

pub use frame::{ack, close, crypto, padding, ping, varint};
pub use hello::{ClientHello, client_hello, server_hello};
pub use initial::{Initial, client_initial, retry, server_initial};
pub use packet::{handshake, short, version_negotiation, zero_rtt};
