//! QUIC connections as JSON has them.

use super::{Count, QuicRoute, Speed, Time, Traffic, flow::vlans, time::seconds};
use netweir_flow::quic::{
    self, ParameterId, Sender,
    connection::{self, CidOrigin, MoveKind},
    layout::Undecoded,
};
use netweir_wire::packet::quic::Version;
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write, net::SocketAddr};
use utoipa::ToSchema;

/// A QUIC connection as seen at an interface, or what may be one.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct QuicConnection {
    /// Name of the interface.
    #[schema(example = "eth0")]
    pub interface: String,
    /// Index of the interface within its network namespace.
    pub ifindex: u32,
    /// Inode number of the interface's network namespace.
    pub netns: u32,
    /// VLAN identifiers, outer first; 0 for a tag without one.
    pub vlans: Vec<u16>,
    /// The client, where it is now.
    #[schema(example = "192.0.2.1")]
    pub client_address: String,
    /// Its UDP port.
    pub client_port: u16,
    /// The server.
    #[schema(example = "198.51.100.7")]
    pub server_address: String,
    /// Its UDP port.
    pub server_port: u16,
    /// How sure it is that this is QUIC: `proven`, `matched` or `guessed`.
    #[schema(example = "proven")]
    pub certainty: &'static str,
    /// How sure it is which of both is the server.
    #[schema(example = "proven")]
    pub roles_certainty: &'static str,
    /// The version that is spoken; null where no long header was seen.
    #[schema(example = "v1")]
    pub version: Option<String>,
    /// The same as its number.
    pub version_number: Option<u32>,
    /// The version that the client began with.
    pub first_version: Option<String>,
    /// What the server offered in a version negotiation.
    pub offered_versions: Vec<String>,
    /// The name that the client asks for; null where there is none, or no ClientHello.
    pub server_name: Option<String>,
    /// Application protocols that the client offers.
    pub alpn: Vec<String>,
    /// The JA4 fingerprint of the ClientHello.
    pub ja4: Option<String>,
    /// The client's transport parameters.
    pub transport_parameters: Vec<QuicParameter>,
    /// Whether there is a ClientHello: `read`, `partial`, `timed_out`, `unreadable`,
    /// `no_room`, or `unseen`.
    #[schema(example = "read")]
    pub hello: &'static str,
    /// Whether long lists or values of it were cut.
    pub hello_cut: bool,
    /// Whether the server name is no host name, or one of several (RFC 6066 section 3).
    pub server_name_malformed: bool,
    /// Connection IDs that packets to the client go to, the oldest first.
    pub client_cids: Vec<QuicCid>,
    /// Connection IDs that packets to the server go to, the oldest first.
    pub server_cids: Vec<QuicCid>,
    /// Backend and queue, by the server's connection ID.
    #[serde(flatten)]
    pub place: QuicPlace,
    /// Every field of the layout by its name.
    pub fields: BTreeMap<String, u64>,
    /// How sure it is that the server chose the ID that was decoded.
    pub backend_certainty: Option<&'static str>,
    /// Whether the server sent a Retry.
    pub retry: bool,
    /// Whether the client sent 0-RTT packets.
    pub zero_rtt: bool,
    /// How the handshake failed, where that could be read.
    pub closed: Option<QuicClose>,
    /// How long the handshake took.
    pub handshake: QuicHandshake,
    /// The spin bit of the client's packets.
    pub client_spin: QuicSpin,
    /// The spin bit of the server's packets.
    pub server_spin: QuicSpin,
    /// What both sides sent, each packet once, and how fast in the last tick.
    #[serde(flatten)]
    pub sent: Traffic,
    /// What the client sent of it.
    pub client_sent: Count,
    /// What the server sent of it.
    pub server_sent: Count,
    /// How fast the client sent in the last tick.
    pub client_rate: Speed,
    /// How fast the server sent in the last tick.
    pub server_rate: Speed,
    /// How often the client's address changed.
    pub migrations: u32,
    /// How often only its port did.
    pub rebindings: u32,
    /// The last of both, the oldest first.
    pub moves: Vec<QuicMove>,
    /// Whether another connection had one of its 5-tuples: then counts may have gone to either.
    pub shares_path: bool,
    /// Time of the first event.
    pub first_seen: Time,
    /// Time of the last event or packet.
    pub last_seen: Time,
    /// Between the two.
    pub duration_seconds: f64,
    /// One frame in so many was counted, and counts and rates are multiplied by it; 1 where every
    /// frame was.
    pub sampling: u32,
}

/// What a connection ID names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuicPlace {
    /// The layout that says so.
    pub layout: Option<String>,
    /// Backend and queue.
    #[serde(flatten)]
    pub route: QuicRoute,
    /// Why nothing is decoded, such as `client_chosen` or `no_layout`; null where something is.
    pub undecoded: Option<&'static str>,
}

/// A transport parameter (RFC 9000 section 18).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuicParameter {
    /// Its number.
    pub id: u64,
    /// Its name, or the number again.
    #[schema(example = "max_idle_timeout")]
    pub name: String,
    /// Its value as hexadecimal digits.
    pub value: String,
    /// Its value where it is an integer.
    pub integer: Option<u64>,
}

/// A connection ID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuicCid {
    /// Its bytes as hexadecimal digits; empty where it has none.
    pub cid: String,
    /// Where it is known from: `client_first`, `retry`, `source`, `destination` or `path`.
    pub origin: &'static str,
    /// How sure it is that it is one of this side's IDs.
    pub certainty: &'static str,
    /// When it was seen first.
    pub first_seen: Time,
}

/// A CONNECTION_CLOSE in an Initial (RFC 9000 section 19.19).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuicClose {
    /// `client` or `server`.
    pub sender: &'static str,
    /// The error code (RFC 9000 section 20.1).
    pub error_code: u64,
    /// When.
    pub time: Time,
}

/// How long the handshake took, seen from here; null where its first packets were not seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct QuicHandshake {
    /// The round trip between the peers: the two below together.
    pub rtt_seconds: Option<f64>,
    /// From here to the server and back.
    pub to_server_seconds: Option<f64>,
    /// From here to the client and back.
    pub to_client_seconds: Option<f64>,
    /// Long headers that the client sent before the server answered.
    pub client_datagrams: u32,
}

/// The spin bit of one side (RFC 9000 section 17.4).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct QuicSpin {
    /// `credible`, `idle`, `noisy`, `disabled` or `too_few`.
    #[schema(example = "credible")]
    pub state: &'static str,
    /// The round trip: about the shortest of the last seconds; null unless it is credible.
    pub rtt_seconds: Option<f64>,
    /// The shortest round trip; null unless it is credible.
    pub min_seconds: Option<f64>,
    /// The mean time between turns, with what was idle; null unless the round trip is credible.
    pub mean_seconds: Option<f64>,
    /// The longest round trip; null unless it is credible.
    pub max_seconds: Option<f64>,
    /// How often the bit turned.
    pub turns: u32,
    /// In how many packets.
    pub packets: u32,
}

/// A client that came from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuicMove {
    /// When it was seen.
    pub time: Time,
    /// `migration` or `rebinding`.
    pub kind: &'static str,
    /// Where the client was: address and port.
    #[schema(example = "192.0.2.1:50000")]
    pub from: String,
    /// Where it is.
    pub to: String,
}

impl From<&quic::Record> for QuicConnection {
    fn from(record: &quic::Record) -> Self {
        let one = &record.connection;
        let time = |ns| Time {
            unix_ns: record.unix_ns(ns),
        };
        let hello = one.hello.as_deref();
        let named = one.backend.as_ref().ok();
        let version = |version: Option<Version>| version.map(|version| version.to_string());
        Self {
            interface: record.interface.to_string(),
            ifindex: one.ifindex,
            netns: one.netns,
            vlans: vlans(one.vlans),
            client_address: one.client.ip().to_string(),
            client_port: one.client.port(),
            server_address: one.server.ip().to_string(),
            server_port: one.server.port(),
            certainty: one.certainty.name(),
            roles_certainty: one.roles.name(),
            version: version(one.version),
            version_number: one.version.map(|version| version.0),
            first_version: version(one.first_version),
            offered_versions: one.offered.iter().map(ToString::to_string).collect(),
            server_name: hello.and_then(|hello| hello.server_name.clone()),
            alpn: hello.map_or_else(Vec::new, |hello| hello.alpn.clone()),
            ja4: hello.map(|hello| hello.ja4.clone()),
            transport_parameters: hello.map_or_else(Vec::new, parameters),
            hello: one.hello_state.name(),
            hello_cut: hello.is_some_and(|hello| hello.is_cut),
            server_name_malformed: hello.is_some_and(|hello| hello.has_malformed_name),
            client_cids: cids(&one.client_cids, time),
            server_cids: cids(&one.server_cids, time),
            place: QuicPlace::of(&one.backend),
            fields: named.map_or_else(BTreeMap::new, |named| {
                named.fields.iter().cloned().collect()
            }),
            backend_certainty: named.map(|named| named.certainty.name()),
            retry: one.has_retry,
            zero_rtt: one.has_zero_rtt,
            closed: one.closed.as_ref().map(|close| closed(close, time)),
            handshake: (&one.timing).into(),
            client_spin: QuicSpin::of(one, Sender::Client),
            server_spin: QuicSpin::of(one, Sender::Server),
            sent: Traffic::new(record.sent(), record.rate()),
            client_sent: record.client_sent.into(),
            server_sent: record.server_sent.into(),
            client_rate: record.client_rate.into(),
            server_rate: record.server_rate.into(),
            migrations: one.moves.migrations,
            rebindings: one.moves.rebindings,
            moves: moves(&one.moves, time),
            shares_path: one.shares_path,
            first_seen: time(one.first_ns),
            last_seen: time(one.last_ns),
            duration_seconds: seconds(one.last_ns.saturating_sub(one.first_ns)),
            sampling: record.sampling,
        }
    }
}

impl QuicPlace {
    fn of(backend: &Result<connection::Backend, Undecoded>) -> Self {
        match backend {
            Ok(named) => Self {
                layout: Some(named.layout.clone()),
                route: QuicRoute::new(named.backend, named.queue),
                undecoded: None,
            },
            Err(reason) => Self {
                undecoded: Some(reason.name()),
                ..Self::default()
            },
        }
    }
}

impl From<&connection::Timing> for QuicHandshake {
    fn from(timing: &connection::Timing) -> Self {
        Self {
            rtt_seconds: timing.round_trip_ns().map(seconds),
            to_server_seconds: timing.to_server_ns().map(seconds),
            to_client_seconds: timing.to_client_ns().map(seconds),
            client_datagrams: timing.client_datagrams,
        }
    }
}

impl QuicSpin {
    fn of(connection: &connection::Connection, sender: Sender) -> Self {
        let spin = connection.spin_of(sender);
        let state = connection.spin_state(sender);
        let is_credible = state == connection::SpinState::Credible;
        let time = spin.time().filter(|_| is_credible);
        let (turns, packets) = spin.turns();
        Self {
            state: state.name(),
            rtt_seconds: time.map(|time| seconds(time.round_trip_ns)),
            min_seconds: time.map(|time| seconds(time.min_ns)),
            mean_seconds: time.map(|time| seconds(time.mean_ns)),
            max_seconds: time.map(|time| seconds(time.max_ns)),
            turns,
            packets,
        }
    }
}

fn parameters(hello: &connection::Client) -> Vec<QuicParameter> {
    let parameters = &hello.transport_parameters;
    let one = |parameter: &quic::TransportParameter| QuicParameter {
        id: parameter.id.0,
        name: ParameterId::to_string(&parameter.id),
        value: hex(&parameter.value),
        integer: parameters.integer(parameter.id),
    };
    parameters.0.iter().map(one).collect()
}

fn cids(cids: &connection::Cids, time: impl Fn(u64) -> Time) -> Vec<QuicCid> {
    let one = |known: &connection::KnownCid| QuicCid {
        cid: hex(known.cid.as_bytes()),
        origin: CidOrigin::name(known.origin),
        certainty: known.certainty.name(),
        first_seen: time(known.first_ns),
    };
    cids.iter().map(one).collect()
}

fn closed(close: &connection::Close, time: impl Fn(u64) -> Time) -> QuicClose {
    QuicClose {
        sender: sender(close.sender),
        error_code: close.error_code,
        time: time(close.time_ns),
    }
}

fn moves(moves: &connection::Moves, time: impl Fn(u64) -> Time) -> Vec<QuicMove> {
    let one = |moved: &connection::Move| QuicMove {
        time: time(moved.time_ns),
        kind: MoveKind::name(moved.kind),
        from: SocketAddr::to_string(&moved.from),
        to: moved.to.to_string(),
    };
    moves.last.iter().map(one).collect()
}

const fn sender(sender: Sender) -> &'static str {
    match sender {
        Sender::Client => "client",
        Sender::Server => "server",
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // A string takes everything.
        let _written = write!(text, "{byte:02x}");
    }
    text
}
