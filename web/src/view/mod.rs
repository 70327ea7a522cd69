//! What the JSON of this program looks like.
//!
//! The types that the meter answers with, `From` which these are made, are free to change; these
//! are promised. The command line prints the same ones. Integers are written in full: some exceed
//! 2^53, which not every reader of JSON can hold.

mod accounting;
mod answer;
mod connection;
mod flow;
mod head;
mod host;
mod inline;
mod interface;
mod label;
mod name;
mod quic;
mod quic_accounting;
mod quic_datagram;
mod quic_route;
mod quic_summary;
mod rule;
mod summary;
mod time;
mod traffic;

pub use accounting::{Accounting, Balance, InterfaceAccounting};
pub use answer::{Connections, Flows, Heads, Health, Hosts, Interfaces, Labels, Tick};
pub use connection::Connection;
pub use flow::Flow;
pub use head::{Head, HeadAccounting};
pub use host::Host;
pub use inline::InlineAccounting;
pub use interface::{Interface, InterfaceDirection};
pub use label::{Decision, Label};
pub use quic::{
    QuicCid, QuicClose, QuicConnection, QuicHandshake, QuicMove, QuicParameter, QuicPlace, QuicSpin,
};
pub use quic_accounting::{
    Quic, QuicAccounting, QuicCounted, QuicShare, QuicTraffic, QuicVersionShare,
};
pub use quic_datagram::{QuicDatagram, QuicPacket};
pub use quic_route::QuicRoute;
pub use quic_summary::QuicSummary;
pub use rule::{ListedRule, Rule, RuleChange, RuleHits, RuleMatch, RuleTest, Rules};
pub use summary::{Realtime, Summary};
pub use time::Time;
pub use traffic::{ClassTraffic, Count, Difference, Speed, Traffic, Volume};
