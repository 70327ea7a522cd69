//! A connection in the table: what is known of it, and what is needed to read on.

use super::{
    Certainty, Cids, Connection, ConnectionId, HelloState, Moves, Sent, Spin, Standing, Timing,
    guess::Guess,
    handshake::Handshake,
    path::{At, Link},
    place::KnownPath,
    sample::PULSES,
    source::Sources,
};
use crate::{
    quic::{Sender, layout::Undecoded},
    rate::Pulse,
};
use std::net::SocketAddr;

/// A connection, and what is needed to read on in it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) facts: Connection,
    pub(super) handshake: Handshake,
    pub(super) guess: Guess,
    /// What each side sent in each direction in the last ticks.
    pub(super) pulse: Pulse<PULSES>,
    pub(super) sources: Sources,
    /// Whether a packet of the server was seen.
    pub(super) is_heard: bool,
    link: Link,
    /// Its 5-tuples, the oldest first.
    pub(super) paths: Vec<KnownPath>,
    /// The connection ID that `facts.backend` is of.
    pub(super) decoded: Option<ConnectionId>,
}

/// A connection ID means something at the server's end alone: two clients may choose the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CidKey {
    pub(super) link: Link,
    pub(super) server: SocketAddr,
    /// Whether packets to the client or to the server go to it.
    pub(super) to_server: bool,
    pub(super) cid: ConnectionId,
}

impl Entry {
    pub(super) fn new(at: &At, sender: Sender) -> Self {
        let (client, server) = match sender {
            Sender::Client => (at.source, at.destination),
            Sender::Server => (at.destination, at.source),
        };
        let link = at.path.link;
        Self {
            facts: Connection {
                netns: link.netns,
                ifindex: link.ifindex,
                vlans: link.vlans,
                client,
                server,
                roles: Certainty::Guessed,
                certainty: Certainty::Guessed,
                standing: Standing::Undecided,
                first_version: None,
                version: None,
                offered: Vec::new(),
                hello: None,
                hello_state: HelloState::Unseen,
                client_cids: Cids::default(),
                server_cids: Cids::default(),
                has_retry: false,
                has_zero_rtt: false,
                closed: None,
                timing: Timing::default(),
                client_spin: Spin::default(),
                server_spin: Spin::default(),
                backend: Err(Undecoded::ClientChosen),
                client_sent: Sent::default(),
                server_sent: Sent::default(),
                moves: Moves::default(),
                shares_path: false,
                first_ns: at.time_ns,
                last_ns: at.time_ns,
            },
            handshake: Handshake::default(),
            guess: Guess::default(),
            pulse: Pulse::default(),
            sources: Sources::default(),
            is_heard: matches!(sender, Sender::Server),
            link,
            paths: Vec::new(),
            decoded: None,
        }
    }

    pub(super) const fn cid_key(&self, side: Sender, cid: ConnectionId) -> CidKey {
        CidKey {
            link: self.link,
            server: self.facts.server,
            to_server: matches!(side, Sender::Server),
            cid,
        }
    }
}

impl Connection {
    /// Which side sends from there; whoever is not the server is the client.
    pub(super) fn sender(&self, source: SocketAddr) -> Sender {
        if source == self.server {
            Sender::Server
        } else {
            Sender::Client
        }
    }
}
