//! What has no room is lost, and every lost packet is told.

use netweir_packets::frame::{ethernet_ipv4, ipv4, udp};
use netweir_tests::{Counted, Server, World, books, is_root};
use netweir_wire::packet::protocol;
use rustix::process::Signal;

const FLOWS: u16 = 5000;

#[test]
fn tcx_tells_what_it_lost() {
    tells_what_it_lost("tc");
}

#[test]
fn xdp_tells_what_it_lost() {
    tells_what_it_lost("xdp");
}

#[test]
fn tracepoint_tells_what_it_lost() {
    tells_what_it_lost("tracepoint");
}

fn tells_what_it_lost(hook: &str) {
    if !is_root() {
        return;
    }
    let world = World::new();
    let server = Server::start(&world, &["--hook", hook, "--set", "maps.flows=64"]);
    let frame = |port| ethernet_ipv4(ipv4(protocol::UDP).carrying(udp(port, 9, &[0; 18])));
    world
        .far
        .send((0..FLOWS).map(|number| frame(1000 + number)));
    let all = u64::from(FLOWS);
    let accounting = server.await_seen(all);
    assert_eq!(accounting["balanced"], true);
    let seen = Counted::frames(all, 60);
    let line = &accounting["interfaces"][0];
    assert_eq!(Counted::of(&line["seen"]), seen);
    let counted = Counted::of(&line["counted"]);
    let lost = &accounting["lost_by_reason"]["flow_map_full"];
    let lost = ["packets", "bytes"].map(|figure| lost[figure].as_u64().unwrap());
    assert_eq!(
        [counted.packets + lost[0], counted.bytes + lost[1]],
        [seen.packets, seen.bytes]
    );
    assert!(counted.packets >= 64 && lost[0] > all / 2, "{accounting:#}");
    let flows = server.flows();
    assert_eq!(flows.len() as u64, counted.packets);
    assert!(flows.values().all(|flow| *flow == Counted::frames(1, 60)));
    let ended = server.child.end(Signal::TERM);
    assert_eq!(ended.books(), books(counted.packets, lost[0]));
}
