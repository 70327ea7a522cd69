//! QUIC, live at TC and from a capture: both tell the same.

use netweir_packets::{
    frame::{ethernet_ipv4, ipv4, udp},
    quic::{client_hello, client_initial, crypto, handshake, server_hello, server_initial, short},
};
use netweir_tests::{Ended, Netweir, Server, World, is_root};
use netweir_wire::packet::{protocol, quic::Version};
use rustix::process::Signal;
use serde_json::Value;

use crate::capture::{Capture, pcap};

const LAYOUT: &str = "quic.layouts=telementry port=443";
const FIRST: &[u8] = &[0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7];
const CLIENT: &[u8] = &[0xc0, 0xc1, 0xc2, 0xc3, 0xc4];
/// By the preset `telementry`: backend 300, queue 44.
const SERVER: &[u8] = &[0x01, 0x00, 0x01, 0x2c, 0x50, 0x51, 0x52, 0x53];

/// What a connection has in both: not the interface, and not the time.
const OF_CONNECTION: [&str; 15] = [
    "client_address",
    "client_port",
    "server_address",
    "server_port",
    "certainty",
    "version",
    "server_name",
    "alpn",
    "ja4",
    "backend",
    "queue",
    "undecoded",
    "packets",
    "bytes",
    "client_sent",
];

/// What a datagram has in both.
const OF_DATAGRAM: [&str; 6] = [
    "direction",
    "source_address",
    "source_port",
    "payload_bytes",
    "outcome",
    "packets",
];

/// A handshake, packets with short headers, and what is none of it.
fn frames() -> Vec<Vec<u8>> {
    let client =
        |port, payload: &[u8]| ethernet_ipv4(ipv4(protocol::UDP).carrying(udp(port, 443, payload)));
    let server = |payload: &[u8]| {
        let packet = ipv4(protocol::UDP).between("10.0.0.2", "10.0.0.1");
        ethernet_ipv4(packet.carrying(udp(443, 50_000, payload)))
    };
    let hello = client_hello().server_name("netweir.example").alpn(&["h3"]);
    let first = client_initial(Version::V1, FIRST, CLIENT).carrying(crypto(0, &hello.bytes()));
    let answer = server_initial(Version::V1, FIRST, CLIENT, SERVER)
        .carrying(crypto(0, &server_hello(0x1301, 0x001d)));
    let mut frames = vec![
        client(50_000, &first),
        server(&answer),
        client(50_000, &handshake(Version::V1, SERVER, CLIENT, &[7; 60])),
    ];
    frames.extend((0..20).map(|_| client(50_000, &short(SERVER, &[9; 40]))));
    // STUN and RTP on the same port.
    let stun = [&[0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42][..], &[7; 20]].concat();
    let rtp = [&[0x80, 0x60, 0, 1][..], &[7; 200]].concat();
    frames.extend([client(50_001, &stun), client(50_002, &rtp)]);
    frames
}

fn kept(ended: &Ended, names: &[&str]) -> Vec<Vec<Value>> {
    let rows = ended.output.iter();
    rows.map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        names.iter().map(|name| row[name].clone()).collect()
    })
    .collect()
}

/// The line about QUIC, without what depends on how fast it went.
fn books(ended: &Ended) -> String {
    let lines = ended.log.iter();
    let mut lines = lines.filter(|line| line.starts_with("netweir: QUIC: "));
    lines.next().unwrap().clone()
}

fn live(world: &World, arguments: &[&str]) -> Ended {
    let fixed = ["quic", "--json", "--set", LAYOUT, "--iface"];
    let fixed = fixed.into_iter().chain([world.near.interface]);
    let child = Netweir::new(fixed.chain(arguments.iter().copied()));
    let child = child.netns(&world.near).meter();
    world.send(frames());
    child.end(Signal::TERM)
}

#[test]
fn connections_are_told_alike() {
    if !is_root() {
        return;
    }
    let live = live(&World::new(), &["--every", "1h", "--hook", "tc"]);
    let capture = Capture::new("quic", &pcap(&frames()));
    let arguments = ["replay", "--by", "quic", "--json", "--set", LAYOUT];
    let replayed = Netweir::new(arguments.into_iter().chain([capture.path()])).finish();
    let expected = kept(&replayed, &OF_CONNECTION);
    assert_eq!(kept(&live, &OF_CONNECTION), expected);
    assert_eq!(expected.len(), 1, "{expected:?}");
    let row: Value = serde_json::from_str(&replayed.output[0]).unwrap();
    assert_eq!(row["server_name"], "netweir.example");
    assert_eq!((&row["backend"], &row["queue"]), (&300.into(), &44.into()));
    assert_eq!(
        (&row["packets"], &row["certainty"]),
        (&23.into(), &"proven".into())
    );
    assert_eq!(books(&live), books(&replayed));
}

#[test]
fn datagrams_are_told_alike() {
    if !is_root() {
        return;
    }
    let live = live(&World::new(), &["--events", "--hook", "tc"]);
    let capture = Capture::new("quic-events", &pcap(&frames()));
    let arguments = ["replay", "--events", "--json", "--set", LAYOUT];
    let replayed = Netweir::new(arguments.into_iter().chain([capture.path()])).finish();
    let expected = kept(&replayed, &OF_DATAGRAM);
    assert_eq!(kept(&live, &OF_DATAGRAM), expected);
    let outcomes: Vec<_> = expected
        .iter()
        .map(|row| row[4].as_str().unwrap())
        .collect();
    // The server's first one is known by its key, the client's next by the server's ID.
    assert_eq!(outcomes, ["proven", "proven", "matched", "not_quic"]);
    assert_eq!(books(&live), books(&replayed));
}

#[test]
fn the_api_has_each_packet_once() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let arguments = ["--tick", "200ms", "--hook", "tc", "--set", LAYOUT];
    let server = Server::start(&world, &arguments);
    world.send(frames());
    server.await_seen(frames().len() as u64);
    let quic = server.get("/api/quic");
    let counted = &quic["counted"][0];
    let place = [&counted["backend"], &counted["queue"], &counted["packets"]];
    assert_eq!(place, [300, 44, 20], "{quic}");
    assert_eq!(counted["bytes"], 20 * 49);
    let books = &quic["accounting"];
    // What only looks like a short header, as STUN does, has bytes where connection IDs are.
    assert_eq!(
        [&books["long"], &books["short"], &books["decoded"]],
        [4, 21, 21]
    );
    assert_eq!(books["received"]["packets"], 25);
    assert_eq!(quic["connections"][0]["packets"], 23);
    assert_eq!(quic["queues"][0]["number"], 44);
    server.child.end(Signal::TERM).books();
}

#[test]
fn flows_say_of_which_connection_they_are() {
    let capture = Capture::new("quic-flows", &pcap(&frames()));
    let arguments = ["replay", "--json", "--set", LAYOUT, capture.path()];
    let ended = Netweir::new(arguments).finish();
    let rows = kept(&ended, &["source_port", "destination_port", "quic"]);
    assert_eq!(rows.len(), 4);
    for row in rows {
        let is_of_it = row[..2].contains(&50_000.into());
        assert_eq!(
            row[2]["server_name"] == "netweir.example",
            is_of_it,
            "{row:?}"
        );
        assert_eq!(row[2].is_null(), !is_of_it);
    }
}

#[test]
fn where_quic_is_off_that_is_said() {
    for (setting, said) in [
        (
            "ports.quic=",
            "QUIC is off: name a port in ports.quic, or any",
        ),
        ("maps.quic=0", "QUIC is off in the kernel: set maps.quic"),
    ] {
        let ended = Netweir::new(["quic", "--set", setting]).finish();
        let (code, told) = ended.failure();
        assert_eq!(code, Some(1));
        assert!(told[0].contains(said), "{told:?}");
    }
    let ended = Netweir::new(["quic", "--events", "--format", "csv"]).finish();
    assert!(ended.failure().1[0].contains("and no CSV"));
}
