//! The table of connections: events and samples in, connections out.

mod forged;
mod handshake;
mod identity;
mod layout;
mod limits;
mod not_quic;
mod properties;
mod room;
mod spin;
mod version;
mod world;
