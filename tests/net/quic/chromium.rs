//! A browser: its ClientHello comes in pieces, out of order, over several Initial packets.

use netweir_peers::NAME;
use netweir_tests::{Server, World, await_that, is_root};
use tempfile::TempDir;

use super::aioquic::Peer;

/// Not its own: in a namespace of the test there is no net to look for anything else.
const ALONE: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-quic",
    "--dump-dom",
];

#[test]
fn browser_is_read() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let server = Server::start(&world, &["--tick", "200ms"]);
    let peer = Peer::start(&world, &["--http"]);
    let profile = TempDir::new().unwrap();
    let own = options(&world, &peer, &profile);
    let arguments: Vec<&str> = ALONE
        .into_iter()
        .chain(own.iter().map(|own| &**own))
        .collect();
    let page = world.far.text("chromium", &arguments);
    assert!(page.contains("the page of netweir"), "{page}");
    let found = await_that(|| {
        let told = server.get("/api/quic");
        let connections = told["connections"].as_array().unwrap();
        let found = connections.iter().find(|one| one["hello"] == "read");
        found.cloned().ok_or(format!("{told:#}"))
    });
    assert_eq!(found["certainty"], "proven", "{found:#}");
    assert_eq!(found["version"], "v1");
    assert_eq!(found["server_name"], NAME);
    assert!(found["alpn"].as_array().unwrap().contains(&"h3".into()));
    // QUIC, TLS 1.3, a name; how many ciphers and extensions changes with the browser's version.
    let ja4 = found["ja4"].as_str().unwrap();
    assert!(
        ja4.starts_with("q13d") && ja4[8..].starts_with("h3_"),
        "{ja4}"
    );
    // Key shares that a quantum computer does not break fill more than one datagram.
    assert!(
        found["handshake"]["client_datagrams"].as_u64() > Some(1),
        "{found:#}"
    );
    peer.finish();
}

/// What leads it to the peer, and has it trust it.
fn options(world: &World, peer: &Peer, profile: &TempDir) -> [String; 5] {
    [
        format!("--user-data-dir={}", profile.path().display()),
        format!("--origin-to-force-quic-on={NAME}:443"),
        format!(
            "--host-resolver-rules=MAP {NAME}:443 {}:4433",
            world.near.addresses[0]
        ),
        format!(
            "--ignore-certificate-errors-spki-list={}",
            peer.identity.fingerprint()
        ),
        format!("https://{NAME}/"),
    ]
}
