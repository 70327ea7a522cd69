//! Counting without a daemon: what `attach` pins, `run` takes over and `detach` removes.

mod dump;
mod migrate;
mod refused;
mod restart;
mod rule;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use netweir_agent::pin::Folder;
use netweir_packets::frame::{ethernet_ipv4, ipv4, udp};
use netweir_tests::{Ended, Feature, Netweir, World, status, tree};
use netweir_wire::packet::protocol;
use serde_json::Value;

use crate::attachment::attached;

/// How to attach in each way that can be pinned, and the hook that it comes to.
const WAYS: [(&[&str], &str); 4] = [
    (&["--hook", "tc", "--set", "tc=tcx"], "tcx"),
    (&["--hook", "tc", "--set", "tc=clsact"], "clsact"),
    (&["--hook", "xdp", "--mode", "native"], "xdp-native"),
    (&["--hook", "xdp", "--mode", "generic"], "xdp-generic"),
];

/// Those that this kernel has. (Drivers take XDP on the long frames of a [`World`] where programs may have
/// several buffers.)
fn ways() -> impl Iterator<Item = (&'static [&'static str], &'static str)> {
    let (tcx, frags) = (Feature::Tcx.is_there(), Feature::XdpFrags.is_there());
    WAYS.into_iter().filter(move |(_, hook)| match *hook {
        "tcx" => tcx,
        "xdp-native" => frags,
        _ => true,
    })
}

/// A command about the near interface, which runs beside it.
fn command(world: &World, name: &str, arguments: &[&str]) -> Netweir {
    let fixed = [name, "--iface", world.near.interface];
    Netweir::new(fixed.iter().chain(arguments).copied()).inside(&world.near)
}

/// Attaches, which has to work.
fn attach(world: &World, arguments: &[&str]) {
    let ended = command(world, "attach", arguments).finish();
    assert_eq!(ended.failure(), (Some(0), vec![]), "{ended:#?}");
    assert_eq!(ended.output.len(), 1, "{ended:#?}");
}

fn detach(world: &World) {
    let ended = command(world, "detach", &[]).finish();
    assert_eq!(ended.failure(), (Some(0), vec![]), "{ended:#?}");
    assert_eq!(ended.output, ["w0: detached"]);
}

/// Detaches; all is as it was before, and nothing is pinned.
fn detach_whole(world: &World, folder: &Folder, before: &str, what: &str) {
    detach(world);
    assert_eq!(attached(world), before, "{what}");
    assert_eq!(tree(folder.path()), [""; 0], "{what}");
}

/// A frame of the flow from this port.
fn frame(source_port: u16) -> Vec<u8> {
    ethernet_ipv4(ipv4(protocol::UDP).carrying(udp(source_port, 2, &[0; 18])))
}

/// Sends one frame of each of so many flows.
fn send_each(world: &World, flows: u16) {
    world.send((1..=flows).map(frame));
}

/// Does something while one frame of each of so many flows is sent again and again; returns how often
/// that was, and what came of it.
fn while_sending<T>(world: &World, flows: u16, act: impl FnOnce() -> T) -> (u64, T) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut rounds = 0;
            while !is_over.load(Ordering::Relaxed) {
                send_each(world, flows);
                rounds += 1;
            }
            rounds
        });
        let done = act();
        is_over.store(true, Ordering::Relaxed);
        (sender.join().unwrap(), done)
    })
}

/// Sends so many frames of a flow of its own.
fn send(world: &World, source_port: u16, count: usize) {
    world.send(std::iter::repeat_n(frame(source_port), count));
}

/// Packets received that were seen, counted, taken and lost, as the status says it.
fn received(world: &World) -> [u64; 4] {
    let status = status(&world.near);
    let ingress = &status["directions"]["ingress"];
    ["seen", "counted", "taken", "lost"].map(|what| {
        ingress[what]["packets"]
            .as_u64()
            .unwrap_or_else(|| panic!("{status}"))
    })
}

/// Packets by source port in a report of flows.
fn by_port(ended: &Ended) -> Vec<(u64, u64)> {
    let rows = ended.output.iter().map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        let figure = |name: &str| row[name].as_u64().unwrap();
        (figure("source_port"), figure("packets"))
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_unstable();
    rows
}
