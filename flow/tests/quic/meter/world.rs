//! A client and a server whose frames are in a capture, and the meter that it is read into.

use netweir_flow::{
    Frame, Meter, Query, Settings, Tally,
    quic::{
        self,
        layout::{Layout, Layouts},
    },
};
use netweir_packets::{
    frame::{ipv4, udp},
    quic::{client_hello, client_initial, crypto, handshake, server_hello, server_initial, short},
};
use netweir_wire::{
    map::{Direction, PORT_QUIC, PortClasses},
    packet::{LinkType, protocol, quic::Version},
};
use std::sync::Arc;

pub(super) const MS: u64 = 1_000_000;
pub(super) const SECOND: u64 = 1_000 * MS;
pub(super) const FIRST: &[u8] = &[0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7];
pub(super) const CLIENT: &[u8] = &[0xc0, 0xc1, 0xc2, 0xc3, 0xc4];
/// By the preset `telementry`: backend 300, queue 44.
pub(super) const SERVER: &[u8] = &[0x01, 0x00, 0x01, 0x2c, 0x50, 0x51, 0x52, 0x53];
/// Bytes of IP and UDP header.
pub(super) const HEADER_BYTES: u64 = 28;

pub(super) struct World {
    pub(super) meter: Meter,
    pub(super) tally: Tally,
    pub(super) now_ns: u64,
    pub(super) client_port: u16,
    pub(super) server_port: u16,
    pub(super) direction: Direction,
}

pub(super) fn layouts(lines: &[&str]) -> Arc<Layouts> {
    let layouts: Vec<Layout> = lines
        .iter()
        .flat_map(|line| Layout::parse(line).expect("a layout"))
        .collect();
    Arc::new(Layouts::new(&layouts).expect("layouts"))
}

pub(super) fn world(lines: &[&str]) -> World {
    world_with(lines, quic::Settings::default())
}

pub(super) fn world_with(lines: &[&str], quic: quic::Settings) -> World {
    let layouts = layouts(lines);
    let mut ports = Box::new(PortClasses { bits: [0; 65536] });
    let marked = match quic.any_port {
        true => 1..=u16::MAX,
        false => 443..=443,
    };
    marked.for_each(|port| ports.bits[usize::from(port)] |= PORT_QUIC);
    let settings = Settings {
        quic: quic::Settings {
            layouts: Arc::clone(&layouts),
            ..quic
        },
        ..Settings::default()
    };
    let mut tally = Tally::new(ports).with_layouts(layouts);
    tally.begin_file("test.pcap");
    World {
        meter: Meter::new(&settings, 0),
        tally,
        now_ns: 1_000 * SECOND,
        client_port: 50_000,
        server_port: 443,
        direction: Direction::Ingress,
    }
}

impl World {
    /// A frame that begins with its IP header, a millisecond after the last one.
    pub(super) fn frame(&mut self, wire_bytes: usize, bytes: &[u8]) {
        self.now_ns += MS;
        self.tally.add(&Frame {
            interface: 0,
            link: LinkType::Ip,
            direction: self.direction,
            timestamp_ns: self.now_ns,
            wire_bytes: wire_bytes as u32,
            bytes,
        });
    }

    pub(super) fn client(&mut self, payload: impl AsRef<[u8]>) {
        let datagram = udp(self.client_port, self.server_port, payload.as_ref());
        let packet = ipv4(protocol::UDP).carrying(datagram);
        self.frame(packet.len(), &packet);
    }

    pub(super) fn server(&mut self, payload: impl AsRef<[u8]>) {
        let datagram = udp(self.server_port, self.client_port, payload.as_ref());
        let packet = ipv4(protocol::UDP)
            .between("10.0.0.2", "10.0.0.1")
            .carrying(datagram);
        self.frame(packet.len(), &packet);
    }

    /// The first four datagrams: three of the client, one of the server.
    pub(super) fn shake_hands(&mut self) {
        self.shake_hands_within(2 * MS);
    }

    /// The same, with so long a round trip.
    pub(super) fn shake_hands_within(&mut self, round_trip_ns: u64) {
        let hello = client_hello().server_name("netweir.example").alpn(&["h3"]);
        let first = client_initial(Version::V1, FIRST, CLIENT);
        self.client(first.carrying(crypto(0, &hello.bytes())));
        self.now_ns += round_trip_ns - 2 * MS;
        let answer = server_initial(Version::V1, FIRST, CLIENT, SERVER);
        self.server(answer.carrying(crypto(0, &server_hello(0x1301, 0x001d))));
        self.client(handshake(Version::V1, SERVER, CLIENT, &[7; 60]));
    }

    /// Packets with short headers to the server.
    pub(super) fn send(&mut self, packets: usize) {
        for _ in 0..packets {
            self.client(short(SERVER, &[9; 40]));
        }
    }

    pub(super) fn hand_over(&mut self) {
        self.tally.hand_over(&mut self.meter, self.now_ns);
        check(&self.meter);
    }

    pub(super) fn books(&self) -> quic::Accounting {
        self.meter.quic().expect("QUIC is on").accounting()
    }

    pub(super) fn connections(&self) -> Vec<quic::Record> {
        self.meter.quic_connections(&Query::default())
    }

    pub(super) fn only(&self) -> quic::Record {
        let mut all = self.connections();
        assert_eq!(all.len(), 1, "{all:#?}");
        all.remove(0)
    }
}

/// What holds at any time, in a replay.
pub(super) fn check(meter: &Meter) {
    let books = meter.quic().expect("QUIC is on").accounting();
    let quic::Accounting { kernel, table, .. } = &books;
    let [long, short, spin] = kernel.told;
    assert_eq!(kernel.long, long + kernel.lost.iter().sum::<u64>());
    assert_eq!(table.events, long + short + spin);
    assert_eq!(table.outcomes.iter().sum::<u64>(), table.events);
    assert_eq!(table.received, table.live + table.ended + table.unclaimed);
    let looked_at = kernel.decoded + kernel.no_room + kernel.undecoded.iter().sum::<u64>();
    assert!(looked_at == kernel.short || looked_at == 0);
}
