//! QUIC between real peers: what is told of their connections is what they say themselves.

use std::{
    net::{SocketAddr, UdpSocket},
    thread,
};

use netweir_peers::{ALPN, Identity, NAME, Said, Scheme, Server as Peer, download};
use netweir_tests::{Counted, Feature, Server, World, await_that, is_root};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Bytes that a client downloads.
const BYTES: usize = 3_000_000;

/// Ports of servers, and the backend that each is.
const BACKENDS: [(u16, u16); 3] = [(443, 1), (4433, 66), (8000, 300)];

/// Bytes in front of the payload of a datagram: Ethernet, IP, UDP.
const fn header_bytes(address: SocketAddr) -> u64 {
    if address.is_ipv4() {
        14 + 20 + 8
    } else {
        14 + 40 + 8
    }
}

#[test]
fn tcx_tells_what_the_peers_say() {
    if Feature::Tcx.is_there_or_skip() {
        peers_agree(&["--hook", "tc"], true);
    }
}

#[test]
fn clsact_tells_what_the_peers_say() {
    peers_agree(&["--hook", "tc", "--set", "tc=clsact"], true);
}

#[test]
fn xdp_tells_what_the_client_says() {
    peers_agree(&["--hook", "xdp"], false);
}

#[test]
fn tracepoint_tells_what_the_peers_say() {
    if Feature::TracedPages.is_there_or_skip() {
        peers_agree(&["--hook", "tracepoint"], true);
    }
}

/// A connection, and what its ends say of it.
struct Spoken {
    client: SocketAddr,
    server: SocketAddr,
    said: [Said; 2],
}

/// Connections to several backends over both IP versions, from clients of quinn to servers of quinn,
/// with segmentation offload; `both_ways` where the hook sees what the servers send.
fn peers_agree(hook: &[&str], both_ways: bool) {
    if !is_root() {
        return;
    }
    let world = World::new();
    // Where it sees both ways, the kernel hands whole trains of datagrams over.
    world.offload(both_ways);
    let mut arguments = vec!["--tick", "200ms", "--set", "quic.layouts=telementry"];
    arguments.extend(hook);
    let server = Server::start(&world, &arguments);
    let mut spoken = Vec::new();
    for (port, backend) in BACKENDS {
        for version in [0, 1] {
            let scheme = Scheme::Telementry { backend };
            spoken.push((speak(&world, (version, port), scheme), backend));
        }
    }
    for (one, backend) in &spoken {
        let found = await_connection(&server, one, both_ways);
        assert_eq!(found["certainty"], "proven", "{found:#}");
        assert_eq!(found["version"], "v1");
        assert_eq!(found["server_name"], NAME);
        assert_eq!(found["alpn"], json!([ALPN]));
        assert_eq!(found["server_address"], one.server.ip().to_string());
        assert_eq!(found["backend"], *backend, "{found:#}");
        assert_eq!(found["queue"], backend % 64);
        assert_eq!(found["shares_path"], false);
    }
    let told = server.get("/api/quic");
    assert_eq!(told["connections"].as_array().unwrap().len(), spoken.len());
    server.child.end(Signal::TERM);
}

/// Has a client of the far side download from a server of the near one.
fn speak(world: &World, (version, port): (usize, u16), scheme: Scheme) -> Spoken {
    let identity = Identity::new().unwrap();
    let bind = |address| move || UdpSocket::bind(address).unwrap();
    let near = SocketAddr::new(world.near.addresses[version], port);
    let far = SocketAddr::new(world.far.addresses[version], 0);
    let listening = world.near.enter(bind(near));
    let asking = world.far.enter(bind(far));
    let client = asking.local_addr().unwrap();
    let peer = Peer::start(listening, &identity, Some(scheme)).unwrap();
    let of_client = thread::scope(|scope| {
        let work = || download(asking, near, &identity, BYTES);
        scope.spawn(work).join().unwrap().unwrap()
    });
    let mut of_server = peer.finish().unwrap();
    assert_eq!(of_server.len(), 1);
    Spoken {
        client,
        server: near,
        said: [of_client, of_server.remove(0)],
    }
}

/// Waits until everything is told that both ends have sent, which is neither more nor less.
fn await_connection(server: &Server, spoken: &Spoken, both_ways: bool) -> Value {
    let Spoken { client, said, .. } = spoken;
    let expected = |said: &Said| Counted {
        packets: said.sent,
        bytes: said.sent_bytes + said.sent * header_bytes(*client),
        ..Counted::default()
    };
    await_that(|| {
        let told = server.get("/api/quic");
        let connections = told["connections"].as_array().unwrap();
        let of_client = |one: &&Value| {
            one["client_address"] == client.ip().to_string() && one["client_port"] == client.port()
        };
        let found = connections.iter().find(of_client);
        let found = found.ok_or_else(|| format!("{client} is not in {told:#}"))?;
        let mut ends = vec![("client_sent", expected(&said[0]))];
        if both_ways {
            ends.push(("server_sent", expected(&said[1])));
        }
        for (name, expected) in ends {
            let counted = Counted::of(&found[name]);
            if (counted.packets, counted.bytes) != (expected.packets, expected.bytes) {
                return Err(format!("{name}: {counted:?} of {expected:?} in {told:#}"));
            }
        }
        Ok(found.clone())
    })
}
