//! What is known of a connection.

use super::{Certainty, Cids, Moves, Spin, SpinState, Standing, Timing};
use crate::quic::{
    ClientHello, Sender, TransportParameters, hello::extension::SERVER_NAME, ja4, layout::Undecoded,
};
use netweir_wire::{
    map::{Count, Direction},
    packet::quic::Version,
};
use std::net::SocketAddr;

/// Application protocols and transport parameters that are kept.
const KEPT_ENTRIES: usize = 32;
/// Bytes of each that are kept.
const KEPT_BYTES: usize = 64;
/// Bytes of all protocols together, escaped, and of all parameters together.
const KEPT_BYTES_IN_ALL: usize = 1024;

/// A QUIC connection, or what may be one, as seen at one interface.
///
/// Times are nanoseconds of the events' clock. Whether it is closed is not known: that is told in
/// encrypted packets, but for handshakes that fail ([`Self::closed`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// Inode number of the interface's network namespace.
    pub netns: u32,
    /// Interface index within that namespace.
    pub ifindex: u32,
    /// VLAN identifiers, outer first; 0 for none.
    pub vlans: [u16; 2],
    /// The client, where its server was seen to answer it last.
    pub client: SocketAddr,
    /// The server.
    pub server: SocketAddr,
    /// How sure it is which of both is the server: by ports alone, by what only one of them sends,
    /// or by a key.
    pub roles: Certainty,
    /// How sure it is that this is QUIC.
    pub certainty: Certainty,
    /// How far the guess has come, while it is one.
    pub standing: Standing,
    /// The version that the client began with; none where no long header was seen.
    pub first_version: Option<Version>,
    /// The version that is spoken: another one after a version negotiation, or where the server
    /// changed to a compatible one (RFC 9368).
    pub version: Option<Version>,
    /// What the server offered in a version negotiation.
    pub offered: Vec<Version>,
    /// What the ClientHello says.
    pub hello: Option<Box<Client>>,
    /// Whether there is a ClientHello, and if not, why.
    pub hello_state: HelloState,
    /// IDs that packets to the client go to.
    pub client_cids: Cids,
    /// IDs that packets to the server go to.
    pub server_cids: Cids,
    /// Whether the server sent a Retry.
    pub has_retry: bool,
    /// Whether the client sent 0-RTT packets.
    pub has_zero_rtt: bool,
    /// How a handshake failed, where a CONNECTION_CLOSE could be read.
    pub closed: Option<Close>,
    /// How long the handshake took.
    pub timing: Timing,
    /// The spin bit of the client's packets.
    pub client_spin: Spin,
    /// The spin bit of the server's packets.
    pub server_spin: Spin,
    /// What the server's connection ID names, or why it names nothing: as long as no ID is known
    /// that the server surely chose, [`Undecoded::ClientChosen`].
    pub backend: Result<Backend, Undecoded>,
    /// What the client sent, raw where frames are sampled.
    pub client_sent: Sent,
    /// What the server sent, raw where frames are sampled.
    pub server_sent: Sent,
    /// When the client came from elsewhere.
    pub moves: Moves,
    /// Whether another connection had one of its 5-tuples: then what came in samples may have gone
    /// to either.
    pub shares_path: bool,
    /// The first event.
    pub first_ns: u64,
    /// The last event or packet.
    pub last_ns: u64,
}

/// Whether there is a ClientHello.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HelloState {
    /// No Initial of the client was opened.
    #[default]
    Unseen,
    /// A part of it is missing.
    Partial,
    /// It was read.
    Read,
    /// A part of it was missing for too long.
    TimedOut,
    /// It is no ClientHello, or is malformed.
    Unreadable,
    /// A part of it was missing, and there was no room to wait for it.
    NoRoom,
}

/// What a client says in its ClientHello. Long values are cut: see [`Self::is_cut`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The server's name; of Encrypted Client Hello the one that everybody may see. Bytes that are no
    /// printable ASCII are escaped as in Rust.
    pub server_name: Option<String>,
    /// Whether that is no host name, or there is more than one, or none that could be read.
    pub has_malformed_name: bool,
    /// Application protocols; bytes that are no printable ASCII are escaped as in Rust.
    pub alpn: Vec<String>,
    /// The JA4 fingerprint.
    pub ja4: String,
    /// Transport parameters.
    pub transport_parameters: TransportParameters,
    /// Whether something was left out for being too long.
    pub is_cut: bool,
}

/// A CONNECTION_CLOSE in an Initial (RFC 9000 section 19.19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// Who sent it.
    pub sender: Sender,
    /// The error code (RFC 9000 section 20.1).
    pub error_code: u64,
    /// When.
    pub time_ns: u64,
}

/// What a server-chosen connection ID names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// The name of the layout.
    pub layout: String,
    /// The backend, where the layout has one.
    pub backend: Option<u64>,
    /// The worker queue, where the layout has one.
    pub queue: Option<u64>,
    /// Every field of the layout by its name.
    pub fields: Vec<(String, u64)>,
    /// How sure it is that the server chose this ID.
    pub certainty: Certainty,
}

/// What one side sent, by the direction in which its packets crossed the interface.
///
/// Only one direction has any, but on loopback devices and where packets leave by the interface
/// that they came by: there each packet is in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// What came in.
    pub ingress: Count,
    /// What went out.
    pub egress: Count,
}

impl Sent {
    /// Each packet once.
    pub const fn once(&self) -> Count {
        match self.direction() {
            Direction::Ingress => self.ingress,
            Direction::Egress => self.egress,
        }
    }

    /// The direction that has each packet once.
    pub const fn direction(&self) -> Direction {
        if self.egress.packets > self.ingress.packets {
            Direction::Egress
        } else {
            Direction::Ingress
        }
    }

    pub(super) fn add(&mut self, direction: Direction, count: Count) {
        match direction {
            Direction::Ingress => self.ingress += count,
            Direction::Egress => self.egress += count,
        }
    }
}

impl HelloState {
    /// The name that views, metrics and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unseen => "unseen",
            Self::Partial => "partial",
            Self::Read => "read",
            Self::TimedOut => "timed_out",
            Self::Unreadable => "unreadable",
            Self::NoRoom => "no_room",
        }
    }
}

impl Connection {
    /// Whether it may be shown as QUIC.
    pub fn is_shown(&self) -> bool {
        self.certainty > Certainty::Guessed || self.standing == Standing::Candidate
    }

    /// Whether the server has answered, as far as is known.
    pub fn is_answered(&self) -> bool {
        self.server_cids.length().is_some() || self.timing.server_ns.is_some()
    }

    /// What is to be thought of the spin bit of one side.
    pub fn spin_state(&self, sender: Sender) -> SpinState {
        let (spin, sent) = (self.spin_of(sender), self.sent_of(sender));
        match spin.state(self.timing.round_trip_ns()) {
            // Nothing is told of a bit before it turns.
            SpinState::TooFew if spin.turns() == (0, 0) => {
                let lasted_ns = self.last_ns.saturating_sub(self.first_ns);
                SpinState::of_untold(sent.once().packets, lasted_ns)
            }
            state => state,
        }
    }

    /// The spin bit of one side's packets.
    pub const fn spin_of(&self, sender: Sender) -> &Spin {
        match sender {
            Sender::Client => &self.client_spin,
            Sender::Server => &self.server_spin,
        }
    }

    /// What one side sent.
    pub const fn sent_of(&self, sender: Sender) -> &Sent {
        match sender {
            Sender::Client => &self.client_sent,
            Sender::Server => &self.server_sent,
        }
    }

    /// The round trip by the spin bit, nanoseconds, where that of a side is credible: the shorter one of
    /// both, for the other contains more of the time in which there was nothing to send.
    pub fn spin_round_trip_ns(&self) -> Option<u64> {
        let sides = [
            (Sender::Client, &self.client_spin),
            (Sender::Server, &self.server_spin),
        ];
        let credible = sides
            .into_iter()
            .filter(|(sender, _)| self.spin_state(*sender) == SpinState::Credible);
        let times = credible.filter_map(|(_, spin)| spin.time());
        times.map(|time| time.round_trip_ns).min()
    }

    /// All that both sides sent, each packet as often as it crossed the interface.
    pub(super) fn sum(&self) -> Count {
        let [client, server] = [self.client_sent, self.server_sent];
        client.ingress + client.egress + server.ingress + server.egress
    }

    /// IDs that packets to a side go to.
    pub fn cids_of(&self, side: Sender) -> &Cids {
        match side {
            Sender::Client => &self.client_cids,
            Sender::Server => &self.server_cids,
        }
    }

    pub(super) const fn cids_of_mut(&mut self, side: Sender) -> &mut Cids {
        match side {
            Sender::Client => &mut self.client_cids,
            Sender::Server => &mut self.server_cids,
        }
    }
}

impl Client {
    pub(super) fn new(hello: &ClientHello) -> Self {
        let (alpn, is_alpn_cut) = kept_alpn(&hello.alpn);
        let mut parameters = hello.transport_parameters.clone().unwrap_or_default();
        let before = parameters.0.len();
        let mut room = KEPT_BYTES_IN_ALL;
        parameters
            .0
            .retain(|one| one.value.len() <= KEPT_BYTES && take(&mut room, one.value.len()));
        parameters.0.truncate(KEPT_ENTRIES);
        parameters.0.shrink_to_fit();
        let is_cut = is_alpn_cut || hello.is_name_cut || parameters.0.len() < before;
        Self {
            server_name: hello.server_name.clone(),
            has_malformed_name: hello.malformed.contains(&SERVER_NAME),
            alpn,
            ja4: ja4(hello),
            transport_parameters: parameters,
            is_cut,
        }
    }
}

/// The names that are kept, escaped, and whether anything was cut.
fn kept_alpn(names: &[Vec<u8>]) -> (Vec<String>, bool) {
    let mut room = KEPT_BYTES_IN_ALL;
    let mut is_cut = false;
    let mut kept = Vec::new();
    for name in names {
        let begin = name.get(..KEPT_BYTES).unwrap_or(name);
        let escaped = begin.escape_ascii().to_string();
        if kept.len() >= KEPT_ENTRIES || !take(&mut room, escaped.len()) {
            return (kept, true);
        }
        is_cut |= begin.len() < name.len();
        kept.push(escaped);
    }
    (kept, is_cut)
}

/// Takes so many bytes of the room that is left, if there are as many.
fn take(room: &mut usize, bytes: usize) -> bool {
    let left = room.checked_sub(bytes);
    *room = left.unwrap_or(*room);
    left.is_some()
}
