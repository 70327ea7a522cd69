//! When a client came from elsewhere.

use std::net::SocketAddr;

/// Moves that are kept with their time; of older ones only the number is.
const KEPT_MOVES: usize = 8;

/// What a move looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MoveKind {
    /// The client's address changed: it migrated (RFC 9000 section 9).
    Migration,
    /// Only its port did: most likely a NAT forgot it.
    Rebinding,
}

/// A client that came from elsewhere, with a connection ID that was known, and that its server sent to
/// there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// When it was seen there first, nanoseconds of the events' clock.
    pub time_ns: u64,
    /// What it looks like.
    pub kind: MoveKind,
    /// Where the client was.
    pub from: SocketAddr,
    /// Where it is.
    pub to: SocketAddr,
}

/// The moves of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// How often the client's address changed.
    pub migrations: u32,
    /// How often only its port did.
    pub rebindings: u32,
    /// The last ones, the oldest first.
    pub last: Vec<Move>,
}

impl Moves {
    pub(super) fn add(&mut self, time_ns: u64, from: SocketAddr, to: SocketAddr) {
        let kind = if from.ip() == to.ip() {
            self.rebindings = self.rebindings.saturating_add(1);
            MoveKind::Rebinding
        } else {
            self.migrations = self.migrations.saturating_add(1);
            MoveKind::Migration
        };
        if self.last.len() >= KEPT_MOVES {
            self.last.remove(0);
        }
        self.last.push(Move {
            time_ns,
            kind,
            from,
            to,
        });
    }
}

impl MoveKind {
    /// The name that views, metrics and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Migration => "migration",
            Self::Rebinding => "rebinding",
        }
    }
}
