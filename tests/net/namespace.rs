//! Namespaces whose interfaces have the same index are kept apart.

use netweir_packets::frame::{ethernet_ipv4, ipv4, udp};
use netweir_tests::{Counted, Netweir, World, books, is_root};
use netweir_wire::packet::protocol;
use rustix::process::Signal;
use serde_json::Value;

#[test]
fn tcx_never_mixes_flows() {
    never_mixes_flows("tc");
}

#[test]
fn xdp_never_mixes_flows() {
    never_mixes_flows("xdp");
}

#[test]
fn tracepoint_never_mixes_flows() {
    never_mixes_flows("tracepoint");
}

fn never_mixes_flows(hook: &str) {
    if !is_root() {
        return;
    }
    let worlds = [World::new(), World::new()];
    // Nobody asked for this one.
    let other = World::new();
    let call = Netweir::flows(&worlds[0], &["--hook", hook]).netns(&worlds[1].near);
    let child = call.meter();
    let frame = ethernet_ipv4(ipv4(protocol::UDP).carrying(udp(1, 2, &[0; 18])));
    for (world, count) in worlds.iter().zip([30, 500]) {
        world.send(std::iter::repeat_n(&frame, count));
    }
    other.send(std::iter::repeat_n(&frame, 7));
    let ended = child.end(Signal::TERM);
    let flows: Vec<Value> = ended
        .output
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let found = flows.iter().map(|flow| {
        let place = (
            flow["netns"].as_u64().unwrap(),
            flow["ifindex"].as_u64().unwrap(),
        );
        (place, Counted::of(flow))
    });
    let ifindex = flows[0]["ifindex"].as_u64().unwrap();
    let expected = [
        (
            (u64::from(worlds[1].near.netns.inode()), ifindex),
            Counted::frames(500, 60),
        ),
        (
            (u64::from(worlds[0].near.netns.inode()), ifindex),
            Counted::frames(30, 60),
        ),
    ];
    assert_eq!(found.collect::<Vec<_>>(), expected);
    assert_eq!(ended.books(), books(530, 0));
}
