//! What is no QUIC, live on its ports: nothing of it is called so, however much there is.

use netweir_packets::frame::{ethernet_ipv4, ipv4, udp};
use netweir_tests::{Server, World, await_that, is_root};
use netweir_wire::packet::protocol;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{await_events, count, sum};

const PORTS: [u16; 2] = [443, 4433];
/// Datagrams that begin as a short header does, and that are enough for a guess where they look right.
const ENOUGH: u64 = 8;

/// A protocol: the port of its clients, and what both sides say in their datagram of that number.
struct Noise {
    port: u16,
    question: fn(u8) -> Vec<u8>,
    answer: fn(u8) -> Vec<u8>,
}

const NOISE: [Noise; 6] = [
    Noise {
        port: 50_000,
        question: |number| dns([number, !number], &[1, 0]),
        answer: |number| dns([number, !number], &[0x81, 0x80]),
    },
    Noise {
        port: 50_001,
        question: |number| [&[0, 1, 0, 20][..], &STUN, &[number; 32]].concat(),
        answer: |number| [&[1, 1, 0, 20][..], &STUN, &[number; 32]].concat(),
    },
    Noise {
        port: 50_002,
        // A handshake, then what is encrypted, of DTLS 1.2.
        question: |number| [&[22, 0xfe, 0xfd, 0, 0][..], &[number; 60]].concat(),
        answer: |number| [&[23, 0xfe, 0xfd, 0, 1][..], &[number; 90]].concat(),
    },
    Noise {
        port: 50_003,
        // The same of DTLS 1.3, whose headers vary as those of QUIC do.
        question: |number| [&[0x20 | number & 0x1f, number][..], &[number; 40]].concat(),
        answer: |number| [&[0x3f - (number & 0x1f), number][..], &[number; 50]].concat(),
    },
    Noise {
        port: 50_004,
        question: |number| channel(number, 100),
        answer: |number| channel(number, 200),
    },
    Noise {
        port: 50_005,
        // Audio, and a report on it.
        question: |number| [&[0x80, 0x60 | number & 0x80, 0, number][..], &[number; 170]].concat(),
        answer: |number| [&[0x81, 201, 0, 7][..], &[number; 28]].concat(),
    },
];

/// STUN's magic cookie.
const STUN: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// A question for an address, or with such flags an answer that repeats it.
fn dns(id: [u8; 2], flags: &[u8; 2]) -> Vec<u8> {
    let name = b"\x07netweir\x07example\x00\x00\x01\x00\x01";
    [&id[..], flags, &[0, 1, 0, 0, 0, 0, 0, 0], name].concat()
}

/// What is sent through one of TURN's channels.
fn channel(number: u8, length: u8) -> Vec<u8> {
    let data = vec![number; usize::from(length)];
    [&[0x40 | number & 0x0f, number, 0, length][..], &data].concat()
}

fn from_client(client: u16, server: u16, payload: &[u8]) -> Vec<u8> {
    ethernet_ipv4(ipv4(protocol::UDP).carrying(udp(client, server, payload)))
}

fn from_server(client: u16, server: u16, payload: &[u8]) -> Vec<u8> {
    let packet = ipv4(protocol::UDP).between("10.0.0.2", "10.0.0.1");
    ethernet_ipv4(packet.carrying(udp(server, client, payload)))
}

/// A datagram of each protocol in each direction.
fn send_round(world: &World, number: u8) {
    for server in PORTS {
        let questions =
            NOISE.map(|noise| from_client(noise.port, server, &(noise.question)(number)));
        let answers = NOISE.map(|noise| from_server(noise.port, server, &(noise.answer)(number)));
        world.send(questions);
        world.near.send(answers);
    }
}

/// Questions with identifiers of all kinds, each from a port of its own as resolvers do.
fn send_questions(world: &World) {
    for server in PORTS {
        let ids = (0..=u16::MAX).step_by(331).zip(10_000..);
        let frames = |of: fn(u16, u16, &[u8]) -> Vec<u8>, flags: [u8; 2]| {
            let ids = ids.clone();
            ids.map(move |(id, client)| of(client, server, &dns(id.to_be_bytes(), &flags)))
        };
        world.send(frames(from_client, [1, 0]));
        world.near.send(frames(from_server, [0x81, 0x80]));
    }
}

/// All that is told, once it has come to the table, samples included.
fn await_all(server: &Server) -> Value {
    await_events(server, |accounting| {
        let looked_at = count(&accounting["long"]) + count(&accounting["short"]);
        count(&accounting["received"]["packets"]) == looked_at
    })
}

#[test]
fn nothing_of_it_is_called_quic() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let server = Server::start(&world, &["--hook", "tc", "--tick", "200ms"]);
    send_questions(&world);
    // Of flows with short headers one is told now and then: of all but RTP's, in both directions.
    let flows = 2 * PORTS.len() * (NOISE.len() - 1);
    let told_short = |told: &Value| count(&told["accounting"]["told"]["short"]);
    let before = told_short(&await_all(&server));
    let mut number = 0_u8;
    await_that(|| {
        // Identifiers of DNS that begin as a short header does.
        number = (number + 1) % 128;
        send_round(&world, number);
        let told = server.get("/api/quic");
        if told_short(&told) - before >= ENOUGH * flows as u64 {
            return Ok(());
        }
        Err(format!("{told:#}"))
    });
    let told = await_all(&server);
    for list in ["connections", "versions", "backends", "queues", "counted"] {
        assert_eq!(told[list], json!([]), "{told:#}");
    }
    let accounting = &told["accounting"];
    assert_eq!(
        accounting["outcomes"]["not_quic"], accounting["events"],
        "{told:#}"
    );
    assert_eq!(sum(&accounting["outcomes"]), accounting["events"]);
    for live in ["live_connections", "live_guesses"] {
        assert_eq!(accounting[live], 0, "{told:#}");
    }
    assert_eq!(accounting["unclaimed"], accounting["received"]);
    for (resemblance, count) in accounting["resemblances"].as_object().unwrap() {
        let is_sent = ["dns", "stun", "dtls", "turn", "rtp"].contains(&resemblance.as_str());
        assert_eq!(*count != 0, is_sent, "{told:#}");
    }
    server.child.end(Signal::TERM).books();
}
