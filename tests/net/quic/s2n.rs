//! Peers of s2n-quic: what they sent is what is told.

use std::net::SocketAddr;

use netweir_peers::{ALPN, Identity, NAME, S2nServer, s2n_download};
use netweir_tests::{Server, World, is_root};
use serde_json::json;

use super::{Sent, await_connection};

/// Bytes that a client downloads.
const BYTES: usize = 1_000_000;

#[test]
fn peers_agree() {
    if !is_root() {
        return;
    }
    let world = World::new();
    world.offload(true);
    let server = Server::start(&world, &["--tick", "200ms"]);
    for near in world.near.addresses {
        let identity = Identity::new().unwrap();
        let near = SocketAddr::new(near, 443);
        let peer = world.near.enter(|| S2nServer::start(near, &identity));
        let peer = peer.unwrap();
        let asked = world.far.enter(|| s2n_download(near, &identity, BYTES));
        let (client, of_client) = asked.unwrap();
        let of_server = peer.finish().unwrap();
        let far = world.far.addresses[usize::from(near.is_ipv6())];
        let client = SocketAddr::new(far, client.port());
        let found = await_connection(&server, client, [of_client, of_server].map(sent));
        assert_eq!(found["certainty"], "proven", "{found:#}");
        assert_eq!(found["version"], "v1");
        assert_eq!(found["server_name"], NAME);
        assert_eq!(found["alpn"], json!([ALPN]));
    }
}

const fn sent((packets, payload_bytes): (u64, u64)) -> Option<Sent> {
    Some(Sent {
        packets,
        payload_bytes,
    })
}
