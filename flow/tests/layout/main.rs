//! Layouts of connection IDs: text in, what connection IDs name out.

mod given;
mod preset;
mod properties;
mod quic_lb;
mod wrong;
