//! QUIC connections as views show them.

use super::{
    Sender,
    connection::{Certainty, Connection, Connections, Sent, Totals},
};
use crate::{
    InterfaceId, Meter, Query, Rate, SortKey,
    filter::mapped,
    listing::{Listed, SLICE},
    query::ThingKey,
    rank::Rank,
    sampling::Sampling,
};
use netweir_wire::{
    map::{CidRoute, Count, Direction, FlowKey, Undecoded},
    packet::{ethertype, protocol, quic::Version},
};
use std::{net::SocketAddr, sync::Arc};

/// A QUIC connection at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Name of the interface; `if` and the index while nobody has told the name.
    pub interface: Arc<str>,
    /// What is known of it. Its times are of the meter's clock ([`Self::unix_ns`]), its counts raw.
    pub connection: Connection,
    /// What the client sent, each packet once.
    pub client_sent: Count,
    /// What the server sent, each packet once.
    pub server_sent: Count,
    /// How fast the client sent in the last whole tick.
    pub client_rate: Rate,
    /// How fast the server sent in the last whole tick.
    pub server_rate: Rate,
    /// One frame in so many was counted, and counts and rates are multiplied by it; 1 if every frame
    /// was.
    pub sampling: u32,
    wall_offset_ns: i64,
}

/// What a flow shows of the QUIC connection that it is a part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How sure it is that this is QUIC.
    pub certainty: Certainty,
    /// The version that is spoken; none where no long header was seen.
    pub version: Option<Version>,
    /// The server's name, where the ClientHello was read and has one.
    pub server_name: Option<String>,
    /// What the server's connection ID names, or why it names nothing.
    pub backend: Result<CidRoute, Undecoded>,
}

/// Shares of versions, backends and queues, read in slices as [`crate::Listing`] reads lists.
#[derive(Debug, Default)]
pub struct Sums {
    totals: Totals,
    next: u32,
    sampling: Option<Sampling>,
}

impl Record {
    /// A time of the connection as nanoseconds since 1970.
    pub const fn unix_ns(&self, ns: u64) -> u64 {
        ns.saturating_add_signed(self.wall_offset_ns)
    }

    /// What both sides sent.
    pub fn sent(&self) -> Count {
        self.client_sent + self.server_sent
    }

    /// How fast both sides sent in the last whole tick.
    pub fn rate(&self) -> Rate {
        let mut rate = self.client_rate;
        rate += self.server_rate;
        rate
    }
}

impl Summary {
    pub(super) fn of(connection: &Connection) -> Self {
        let hello = connection.hello.as_ref();
        Self {
            certainty: connection.certainty,
            version: connection.version,
            server_name: hello.and_then(|hello| hello.server_name.clone()),
            backend: match &connection.backend {
                Ok(named) => Ok(CidRoute {
                    backend: named.backend,
                    queue: named.queue,
                }),
                Err(reason) => Err(*reason),
            },
        }
    }
}

impl Sums {
    /// Reads the next slice; whether there are more of them.
    pub fn read(&mut self, meter: &Meter) -> bool {
        self.sampling = Some(meter.sampling);
        let Some(quic) = meter.quic() else {
            return false;
        };
        let connections = quic.connections();
        let end = self.next.saturating_add(SLICE);
        let shown = connections.range(self.next..end);
        for (_, connection) in shown.filter(|(_, connection)| connection.is_shown()) {
            self.totals.add(connection);
        }
        self.next = end;
        end < connections.end()
    }

    /// The sums, multiplied where frames are sampled.
    pub fn finish(mut self) -> Totals {
        if let Some(sampling) = self.sampling {
            self.totals.scale(sampling);
        }
        self.totals
    }
}

impl Listed for Record {
    type Candidate = u32;

    fn offer(
        meter: &Meter,
        query: &Query,
        begin: u32,
        offer: &mut dyn FnMut(Rank, u32),
    ) -> Option<u32> {
        let connections = meter.quic()?.connections();
        let end = begin.saturating_add(SLICE);
        for (id, connection) in connections.range(begin..end) {
            if connection.is_shown() && is_wanted(meter, query, connection) {
                offer(rank(query.sort, connections, id, connection), id);
            }
        }
        (end < connections.end()).then_some(end)
    }

    fn key(meter: &Meter, id: u32) -> ThingKey {
        let connection = meter.quic().and_then(|quic| quic.connections().at(id));
        ThingKey::Flow(connection.map_or_else(FlowKey::default, |one| keys(one)[0]))
    }

    fn read(meter: &Meter, id: u32) -> Option<Self> {
        let connections = meter.quic()?.connections();
        let connection = connections.at(id)?;
        let scaled = |sent: Sent| meter.sampling.count(sent.once());
        let rate = |sender| meter.sampling.rate(connections.rate(id, sender));
        Some(Self {
            interface: meter.interfaces.name(interface_of(connection)),
            client_sent: scaled(connection.client_sent),
            server_sent: scaled(connection.server_sent),
            client_rate: rate(Sender::Client),
            server_rate: rate(Sender::Server),
            sampling: meter.sampling(),
            wall_offset_ns: meter.wall_offset_ns,
            connection: connection.clone(),
        })
    }
}

fn is_wanted(meter: &Meter, query: &Query, connection: &Connection) -> bool {
    if query.admits_all() {
        return true;
    }
    let name = meter.interfaces.name(interface_of(connection));
    let keys = keys(connection);
    query.admits(&name, keys.iter().map(|key| meter.table.facts(key, &name)))
}

const fn interface_of(connection: &Connection) -> InterfaceId {
    InterfaceId {
        netns: connection.netns,
        ifindex: connection.ifindex,
    }
}

/// The protocol of connections is their version.
fn rank(sort: SortKey, connections: &Connections, id: u32, connection: &Connection) -> Rank {
    let sent = connection.client_sent.once() + connection.server_sent.once();
    let last_bytes = |sender| u128::from(connections.last(id, sender).bytes);
    match sort {
        SortKey::Bytes => (sent.bytes.into(), 0),
        SortKey::Rate => (last_bytes(Sender::Client) + last_bytes(Sender::Server), 0),
        SortKey::Packets => (sent.packets.into(), 0),
        SortKey::First => (connection.first_ns.into(), 0),
        SortKey::Last => (connection.last_ns.into(), 0),
        SortKey::Source => end_rank(connection.client),
        SortKey::Destination => end_rank(connection.server),
        SortKey::Protocol => (connection.version.map_or(0, |version| version.0.into()), 0),
        SortKey::Label => (0, 0),
    }
}

fn end_rank(end: SocketAddr) -> Rank {
    (u128::from_be_bytes(mapped(end.ip())), end.port())
}

/// The flows of a connection: from the client, and to it. Of a side that nothing is known of, packets
/// go the other way.
fn keys(connection: &Connection) -> [FlowKey; 2] {
    let Connection { client, server, .. } = connection;
    let from_client = direction(&connection.client_sent);
    let from_server = direction(&connection.server_sent);
    let forward = from_client.or_else(|| from_server.map(opposite));
    let forward = forward.unwrap_or(Direction::Ingress);
    let back = from_server.unwrap_or_else(|| opposite(forward));
    [
        key(connection, (*client, *server), forward),
        key(connection, (*server, *client), back),
    ]
}

/// Which way most of it went; none where there is nothing.
fn direction(sent: &Sent) -> Option<Direction> {
    (sent.once().packets > 0).then(|| sent.direction())
}

const fn opposite(direction: Direction) -> Direction {
    match direction {
        Direction::Ingress => Direction::Egress,
        Direction::Egress => Direction::Ingress,
    }
}

fn key(
    connection: &Connection,
    (source, destination): (SocketAddr, SocketAddr),
    direction: Direction,
) -> FlowKey {
    let [outer, inner] = connection.vlans;
    let ethertype = match source {
        SocketAddr::V4(_) => ethertype::IPV4,
        SocketAddr::V6(_) => ethertype::IPV6,
    };
    FlowKey {
        netns: connection.netns,
        ifindex: connection.ifindex,
        source: mapped(source.ip()),
        destination: mapped(destination.ip()),
        source_port: source.port().to_be_bytes(),
        destination_port: destination.port().to_be_bytes(),
        ethertype: ethertype.to_be_bytes(),
        outer_vlan: outer.to_be_bytes(),
        inner_vlan: inner.to_be_bytes(),
        protocol: protocol::UDP,
        direction: direction as u8,
        reserved: [0; 4],
    }
}
