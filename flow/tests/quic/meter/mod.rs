//! A meter of a capture: connections, flows that belong to them, and where everything went.

mod capture;
mod limits;
mod list;
mod not_quic;
mod properties;
mod world;
