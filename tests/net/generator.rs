//! Half a million packets of a generator, by both ways in which it sends.
//!
//! With a rate it sends one packet after the other, all in one piece; without, through a ring whose
//! packets lie in pages, with only the link header in the linear part.

use std::process::Output;

use netweir_tests::{Counted, Server, Table, World, is_root};
use rustix::process::Signal;

const PACKETS: u64 = 500_000;
const FRAME_BYTES: u64 = 14 + 20 + 8 + 64;

#[test]
fn tcx_counts_all_in_pages() {
    counts_all("tc", 500, &[]);
}

#[test]
fn tcx_counts_all_in_one_piece() {
    counts_all("tc", 10, &["--rate", "1000000pps"]);
}

#[test]
fn xdp_counts_all_in_pages() {
    counts_all("xdp", 10, &[]);
}

#[test]
fn xdp_counts_all_in_one_piece() {
    counts_all("xdp", 500, &["--rate", "1000000pps"]);
}

#[test]
fn tracepoint_counts_all_in_pages() {
    counts_all("tracepoint", 500, &[]);
}

#[test]
fn tracepoint_counts_all_in_one_piece() {
    counts_all("tracepoint", 10, &["--rate", "1000000pps"]);
}

fn counts_all(hook: &str, flows: u64, rate: &[&str]) {
    if !is_root() {
        return;
    }
    let world = World::new();
    let server = Server::start(&world, &["--hook", hook]);
    let output = generate(&world, flows, rate);
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        told.contains(&format!("{PACKETS} packets outgoing")),
        "{output:?}"
    );
    let accounting = server.await_seen(PACKETS);
    assert_eq!(accounting["balanced"], true);
    assert_eq!(accounting["lost"]["packets"], 0);
    let all = Counted::frames(PACKETS, FRAME_BYTES);
    assert_eq!(Counted::of(&accounting["interfaces"][0]["seen"]), all);
    assert_eq!(world.near.counters().received_frames, PACKETS);
    let flow = |number: u64| {
        let name = format!("w0 ingress UDP 10.9.0.2 {} > 10.9.0.1 9", 1000 + number);
        (name, Counted::frames(PACKETS / flows, FRAME_BYTES))
    };
    assert_eq!(server.flows(), (0..flows).map(flow).collect::<Table>());
    server.child.end(Signal::TERM).books();
}

/// Nothing of the machine is changed: by itself, trafgen sets the socket memory of all namespaces.
fn generate(world: &World, flows: u64, rate: &[&str]) -> Output {
    let last = 999 + flows;
    let packet = format!(
        "{{ eth(da=02:00:00:00:00:02, sa=02:00:00:00:00:01), ipv4(sa=10.9.0.2, da=10.9.0.1), \
         udp(sp=dinc(1000, {last}), dp=9), fill(0x41, 64) }}"
    );
    let path = std::env::temp_dir().join(format!(
        "netweir-{}-{}",
        std::process::id(),
        world.near.netns.inode()
    ));
    std::fs::write(&path, packet).unwrap();
    let number = PACKETS.to_string();
    let mut arguments = vec![
        "--conf",
        path.to_str().unwrap(),
        "--dev",
        world.far.interface,
    ];
    arguments.extend(["--num", &number, "--cpus", "1", "--no-sock-mem"]);
    arguments.extend(rate);
    let output = world.far.run("trafgen", &arguments);
    std::fs::remove_file(&path).unwrap();
    output
}
