//! Peers of aioquic: version 2, Retry, 0-RTT, and clients that come from elsewhere.

use std::{
    io::{BufRead, BufReader, Read},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use netweir_packets::frame::SOURCE_MAC;
use netweir_peers::{ALPN, Identity, NAME};
use netweir_tests::{Server, World, await_that, is_root};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Sent, await_connection};

/// Port of the server.
const PORT: u16 = 4433;

/// Bytes of an answer.
const BYTES: &str = "300000";

#[test]
fn version_2_is_read() {
    one_connection(&[], &["--version", "2"], |found, _| {
        assert_eq!(found["version"], "v2", "{found:#}");
        assert_eq!(
            (&found["retry"], &found["zero_rtt"]),
            (&json!(false), &json!(false))
        );
    });
}

#[test]
fn retry_is_told() {
    one_connection(&["--retry"], &[], |found, _| {
        assert_eq!(found["version"], "v1", "{found:#}");
        assert_eq!(found["retry"], true);
    });
}

#[test]
fn rebinding_keeps_counts_together() {
    moves(0, "rebinding", ["rebindings", "migrations"]);
}

#[test]
fn migration_keeps_counts_together() {
    moves(1, "migration", ["migrations", "rebindings"]);
}

/// A client that goes on from another port, of its first or second address; what that is called, and
/// which counters have one move and none.
fn moves(address: usize, kind: &str, [one, none]: [&str; 2]) {
    if !is_root() {
        return;
    }
    let world = World::new();
    give_second_address(&world);
    let addresses = [world.far.addresses[0], SECOND_ADDRESS.into()];
    let server = Server::start(&world, &["--tick", "200ms"]);
    let peer = Peer::start(&world, &[]);
    let said = &peer.ask(&world, &["--move", &addresses[address].to_string()])[0];
    let of_server = peer.finish();
    let [first, second] = [(0, 0), (1, address)].map(|(port, address)| {
        let port = said["ports"][port].as_u64().unwrap();
        SocketAddr::new(addresses[address], port as u16)
    });
    let ends = [said, &of_server].map(|said| Some(sent(said)));
    let found = await_connection(&server, second, ends);
    assert_eq!(
        (&found[one], &found[none]),
        (&json!(1), &json!(0)),
        "{found:#}"
    );
    assert_eq!(found["moves"][0]["kind"], kind);
    assert_eq!(found["moves"][0]["from"], first.to_string());
    await_single(&server);
}

/// What a far side gets that has two addresses.
const SECOND_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 3);

fn give_second_address(world: &World) {
    let address = SECOND_ADDRESS.to_string();
    let far = ["address", "add", &*address, "dev", world.far.interface];
    world.far.text("ip", &far);
    // Nobody asks for neighbours there.
    let mac = SOURCE_MAC.map(|byte| format!("{byte:02x}")).join(":");
    let near = ["neighbour", "add", &*address, "lladdr", &*mac];
    let near = near
        .into_iter()
        .chain(["dev", world.near.interface, "nud", "permanent"]);
    world.near.text("ip", &near.collect::<Vec<_>>());
}

/// The peers hold back what they send for longer than they need to make it, and not for so long that
/// a client asks twice.
#[test]
fn round_trips_are_timed() {
    const DELAY: &str = "0.06";
    let delay: f64 = DELAY.parse().unwrap();
    let of_client = ["--delay", DELAY, "--bytes", "1500000"];
    one_connection(&["--delay", DELAY], &of_client, |found, said| {
        let measured = said["min_rtt"].as_f64().unwrap();
        assert!(measured > 2.0 * delay, "{said}");
        let is_near = |value: &Value, expected: f64| {
            let seconds = value.as_f64().unwrap_or_else(|| panic!("{found:#}"));
            assert!((expected..2.0 * expected).contains(&seconds), "{found:#}");
        };
        let handshake = &found["handshake"];
        is_near(&handshake["to_server_seconds"], delay);
        is_near(&handshake["to_client_seconds"], delay);
        is_near(&handshake["rtt_seconds"], 2.0 * delay);
        for side in ["client_spin", "server_spin"] {
            assert_eq!(found[side]["state"], "credible", "{found:#}");
            is_near(&found[side]["rtt_seconds"], 2.0 * delay);
            is_near(&found[side]["min_seconds"], 2.0 * delay);
        }
    });
}

#[test]
fn early_data_is_told() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let server = Server::start(&world, &["--tick", "200ms"]);
    let peer = Peer::start(&world, &[]);
    let said = peer.ask(&world, &["--zero-rtt"]);
    peer.finish();
    for (one, early) in said.iter().zip([false, true]) {
        assert_eq!(one["early_data"], early, "{one}");
        let client = client(&world, one);
        let found = await_connection(&server, client, [Some(sent(one)), None]);
        assert_eq!(found["zero_rtt"], early, "{found:#}");
        assert_eq!(found["certainty"], "proven");
    }
}

/// A server and a client of aioquic with these arguments; `check` gets what was told of their
/// connection, and what the client says.
fn one_connection(of_server: &[&str], of_client: &[&str], check: impl FnOnce(&Value, &Value)) {
    if !is_root() {
        return;
    }
    let world = World::new();
    let server = Server::start(&world, &["--tick", "200ms"]);
    let peer = Peer::start(&world, of_server);
    let said = peer.ask(&world, of_client);
    let of_server = peer.finish();
    let said = &said[0];
    let ends = [said, &of_server].map(|said| Some(sent(said)));
    let found = await_connection(&server, client(&world, said), ends);
    assert_eq!(found["certainty"], "proven", "{found:#}");
    assert_eq!(found["server_name"], NAME);
    assert_eq!(found["alpn"], json!([ALPN]));
    check_rtt(&found, said);
    check(&found, said);
    await_single(&server);
}

/// Waits until there is no other connection any more, nor a guess.
fn await_single(server: &Server) {
    await_that(|| {
        let told = server.get("/api/quic");
        let connections = told["connections"].as_array().unwrap().len();
        (connections == 1).then_some(()).ok_or(format!("{told:#}"))
    });
}

/// What is metered at the server's side has no way to be longer than what the client measured at best.
fn check_rtt(found: &Value, said: &Value) {
    let to_client = found["handshake"]["to_client_seconds"].as_f64();
    let to_client = to_client.unwrap_or_else(|| panic!("no handshake time: {found:#}"));
    assert!(to_client > 0.0, "{found:#}");
    assert!(said["min_rtt"].as_f64().unwrap() > 0.0);
}

/// Where the client was at last.
fn client(world: &World, said: &Value) -> SocketAddr {
    let port = said["ports"].as_array().unwrap().last().unwrap();
    SocketAddr::new(world.far.addresses[0], port.as_u64().unwrap() as u16)
}

fn sent(said: &Value) -> Sent {
    Sent {
        packets: said["sent"].as_u64().unwrap(),
        payload_bytes: said["sent_bytes"].as_u64().unwrap(),
    }
}

/// A server at the near side.
pub(super) struct Peer {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    folder: TempDir,
    pub(super) identity: Identity,
}

impl Peer {
    /// Starts it, and waits until it listens.
    pub(super) fn start(world: &World, arguments: &[&str]) -> Self {
        let identity = Identity::new().unwrap();
        let folder = TempDir::new().unwrap();
        let files = [certificate(&folder), folder.path().join("key.pem")];
        for (file, pem) in files.iter().zip(identity.pem()) {
            std::fs::write(file, pem).unwrap();
        }
        let [certificate, key] = files.map(|file| file.to_str().unwrap().to_owned());
        let (host, port) = (world.near.addresses[0].to_string(), PORT.to_string());
        let script = script();
        let mut words = vec![&*script, "server", &host, &port, &certificate, &key];
        words.extend(arguments);
        let mut child = world
            .near
            .command(&python(), &words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut ready = String::new();
        output.read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n");
        Self {
            child,
            output,
            folder,
            identity,
        }
    }

    /// Has a client of the far side ask it; what that says of each of its connections.
    fn ask(&self, world: &World, arguments: &[&str]) -> Vec<Value> {
        let certificate = certificate(&self.folder).to_str().unwrap().to_owned();
        let (host, port) = (world.near.addresses[0].to_string(), PORT.to_string());
        let script = script();
        let mut words = vec![&*script, "client", &host, &port, &certificate];
        words.extend(["--bytes", BYTES]);
        words.extend(arguments);
        serde_json::from_str(&world.far.text(&python(), &words)).unwrap()
    }

    /// Ends it; what it says that it sent.
    pub(super) fn finish(mut self) -> Value {
        drop(self.child.stdin.take());
        let mut said = String::new();
        self.output.read_to_string(&mut said).unwrap();
        assert!(self.child.wait().unwrap().success());
        serde_json::from_str(&said).unwrap()
    }
}

fn certificate(folder: &TempDir) -> PathBuf {
    folder.path().join("certificate.pem")
}

/// What `scripts/check-deps test` has made.
fn python() -> String {
    in_repository("target/python/bin/python")
}

fn script() -> String {
    in_repository("tests/peers/peer.py")
}

fn in_repository(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join(path).to_str().unwrap().to_owned()
}
