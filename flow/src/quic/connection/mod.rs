//! QUIC connections: what the events of the kernel programs say, put together.
//!
//! [`Connections`] takes the events of datagrams and the samples of flows, and answers with
//! [`Connection`]s. The unit is the connection, not the 5-tuple: it is found by its 5-tuples and by
//! the connection IDs that both sides chose, so that its counts stay together when the client
//! moves. Every statement has its [`Certainty`], and every event its [`Outcome`]; a datagram that
//! nothing proves is looked at for what else it can be ([`Resemblance`]). Time comes with the
//! events. Memory is bounded by [`Limits`], the work of an event by constants, whatever its bytes.

mod accept;
mod certainty;
mod cid;
mod counters;
mod due;
mod entry;
mod facts;
mod guess;
mod handshake;
mod long;
mod moves;
mod path;
mod place;
mod proof;
mod queue;
mod room;
mod sample;
mod settings;
mod short;
mod source;
mod spin;
mod table;
mod timing;
mod totals;

pub use certainty::Certainty;
pub use cid::{CidOrigin, Cids, ConnectionId, KnownCid};
pub use counters::{Counters, Limit, Outcome};
pub use facts::{Backend, Client, Close, Connection, HelloState, Sent};
pub use guess::{Resemblance, Standing};
pub use moves::{Move, MoveKind, Moves};
pub use settings::{Limits, Settings};
pub use spin::{Spin, SpinState, SpinTime};
pub use table::Connections;
pub use timing::Timing;
pub use totals::{Place, Share, Totals};
