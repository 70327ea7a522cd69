//! Every hook counts every protocol, packet for packet and byte for byte.

use netweir_agent::watch::Statistics;
use netweir_tests::{Counted, Feature, Server, Table, World, books, is_root, sum};
use rustix::process::Signal;
use serde_json::Value;

use crate::traffic::{echo, send_crafted, tcp_both_ways, udp_both_ways};

#[test]
fn tcx() {
    if !Feature::Tcx.is_there_or_skip() {
        return;
    }
    both_directions(&["--hook", "tc"], "tcx");
}

#[test]
fn clsact() {
    both_directions(&["--hook", "tc", "--set", "tc=clsact"], "clsact");
}

#[test]
fn tracepoint() {
    if !Feature::TracedPages.is_there_or_skip() {
        return;
    }
    both_directions(&["--hook", "tracepoint"], "tracepoint");
}

#[test]
fn xdp() {
    // The frames are longer than a buffer.
    if !is_root() || !Feature::XdpFrags.is_there_or_skip() {
        return;
    }
    let world = World::new();
    let server = Server::start(&world, &["--hook", "xdp"]);
    let mut expected = send_everything(&world);
    expected.retain(|name, _| name.contains("ingress"));
    let counters = world.near.counters();
    let accounting = server.await_seen(counters.received_frames);
    assert_eq!(server.flows(), expected);
    let seen = check_line(&accounting, 0, "ingress");
    assert_eq!(seen.frames, counters.received_frames);
    // A veth pair with XDP counts what it receives without its link header.
    assert_eq!(
        seen.bytes,
        counters.received_bytes + 14 * counters.received_frames
    );
    assert_eq!(accounting["interfaces"][1]["seen"]["packets"], 0);
    assert_eq!(
        server.get("/api/interfaces")["interfaces"][0]["hook"],
        "xdp-native"
    );
    check_end(server, seen.packets);
}

fn both_directions(arguments: &[&str], hook: &str) {
    if !is_root() {
        return;
    }
    let world = World::new();
    let server = Server::start(&world, arguments);
    let expected = send_everything(&world);
    let counters = world.near.counters();
    let accounting = server.await_seen(counters.received_frames + counters.sent_frames);
    assert_eq!(as_packets(server.flows()), expected);
    let received = check_line(&accounting, 0, "ingress");
    let sent = check_line(&accounting, 1, "egress");
    let seen = Statistics {
        received_frames: received.packets,
        received_bytes: received.bytes,
        sent_frames: sent.packets,
        sent_bytes: sent.bytes,
        sent_dropped: 0,
    };
    assert_eq!(seen, counters);
    assert_eq!(received, sum(&expected, "ingress"));
    let interface = &server.get("/api/interfaces")["interfaces"][0];
    assert_eq!(
        (&interface["hook"], &interface["link"]),
        (&hook.into(), &"ethernet".into())
    );
    check_end(server, received.packets + sent.packets);
}

/// All traffic there is, and the flows that it is.
fn send_everything(world: &World) -> Table {
    let mut table = Table::new();
    for version in [0, 1] {
        tcp_both_ways(world, version, 50_000, &mut table);
        udp_both_ways(world, version, &mut table);
    }
    echo(world, &mut table);
    send_crafted(&world.far, "ingress", &mut table);
    send_crafted(&world.near, "egress", &mut table);
    table
}

/// TCP sends frames of several packets, whatever the device can; they pass the hooks as one and
/// become packets behind them.
fn as_packets(mut table: Table) -> Table {
    let sent = table
        .iter_mut()
        .filter(|(name, _)| name.starts_with("w0 egress TCP "));
    for (name, counted) in sent {
        assert!(counted.frames <= counted.packets, "{name}: {counted:?}");
        counted.frames = counted.packets;
    }
    table
}

/// What one direction saw, all of which it has to have counted.
fn check_line(accounting: &Value, index: usize, direction: &str) -> Counted {
    assert_eq!(accounting["balanced"], true);
    let line = &accounting["interfaces"][index];
    assert_eq!(
        (&line["interface"], &line["direction"]),
        (&"w0".into(), &direction.into())
    );
    assert_eq!(line["balanced"], true);
    let seen = Counted::of(&line["seen"]);
    assert!(
        seen.packets == seen.frames || direction == "egress",
        "offloads are off"
    );
    for figure in ["counted", "received"] {
        assert_eq!(Counted::of(&line[figure]), seen, "{figure}");
    }
    seen
}

fn check_end(server: Server, packets: u64) {
    let ended = server.child.end(Signal::TERM);
    assert_eq!(ended.output, [""; 0]);
    assert_eq!(ended.books(), books(packets, 0));
}
