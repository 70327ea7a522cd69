//! A client and a server, whose datagrams a table is told of.

use netweir_flow::{
    Sample,
    quic::{
        Sender,
        connection::{Connection, Connections, Limit, Limits, Outcome, Settings},
        layout::{Layout, Layouts},
    },
};
use netweir_packets::quic::{client_hello, client_initial, crypto, server_hello, server_initial};
use netweir_wire::{
    map::{Direction, FlowCounters, FlowKey, QuicEvent, QuicEventKind, SpinSums},
    packet::quic::Version,
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

pub(super) const MS: u64 = 1_000_000;
/// What the client sends its first packets to.
pub(super) const FIRST: &[u8] = &[0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7];
pub(super) const CLIENT: &[u8] = &[0xc0, 0xc1, 0xc2, 0xc3, 0xc4];
/// By the preset `telementry`: backend 300, queue 44.
pub(super) const SERVER: &[u8] = &[0x01, 0x00, 0x01, 0x2c, 0x50, 0x51, 0x52, 0x53];

pub(super) struct World {
    pub(super) table: Connections,
    pub(super) now_ns: u64,
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}

pub(super) fn world() -> World {
    world_with(Settings::default(), "")
}

pub(super) fn world_with(settings: Settings, layouts: &str) -> World {
    let layouts: Vec<Layout> = layouts
        .lines()
        .flat_map(|line| Layout::parse(line).expect("a layout"))
        .collect();
    World {
        table: Connections::new(settings, Arc::new(Layouts::new(&layouts).expect("layouts"))),
        now_ns: 1_000 * MS,
        client: address("192.0.2.7:50000"),
        server: address("198.51.100.1:443"),
    }
}

impl World {
    pub(super) fn key(&self, sender: Sender) -> FlowKey {
        let (source, destination, direction) = match sender {
            Sender::Client => (self.client, self.server, Direction::Ingress),
            Sender::Server => (self.server, self.client, Direction::Egress),
        };
        FlowKey {
            netns: 1,
            ifindex: 2,
            source: bytes(source.ip()),
            destination: bytes(destination.ip()),
            source_port: source.port().to_be_bytes(),
            destination_port: destination.port().to_be_bytes(),
            ethertype: match source {
                SocketAddr::V4(_) => [0x08, 0],
                SocketAddr::V6(_) => [0x86, 0xdd],
            },
            protocol: 17,
            direction: direction as u8,
            ..FlowKey::default()
        }
    }

    fn event(&mut self, sender: Sender, kind: QuicEventKind) -> QuicEvent {
        self.now_ns += MS;
        QuicEvent {
            key: self.key(sender),
            time_ns: self.now_ns,
            kind: kind as u8,
            ..QuicEvent::default()
        }
    }

    fn datagram(&mut self, sender: Sender, kind: QuicEventKind, bytes: &[u8]) -> Outcome {
        let event = QuicEvent {
            payload_bytes: bytes.len() as u32,
            captured_bytes: bytes.len() as u16,
            ..self.event(sender, kind)
        };
        self.table.handle_event(&event, bytes)
    }

    /// As the kernel programs tell it: by the first bit.
    pub(super) fn send(&mut self, sender: Sender, bytes: impl AsRef<[u8]>) -> Outcome {
        let bytes = bytes.as_ref();
        let kind = match bytes[0] & 0x80 {
            0 => QuicEventKind::Short,
            _ => QuicEventKind::Long,
        };
        self.datagram(sender, kind, bytes)
    }

    pub(super) fn client(&mut self, bytes: impl AsRef<[u8]>) -> Outcome {
        self.send(Sender::Client, bytes)
    }

    pub(super) fn server(&mut self, bytes: impl AsRef<[u8]>) -> Outcome {
        self.send(Sender::Server, bytes)
    }

    pub(super) fn spin(&mut self, sender: Sender, spin: SpinSums) -> Outcome {
        let event = QuicEvent {
            spin,
            ..self.event(sender, QuicEventKind::Spin)
        };
        self.table.handle_event(&event, &[])
    }

    pub(super) fn count(&mut self, sender: Sender, packets: u64) {
        let counters = FlowCounters {
            packets,
            frames: packets,
            bytes: packets * 1000,
            last_ns: self.now_ns,
            ..FlowCounters::ZERO
        };
        let key = self.key(sender);
        self.table.add_sample(&Sample {
            key,
            counters,
            ..Sample::default()
        });
    }

    /// Packets that client and server sent, as views show them.
    pub(super) fn packets(&self) -> [u64; 2] {
        let connection = self.only();
        [connection.client_sent, connection.server_sent].map(|sent| sent.once().packets)
    }

    pub(super) fn only(&self) -> &Connection {
        let all: Vec<_> = self.table.iter().collect();
        let [connection] = all[..] else {
            panic!("{all:#?}");
        };
        connection
    }

    /// The usual beginning, up to the server's first packet.
    pub(super) fn shake_hands(&mut self) {
        let hello = client_hello().server_name("netweir.example").alpn(&["h3"]);
        let first = client_initial(Version::V1, FIRST, CLIENT).carrying(crypto(0, &hello.bytes()));
        assert_eq!(self.client(first), Outcome::Proven);
        let answer = server_initial(Version::V1, FIRST, CLIENT, SERVER);
        let answer = answer.carrying(crypto(0, &server_hello(0x1301, 0x001d)));
        assert_eq!(self.server(answer), Outcome::Proven);
    }

    /// How many shown connections end now.
    pub(super) fn ended(&mut self) -> u64 {
        let before = self.table.counters().ended_connections;
        self.table.tick(self.now_ns, usize::MAX);
        self.table.counters().ended_connections - before
    }
}

/// Every identity that holds at any time.
pub(super) fn check(table: &Connections) {
    let counters = table.counters();
    assert_eq!(counters.outcomes.iter().sum::<u64>(), counters.events);
    assert_eq!(
        counters.received,
        counters.live + counters.ended + counters.unclaimed
    );
    let live = table.all().flat_map(|connection| {
        let [client, server] = [connection.client_sent, connection.server_sent];
        [client.ingress, client.egress, server.ingress, server.egress]
    });
    let live = live.reduce(|sum, count| sum + count);
    assert_eq!(live.unwrap_or_default(), counters.live);
    let (known, guesses) = table.len();
    assert_eq!(table.all().count(), known + guesses);
    if table.is_empty() {
        assert_eq!((table.indexed(), table.crypto_bytes()), ((0, 0), 0));
    }
}

fn bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// A world with these limits.
pub(super) fn limited(limits: Limits) -> World {
    let settings = Settings {
        limits,
        ..Settings::default()
    };
    world_with(settings, "")
}

/// How often a limit was met.
pub(super) fn met(world: &World, limit: Limit) -> u64 {
    check(&world.table);
    world.table.counters().limit(limit)
}
