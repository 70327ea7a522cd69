//! Whole answers: what one request gets.

use super::{
    Balance, Connection, Flow, Head, HeadAccounting, Host, Interface, Label, Realtime, Summary,
};
use serde::Serialize;
use utoipa::ToSchema;

/// How the program itself is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Health {
    /// `ok`, or `stale` when the meter has not ticked for three intervals or more.
    #[schema(example = "ok")]
    pub status: &'static str,
    /// Version of the program.
    pub version: &'static str,
    /// Time since it began to serve.
    pub uptime_seconds: u64,
}

/// The flows that were asked for.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Flows {
    /// In the order that was asked for.
    pub flows: Vec<Flow>,
}

/// The connections that were asked for.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Connections {
    /// In the order that was asked for.
    pub connections: Vec<Connection>,
}

/// The hosts that were asked for.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Hosts {
    /// In the order that was asked for.
    pub hosts: Vec<Host>,
}

/// The labels, and what is unlabelled.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Labels {
    /// In the order that was asked for.
    pub labels: Vec<Label>,
}

/// The latest heads of packets that rules sample, and what became of all of them.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Heads {
    /// What became of the frames that rules sample.
    pub accounting: HeadAccounting,
    /// Those that were asked for, the latest first.
    pub heads: Vec<Head>,
}

/// The interfaces that were asked for.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Interfaces {
    /// By network namespace and index.
    pub interfaces: Vec<Interface>,
}

/// What a stream tells after each tick.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Tick {
    /// Number of the tick.
    pub tick: u64,
    /// How fast it goes now.
    pub realtime: Realtime,
    /// What was since the start.
    pub summary: Summary,
    /// Where every packet went, on all interfaces.
    pub accounting: Balance,
    /// The flows that were asked for, in that order.
    pub flows: Vec<Flow>,
    /// The labels with the most bytes, and what is unlabelled, on all interfaces; empty where there
    /// never was a rule.
    pub labels: Vec<Label>,
    /// The interfaces that exist, those with the most bytes if there are too many for a stream.
    pub interfaces: Vec<Interface>,
}
