//! Two generators on two CPUs at once: flows of one, flows of the other, and flows of both.

use std::{thread, time::Duration};

use netweir_tests::{Counted, Load, Pinned, Sender, Server, Table, World, books, is_root};
use rustix::process::Signal;
use serde_json::Value;

const GENERATORS: u64 = 2;
/// Frames of each generator: a multiple of its flows.
const FRAMES: u64 = 200_000;
/// Flows that each generator has alone, and flows that all have.
const OWN_FLOWS: u64 = 900;
const SHARED_FLOWS: u64 = 100;
const ROUNDS: u64 = FRAMES / (OWN_FLOWS + SHARED_FLOWS);
const FRAME_BYTES: u64 = 60;
/// Room for nearly nothing in each tier.
const SMALL: [&str; 6] = [
    "--set",
    "maps.cache=1",
    "--set",
    "maps.flows=64",
    "--set",
    "maps.ring=4096",
];

#[test]
fn tcx_counts_both_exactly() {
    counts_both_exactly("tc");
}

#[test]
fn xdp_counts_both_exactly() {
    counts_both_exactly("xdp");
}

#[test]
fn tcx_with_small_maps_tells_what_it_lost() {
    tells_what_it_lost("tc");
}

#[test]
fn xdp_with_small_maps_tells_what_it_lost() {
    tells_what_it_lost("xdp");
}

fn counts_both_exactly(hook: &str) {
    if !is_root() {
        return;
    }
    let world = World::new();
    let (server, accounting) = generate(&world, &["--hook", hook]);
    assert_eq!(accounting["lost"]["packets"], 0, "{accounting:#}");
    assert_eq!(server.flows(), sent());
    let ended = server.child.end(Signal::TERM);
    assert_eq!(ended.books(), books(GENERATORS * FRAMES, 0));
}

fn tells_what_it_lost(hook: &str) {
    if !is_root() {
        return;
    }
    let arguments = [&["--hook", hook], &SMALL[..]].concat();
    let world = World::new();
    let (server, accounting) = generate(&world, &arguments);
    let counted = Counted::of(&accounting["interfaces"][0]["counted"]);
    let lost = ["packets", "bytes"].map(|figure| accounting["lost"][figure].as_u64().unwrap());
    let ring_full = &accounting["lost_by_reason"]["ring_full"]["packets"];
    assert_eq!(*ring_full, lost[0], "{accounting:#}");
    let seen = Counted::frames(GENERATORS * FRAMES, FRAME_BYTES);
    let told = [counted.packets + lost[0], counted.bytes + lost[1]];
    assert_eq!(told, [seen.packets, seen.bytes], "{accounting:#}");
    assert!(lost[0] > 0, "{accounting:#}");
    let (flows, sent) = (server.flows(), sent());
    assert_eq!(flows.values().copied().sum::<Counted>(), counted);
    for (flow, found) in &flows {
        assert!(found.packets <= sent[flow].packets, "{flow}: {found:?}");
        assert_eq!(found.bytes, found.packets * FRAME_BYTES, "{flow}");
    }
    let ended = server.child.end(Signal::TERM);
    assert_eq!(ended.books(), books(counted.packets, lost[0]));
}

/// Starts netweir, lets both generators send at once, and waits until all was seen.
fn generate(world: &World, arguments: &[&str]) -> (Server, Value) {
    let server = Server::start(world, arguments);
    let load = Load {
        packets: FRAMES,
        per_second: None,
        at_most: Duration::MAX,
    };
    thread::scope(|scope| {
        for generator in 0..GENERATORS {
            let sender = Sender::open(&world.far.netns, world.far.interface).unwrap();
            scope.spawn(move || {
                let _pinned = Pinned::to_cpu(generator as usize).unwrap();
                let sent = sender.send(load, |place| flow(generator, place));
                assert_eq!(sent.unwrap(), FRAMES);
            });
        }
    });
    let accounting = server.await_seen(GENERATORS * FRAMES);
    assert_eq!(world.near.counters().received_frames, GENERATORS * FRAMES);
    assert_eq!(accounting["balanced"], true);
    let seen = Counted::frames(GENERATORS * FRAMES, FRAME_BYTES);
    assert_eq!(Counted::of(&accounting["interfaces"][0]["seen"]), seen);
    (server, accounting)
}

/// The flow of a generator's frame: the shared ones first, then its own.
fn flow(generator: u64, place: u64) -> u32 {
    let number = place % (OWN_FLOWS + SHARED_FLOWS);
    let own = if number < SHARED_FLOWS { 0 } else { generator };
    (own * OWN_FLOWS + number) as u32
}

/// What was sent, as it is reported.
fn sent() -> Table {
    let mut table = Table::new();
    for generator in 0..GENERATORS {
        for place in 0..OWN_FLOWS + SHARED_FLOWS {
            let counted = table.entry(Sender::name(flow(generator, place)));
            let counted: &mut Counted = counted.or_default();
            *counted = *counted + Counted::frames(ROUNDS, FRAME_BYTES);
        }
    }
    table
}
