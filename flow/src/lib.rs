//! From samples to flows, connections, hosts and records.
//!
//! The only code that may not touch the world: no I/O, no clock, no threads, no unsafe. A
//! collector hands over [`Batch`]es of what the kernel counted (or what a replay of a capture file
//! did), the time is passed in, and [`Meter`] answers with [`Record`]s and with views of all it
//! knows. The work of a drain and of a tick grows with what changed since the one before, never
//! with the number of flows that exist; only a view that is asked for looks at every flow.

#![forbid(unsafe_code)]

mod accounting;
mod connection;
mod cumulative;
mod endpoint;
mod expiry;
mod filter;
mod flow;
mod head;
mod host;
mod index;
mod inline;
mod interface;
mod label;
mod lens;
mod link;
mod listing;
mod meter;
mod protocol;
mod query;
pub mod quic;
mod rank;
mod rate;
mod record;
mod reverse;
pub mod rule;
mod sample;
mod sampling;
mod shared;
mod slab;
mod summed;
mod table;
mod tally;
mod tcp;
mod totals;
mod view;

pub use accounting::{Accounting, Difference, Imbalance, InterfaceAccounting};
pub use connection::{Connection, ConnectionState};
pub use endpoint::{Address, Endpoint, Mac};
pub use filter::{Filter, FilterError, KernelFilter, TooComplex};
pub use head::{Head, HeadAccounting};
pub use host::Host;
pub use inline::{InlineAccounting, InlineLoss, InlineSample};
pub use interface::{DirectionState, Hook, Interface, InterfaceId, InterfaceState};
pub use label::{Decision, Hits, Label, LabelTotals, Labelled, RuleTotals};
pub use listing::Listing;
pub use meter::{Meter, Settings};
pub use protocol::Protocol;
pub use query::{Query, SortKey, UnknownSortKey};
pub use rate::Rate;
pub use record::{EndReason, Icmp, Record};
pub use sample::{Batch, InterfaceSample, Sample};
pub use tally::{Frame, Tally};
pub use totals::{Load, Totals};
