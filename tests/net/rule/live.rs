//! What rules do to packets on their way: those that they drop do not come, and all others do.

use std::{
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use netweir_tests::{
    Counted, Feature, Netweir, Server, Side, World, await_that, books, is_root, sum,
};
use rustix::process::Signal;

use super::rule;

/// The port that rules are about, and another beside it.
pub(super) const PORTS: [u16; 2] = [7001, 7002];
/// Bytes of a datagram, and of its frame.
const PAYLOAD_BYTES: usize = 100;
const FRAME_BYTES: u64 = 14 + 20 + 8 + PAYLOAD_BYTES as u64;
/// Datagrams that are sent to each port at a time.
const SOME: u64 = 100;

/// A sender, and who listens at the two ports of the other side.
pub(super) struct Talk {
    sender: UdpSocket,
    listeners: [UdpSocket; 2],
}

impl Talk {
    pub(super) fn new(from: &Side, to: &Side) -> Self {
        let bind = |side: &Side, port| {
            let address = SocketAddr::new(side.addresses[0], port);
            let socket = side.enter(|| UdpSocket::bind(address)).unwrap();
            let patience = Some(Duration::from_secs(20));
            socket.set_read_timeout(patience).unwrap();
            socket
        };
        Self {
            sender: bind(from, 5000),
            listeners: PORTS.map(|port| bind(to, port)),
        }
    }

    /// Sends datagrams to both ports in turn, and waits until all to the second one have come; of those
    /// to the first one, which had been sent before, tells how many have come.
    pub(super) fn exchange(&self, count: u64) -> u64 {
        let [named, beside] = &self.listeners;
        for _ in 0..count {
            for listener in [named, beside] {
                let to = listener.local_addr().unwrap();
                let sent = self.sender.send_to(&[7; PAYLOAD_BYTES], to).unwrap();
                assert_eq!(sent, PAYLOAD_BYTES);
            }
            let received = beside.recv(&mut [0; 200]).unwrap();
            assert_eq!(received, PAYLOAD_BYTES);
        }
        named.set_nonblocking(true).unwrap();
        let mut come = 0;
        while named.recv(&mut [0; 200]).is_ok() {
            come += 1;
        }
        come
    }
}

/// The sides in the order of the traffic.
fn sides<'a>(world: &'a World, direction: &str) -> (&'a Side, &'a Side) {
    match direction {
        "in" => (&world.far, &world.near),
        _ => (&world.near, &world.far),
    }
}

/// Checks that both flows are counted whole, whatever became of their packets, and that so many were
/// dropped or, where the hook cannot, spared.
fn check_counts(server: &Server, sent: u64, [dropped, spared]: [u64; 2]) {
    let accounting = server.await_seen(2 * sent);
    for (figure, packets) in [("dropped", dropped), ("spared", spared)] {
        let volume = serde_json::json!({"packets": packets, "bytes": packets * FRAME_BYTES});
        assert_eq!(accounting[figure], volume, "{figure}");
    }
    let flows = server.flows();
    for port in PORTS {
        let counted = sum(&flows, &format!(" {port}"));
        assert_eq!(counted, Counted::frames(sent, FRAME_BYTES), "{flows:?}");
    }
}

/// What is said at the end of so many packets, of which rules dropped or spared some.
fn closing(packets: u64, dropped: u64, spared: u64) -> [String; 1] {
    let books = books(packets, 0);
    [format!(
        "{books}; of those seen, rules dropped {dropped} and spared {spared}"
    )]
}

fn drops(arguments: &[&str], direction: &str) {
    let world = World::new();
    let about = ["--protocol", "udp", "--destination-port", "7001"];
    let how = ["--action", "drop", "--direction", direction];
    rule(&world, &[&["add", "unwanted"][..], &about, &how].concat());
    // One that would drop all, if it were not for the other direction.
    let opposite = if direction == "in" { "out" } else { "in" };
    rule(
        &world,
        &["add", "other", "--action", "drop", "--direction", opposite],
    );
    let (from, to) = sides(&world, direction);
    let talk = Talk::new(from, to);
    let server = Server::start(&world, arguments);
    assert_eq!(talk.exchange(SOME), 0);
    check_counts(&server, SOME, [SOME, 0]);
    check_hits(&server);
    let ended = server.child.end(Signal::TERM);
    assert_eq!(ended.closing(), closing(2 * SOME, SOME, 0));
    assert_eq!(talk.exchange(SOME), SOME, "nothing is attached any more");
}

/// Each rule tells what was counted under it.
fn check_hits(server: &Server) {
    let told = server.get("/api/rules");
    let rules = told["rules"].as_array().unwrap();
    for (label, packets) in [("unwanted", SOME), ("other", 0)] {
        let rule = rules.iter().find(|rule| rule["label"] == label).unwrap();
        let volume = serde_json::json!({"packets": packets, "bytes": packets * FRAME_BYTES});
        assert_eq!(rule["hits"]["dropped"], volume, "{rule}");
        assert_eq!(rule["hits"]["packets"], packets, "{rule}");
    }
}

#[test]
fn tcx_drops_what_comes_in() {
    if is_root() && Feature::Tcx.is_there_or_skip() {
        drops(&["--hook", "tc"], "in");
    }
}

#[test]
fn tcx_drops_what_goes_out() {
    if is_root() && Feature::Tcx.is_there_or_skip() {
        drops(&["--hook", "tc"], "out");
    }
}

#[test]
fn clsact_drops_both_ways() {
    if is_root() {
        for direction in ["in", "out"] {
            drops(&["--hook", "tc", "--set", "tc=clsact"], direction);
        }
    }
}

#[test]
fn xdp_drops_what_comes_in() {
    if is_root() {
        drops(&["--hook", "xdp"], "in");
    }
}

/// Tracepoints only look on: what a rule would drop is counted and passes.
#[test]
fn tracepoints_drop_nothing() {
    if !is_root() {
        return;
    }
    let world = World::new();
    rule(&world, &["add", "all", "--action", "drop"]);
    let talk = Talk::new(&world.far, &world.near);
    let server = Server::start(&world, &["--hook", "tracepoint"]);
    assert_eq!(talk.exchange(SOME), SOME);
    check_counts(&server, SOME, [0, 2 * SOME]);
    let ended = server.child.end(Signal::TERM);
    assert_eq!(ended.closing(), closing(2 * SOME, 0, 2 * SOME));
}

/// A rule that is added while a flow runs holds for its next packets, and one that is deleted does not.
#[test]
fn a_change_holds_for_a_flow_that_runs() {
    if !is_root() {
        return;
    }
    for hook in ["tc", "xdp"] {
        let world = World::new();
        let talk = Talk::new(&world.far, &world.near);
        let child = Netweir::flows(&world, &["--hook", hook]).meter();
        let (mut sent, mut come) = (SOME, SOME);
        assert_eq!(talk.exchange(SOME), SOME);
        // Until the agent has come to it, which is some packets later.
        let mut until = |expected: u64| {
            await_that(|| {
                let found = talk.exchange(1);
                (sent, come) = (sent + 1, come + found);
                (found == expected)
                    .then_some(())
                    .ok_or_else(|| format!("{found} came"))
            });
            assert_eq!(talk.exchange(SOME), SOME * expected);
            (sent, come) = (sent + SOME, come + SOME * expected);
        };
        rule(
            &world,
            &[
                "add",
                "first",
                "--destination-port",
                "7001",
                "--action",
                "drop",
            ],
        );
        until(0);
        rule(&world, &["del", "--label", "first"]);
        until(1);
        rule(
            &world,
            &[
                "add",
                "again",
                "--destination-port",
                "7001",
                "--action",
                "drop",
            ],
        );
        until(0);
        rule(
            &world,
            &["add", "narrow", "--source", "10.7.0.2", "--priority", "-1"],
        );
        until(1);
        let ended = child.end(Signal::TERM);
        assert_eq!(
            ended.closing(),
            closing(2 * sent, sent - come, 0),
            "what was sent came or was dropped"
        );
        assert_eq!(talk.exchange(SOME), SOME, "nothing is attached any more");
    }
}

/// An agent that is killed leaves nothing behind that drops.
#[test]
fn nothing_is_dropped_behind_an_agent_that_was_killed() {
    if !is_root() || !Feature::Tcx.is_there_or_skip() {
        return;
    }
    for hook in ["tc", "xdp"] {
        let world = World::new();
        rule(
            &world,
            &[
                "add",
                "all",
                "--destination-port",
                "7001",
                "--action",
                "drop",
            ],
        );
        let talk = Talk::new(&world.far, &world.near);
        let child = Netweir::flows(&world, &["--hook", hook]).meter();
        assert_eq!(talk.exchange(SOME), 0);
        assert!(child.end(Signal::KILL).was_killed());
        await_that(|| match talk.exchange(1) {
            1 => Ok(()),
            come => Err(format!("{come} came")),
        });
    }
}

/// The heads of sampled packets come, and nothing else happens to them.
#[test]
fn heads_of_sampled_packets_come() {
    if !is_root() {
        return;
    }
    for hook in ["tc", "xdp", "tracepoint"] {
        let world = World::new();
        rule(
            &world,
            &[
                "add",
                "some",
                "--destination-port",
                "7001",
                "--action",
                "sample 1",
            ],
        );
        let talk = Talk::new(&world.far, &world.near);
        let server = Server::start(&world, &["--hook", hook, "--tick", "200ms"]);
        assert_eq!(talk.exchange(SOME), SOME);
        check_counts(&server, SOME, [0, 0]);
        let told = await_that(|| {
            let told = server.get("/api/heads?limit=0");
            let come = told["accounting"]["received"] == SOME;
            come.then_some(told.clone()).ok_or_else(|| told.to_string())
        });
        for head in told["heads"].as_array().unwrap() {
            assert_eq!(
                (
                    &head["label"],
                    &head["destination_port"],
                    &head["frame_bytes"]
                ),
                (&"some".into(), &PORTS[0].into(), &FRAME_BYTES.into())
            );
            let bytes = head["bytes_hex"].as_str().unwrap();
            assert!(bytes.ends_with("0707"), "{bytes}");
        }
        let heads = told["heads"].as_array().unwrap().len();
        assert_eq!(heads as u64, SOME, "{hook}");
        let ended = server.child.end(Signal::TERM);
        let books = books(2 * SOME, 0);
        let told = format!("{books}; {SOME} heads drawn = {SOME} told + 0 lost");
        assert_eq!(ended.closing(), [told]);
    }
}
