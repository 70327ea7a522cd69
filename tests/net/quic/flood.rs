//! A flood of forged Initials: what it may cost is bounded, what was refused is told under its limit, and
//! who speaks meanwhile is shown as ever.

use std::{
    net::{SocketAddr, UdpSocket},
    thread,
};

use netweir_packets::{
    frame::{ethernet_ipv4, ipv4, udp},
    quic::{client_hello, client_initial, crypto},
};
use netweir_peers::{Identity, NAME, Said, Server as Peer, download_around};
use netweir_tests::{Server, Usage, World, await_that, is_root};
use netweir_wire::packet::{protocol, quic::Version};
use rustix::process::Signal;
use serde_json::Value;

use super::{Sent, await_connection, await_events, connection, count, sum};

/// Forged Initials of each kind.
const FORGED: u32 = 20_000;
/// Initials that the ring for events has room for.
const PACE: usize = 2000;
/// Connections, guesses, and bytes of ClientHellos that are not complete.
const LIMITS: [(&str, u64); 3] = [
    ("quic.max_connections", 2000),
    ("quic.max_guesses", 1000),
    ("quic.max_hello_memory", 100_000),
];
/// By how much the agent's memory may grow. Half of it is for 40,000 flows and the ring; without these
/// limits it would be twice as much.
const MOST_GROWTH: u64 = 32 << 20;
/// Bytes that the real client downloads, twice.
const BYTES: usize = 1_000_000;

/// A client's first Initial with the first bytes of a ClientHello. It opens, or one bit of it is wrong.
fn forged(number: u32, opens: bool) -> Vec<u8> {
    let [a, b, c, d] = number.to_be_bytes();
    let dcid = [0xf0, u8::from(opens), 0, 0, a, b, c, d];
    let hello = client_hello().extension(0x0033, &[0x42; 2000]).bytes();
    let initial = client_initial(Version::V1, &dcid, &[a, b, c, d]).padded_to(0);
    let mut initial = initial.carrying(crypto(0, &hello[..500]));
    if !opens && let Some(last) = initial.last_mut() {
        *last ^= 1;
    }
    let port = 1024 + 2 * number as u16 + u16::from(opens);
    ethernet_ipv4(ipv4(protocol::UDP).carrying(udp(port, 443, &initial)))
}

/// A connection that is there before the flood and goes on behind it; what its ends say.
fn speak_around(
    world: &World,
    server: &Server,
    flood: impl FnOnce() + Send,
) -> (SocketAddr, [Said; 2]) {
    let identity = Identity::new().unwrap();
    let bind = |address| move || UdpSocket::bind(address).unwrap();
    let near = SocketAddr::new(world.near.addresses[0], 443);
    let far = SocketAddr::new(world.far.addresses[0], 0);
    let listening = world.near.enter(bind(near));
    let asking = world.far.enter(bind(far));
    let client = asking.local_addr().unwrap();
    let peer = Peer::start(listening, &identity, None).unwrap();
    let work = || {
        await_that(|| {
            let told = server.get("/api/quic");
            let found = connection(&told, client).filter(|found| found["certainty"] == "proven");
            found.map(drop).ok_or(format!("{told:#}"))
        });
        flood();
    };
    let download = || download_around(asking, near, &identity, BYTES, work);
    let of_client = thread::scope(|scope| scope.spawn(download).join().unwrap().unwrap());
    let of_server = peer.finish().unwrap().remove(0);
    (client, [of_client, of_server])
}

#[test]
fn a_flood_of_forged_initials_is_bounded_and_counted() {
    if !is_root() {
        return;
    }
    let frames = (0..FORGED).flat_map(|number| [true, false].map(|opens| forged(number, opens)));
    let frames: Vec<_> = frames.collect();
    let world = World::new();
    let mut arguments = vec!["--hook", "tc", "--tick", "200ms"];
    let limits = LIMITS.map(|(name, limit)| format!("{name}={limit}"));
    for limit in &limits {
        arguments.extend(["--set", limit]);
    }
    let server = Server::start(&world, &arguments);
    let process = server.child.process().to_string();
    let before = Usage::of(&process).unwrap();
    let (client, said) = speak_around(&world, &server, || {
        let (at_once, paced) = frames.split_at(frames.len() / 2);
        world.far.send(at_once);
        // So slowly that all of it comes to the table.
        for some in paced.chunks(PACE) {
            world.far.send(some);
            await_events(&server, |_| true);
        }
    });
    let sent = said.map(|said| {
        Some(Sent {
            packets: said.sent,
            payload_bytes: said.sent_bytes,
        })
    });
    let found = await_connection(&server, client, sent);
    assert_eq!(found["certainty"], "proven", "{found:#}");
    assert_eq!(found["server_name"], NAME);
    let told = await_events(&server, |accounting| {
        count(&accounting["long"]) >= 2 * u64::from(FORGED)
    });
    check_books(&told["accounting"]);
    let after = Usage::of(&process).unwrap();
    let growth = after.peak_bytes - before.resident_bytes;
    assert!(growth < MOST_GROWTH, "{growth}: {before:?}, {after:?}");
    server.child.end(Signal::TERM).books();
}

/// Nothing is missing, and each limit was met.
fn check_books(accounting: &Value) {
    let number = |name: &str| count(&accounting[name]);
    let told_long = count(&accounting["told"]["long"]);
    assert_eq!(
        number("long"),
        told_long + sum(&accounting["lost"]),
        "{accounting:#}"
    );
    assert_eq!(
        number("events"),
        sum(&accounting["outcomes"]),
        "{accounting:#}"
    );
    let [received, live, ended, unclaimed] =
        ["received", "live", "ended", "unclaimed"].map(|of| count(&accounting[of]["packets"]));
    assert_eq!(received, live + ended + unclaimed, "{accounting:#}");
    let [connections, guesses, _] = LIMITS.map(|(_, limit)| limit);
    assert!(number("live_connections") <= connections, "{accounting:#}");
    assert!(number("live_guesses") <= guesses, "{accounting:#}");
    let met = |limit: &str| count(&accounting["limits"][limit]);
    for limit in ["unanswered", "guesses", "crypto_in_all"] {
        assert_ne!(met(limit), 0, "{limit} in {accounting:#}");
    }
    let full = count(&accounting["outcomes"]["full"]);
    assert_eq!(full, met("connections") + met("guesses"), "{accounting:#}");
}
