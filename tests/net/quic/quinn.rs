//! Peers of quinn: every hook tells what they sent, and which backend served them.

use std::{
    net::{SocketAddr, UdpSocket},
    thread,
};

use netweir_peers::{ALPN, Identity, NAME, Said, Scheme, Server as Peer, download};
use netweir_tests::{Feature, Server, World, is_root};
use serde_json::{Value, json};

use super::{Sent, await_connection};

/// Bytes that a client downloads.
const BYTES: usize = 3_000_000;

/// Ports of servers, and the number of each.
const SERVERS: [(u16, u16); 3] = [(443, 1), (4433, 66), (8000, 300)];

#[test]
fn tcx_tells_what_they_say() {
    if Feature::Tcx.is_there_or_skip() {
        peers_agree(&["--hook", "tc"], true);
    }
}

#[test]
fn clsact_tells_what_they_say() {
    peers_agree(&["--hook", "tc", "--set", "tc=clsact"], true);
}

#[test]
fn xdp_tells_what_the_client_says() {
    peers_agree(&["--hook", "xdp"], false);
}

#[test]
fn tracepoint_tells_what_they_say() {
    if Feature::TracedPages.is_there_or_skip() {
        peers_agree(&["--hook", "tracepoint"], true);
    }
}

#[test]
fn layout_of_mvfst_is_read() {
    let scheme = |number: u16| Scheme::Mvfst {
        host: u32::from(number),
        worker: number as u8 % 5,
    };
    layout_is_read("mvfst", scheme, |number| (number, Some(number % 256 % 5)));
}

#[test]
fn layout_of_quic_lb_is_read() {
    let scheme = |number: u16| Scheme::QuicLb {
        server: u32::from(number),
    };
    let layout = "quic-lb config=1 server-id=3 nonce=4";
    layout_is_read(layout, scheme, |number| (number, None));
}

/// Server ID and nonce are one block.
#[test]
fn layout_of_quic_lb_in_one_pass_is_read() {
    encrypted_layout_is_read(13);
}

/// They have an odd number of bytes.
#[test]
fn layout_of_quic_lb_in_four_passes_is_read() {
    encrypted_layout_is_read(4);
}

/// As above with a key, which the kernel programs do not have.
fn encrypted_layout_is_read(nonce: usize) {
    const KEY: [u8; 16] = *b"a key of netweir";
    let scheme = |number: u16| Scheme::Encrypted {
        server: u32::from(number),
        nonce,
        key: KEY,
    };
    let digits: String = KEY.map(|byte| format!("{byte:02x}")).concat();
    let layout = format!("quic-lb server=10.7.0.1 config=1 server-id=3 nonce={nonce} key={digits}");
    let Some(told) = layout_is_read(&layout, scheme, |number| (number, None)) else {
        return;
    };
    assert_eq!(told["counted"], json!([]));
    let accounting = &told["accounting"];
    let [short, encrypted, others] = [
        &accounting["short"],
        &accounting["undecoded"]["encrypted"],
        // What servers sent goes to no server.
        &accounting["undecoded"]["no_layout"],
    ]
    .map(|count| count.as_u64().unwrap());
    assert_eq!(encrypted + others, short, "{accounting:#}");
    assert!(encrypted > 100, "{accounting:#}");
}

/// A connection, and what its ends say of it.
struct Spoken {
    client: SocketAddr,
    said: [Sent; 2],
}

/// Connections to several backends over both IP versions, from clients of quinn to servers of quinn;
/// `both_ways` where the hook sees what the servers send.
fn peers_agree(hook: &[&str], both_ways: bool) {
    if !is_root() {
        return;
    }
    let world = World::new();
    // Where both ways are seen, the kernel hands whole trains of datagrams over.
    world.offload(both_ways);
    let layouts = world
        .near
        .addresses
        .map(|near| format!("telementry server={near}"));
    let layouts = format!("quic.layouts={}", layouts.join(","));
    let mut arguments = vec!["--tick", "200ms", "--set", &layouts];
    arguments.extend(hook);
    let server = Server::start(&world, &arguments);
    let mut spoken = Vec::new();
    for place in SERVERS {
        for version in [0, 1] {
            let scheme = |backend| Scheme::Telementry { backend };
            spoken.push((speak(&world, version, place, &scheme), place));
        }
    }
    for (one, (port, backend)) in &spoken {
        let [client, of_server] = one.said;
        let sent = [Some(client), both_ways.then_some(of_server)];
        let found = await_connection(&server, one.client, sent);
        check_names(&found);
        assert_eq!(found["server_port"], *port);
        assert_eq!(found["backend"], *backend, "{found:#}");
        assert_eq!(found["queue"], backend % 64);
    }
    check_books(&server, spoken.len());
    check_counted(&server, &spoken);
}

/// What the kernel counted by connection ID alone: all that clients sent with short headers.
fn check_counted(server: &Server, spoken: &[(Spoken, (u16, u16))]) {
    let told = server.get("/api/quic");
    let counted = told["counted"].as_array().unwrap();
    let mut packets = 0;
    for (_, backend) in SERVERS {
        let of_backend = counted.iter().filter(|one| one["backend"] == backend);
        let short: u64 = of_backend
            .map(|one| {
                assert_eq!(one["queue"], backend % 64, "{told:#}");
                one["packets"].as_u64().unwrap()
            })
            .sum();
        let of_backend = spoken.iter().filter(|(_, (_, number))| *number == backend);
        let sent: u64 = of_backend.map(|(one, _)| one.said[0].packets).sum();
        // The handshake goes before: two datagrams at least, and not more than a few.
        assert!(
            (sent - 20..sent - 2).contains(&short),
            "{short} of {sent}: {told:#}"
        );
        packets += short;
    }
    let accounting = &told["accounting"];
    assert_eq!(accounting["decoded"], packets, "{told:#}");
    assert_eq!(accounting["long"], accounting["told"]["long"], "{told:#}");
}

/// One connection to each server, whose connection IDs are of a layout that has for each server's
/// number this backend and this queue; what is told of them all.
fn layout_is_read(
    layout: &str,
    scheme: impl Fn(u16) -> Scheme,
    named: impl Fn(u16) -> (u16, Option<u16>),
) -> Option<Value> {
    if !is_root() {
        return None;
    }
    let world = World::new();
    world.offload(true);
    let setting = format!("quic.layouts={layout}");
    let server = Server::start(&world, &["--tick", "200ms", "--set", &setting]);
    for place in SERVERS {
        let one = speak(&world, 0, place, &scheme);
        let found = await_connection(&server, one.client, one.said.map(Some));
        check_names(&found);
        let (backend, queue) = named(place.1);
        assert_eq!(found["backend"], backend, "{found:#}");
        assert_eq!(found["queue"], json!(queue));
    }
    check_books(&server, SERVERS.len());
    Some(server.get("/api/quic"))
}

fn check_names(found: &Value) {
    assert_eq!(found["certainty"], "proven", "{found:#}");
    assert_eq!(found["version"], "v1");
    assert_eq!(found["server_name"], NAME);
    assert_eq!(found["alpn"], json!([ALPN]));
    assert_eq!(found["shares_path"], false);
}

/// Nothing else was taken for QUIC, and nothing got lost.
fn check_books(server: &Server, connections: usize) {
    let told = server.get("/api/quic");
    assert_eq!(told["connections"].as_array().unwrap().len(), connections);
    let accounting = server.get("/api/accounting");
    assert_eq!(accounting["balanced"], true, "{accounting:#}");
}

/// Has a client of the far side download from a server of the near one.
fn speak(
    world: &World,
    version: usize,
    (port, number): (u16, u16),
    scheme: &dyn Fn(u16) -> Scheme,
) -> Spoken {
    let identity = Identity::new().unwrap();
    let bind = |address| move || UdpSocket::bind(address).unwrap();
    let near = SocketAddr::new(world.near.addresses[version], port);
    let far = SocketAddr::new(world.far.addresses[version], 0);
    let listening = world.near.enter(bind(near));
    let asking = world.far.enter(bind(far));
    let client = asking.local_addr().unwrap();
    let peer = Peer::start(listening, &identity, Some(scheme(number))).unwrap();
    let of_client = thread::scope(|scope| {
        let work = || download(asking, near, &identity, BYTES);
        scope.spawn(work).join().unwrap().unwrap()
    });
    let of_server = peer.finish().unwrap();
    assert_eq!(of_server.len(), 1);
    Spoken {
        client,
        said: [&of_client, &of_server[0]].map(sent),
    }
}

const fn sent(said: &Said) -> Sent {
    Sent {
        packets: said.sent,
        payload_bytes: said.sent_bytes,
    }
}
