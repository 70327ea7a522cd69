//! QUIC: what connection IDs name.

pub mod layout;
