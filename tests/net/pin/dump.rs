//! Maps are dumped with typed fields, and counting goes on.

use netweir_agent::attach::MapSizes;
use netweir_flow::Hook;
use netweir_tests::{Netweir, OldPins, World, books, is_root, own_bpffs, status};
use netweir_wire::version;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{attach, detach, received, send};

/// The lines of a dump of these maps.
fn dump(world: &World, maps: &[&str]) -> Vec<Value> {
    let fixed = ["map", "dump", "--iface", "w0"];
    let all = fixed.iter().chain(maps).copied();
    let ended = Netweir::new(all).inside(&world.near).finish();
    assert_eq!(ended.failure(), (Some(0), vec![]), "{ended:#?}");
    let lines = ended.output.iter();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn every_map_is_dumped_with_its_fields() {
    if !is_root() {
        return;
    }
    let _folder = own_bpffs();
    let world = World::new();
    let place = tempfile::tempdir().unwrap();
    let file = format!("rules.file={}/rules.toml", place.path().display());
    let rule = ["--set", &file, "rule", "add", "some", "--source-port", "2"];
    assert_eq!(Netweir::new(rule).finish().status.code(), Some(0));
    // One flow finds room in the cache of its CPU at least; others go elsewhere.
    attach(
        &world,
        &[
            "--set",
            "maps.cache=1",
            "--set",
            "maps.flows=16",
            "--set",
            &file,
        ],
    );
    for port in 1..=60 {
        send(&world, port, 2);
    }
    let ifindex = status(&world.near)["ifindex"].clone();
    let tiers = ["CACHE", "FLOWS_EVEN", "FLOWS_ODD"];
    let flows = dump(&world, &tiers);
    assert!(
        tiers[..2]
            .iter()
            .all(|tier| flows.iter().any(|flow| flow["map"] == *tier))
    );
    let ring = &dump(&world, &["OVERFLOW"])[0]["value"];
    assert!(ring["unread_bytes"].as_u64().unwrap() > 0, "{ring}");
    check_flow(&flows, &ifindex);
    let counters = dump(&world, &["COUNTERS"]);
    let sum = |what: &str| -> u64 {
        let figures = counters
            .iter()
            .map(|line| line["value"][what]["packets"].as_u64().unwrap());
        figures.sum()
    };
    assert_eq!(sum("seen") + sum("short"), 120);
    check_rest(&world);
    let all = dump(&world, &[]);
    assert!(all.len() > flows.len() + counters.len());
    // Nothing was taken by looking, nor by an agent that looks on.
    assert_eq!(received(&world), [120, 120, 0, 0]);
    let agent = Netweir::flows(&world, &["--set", &file]).meter();
    dump(&world, &[]);
    assert_eq!(agent.end(Signal::TERM).books(), books(120, 0));
    detach(&world);
}

/// The flow of port 2.
fn check_flow(flows: &[Value], ifindex: &Value) {
    let found = flows.iter().find(|flow| flow["key"]["source_port"] == 2);
    let flow = found.expect("it came early");
    assert_eq!(flow["interface"], "w0");
    assert_eq!(flow["key"]["source"], "10.0.0.1", "{flow}");
    assert_eq!(flow["key"]["direction"], "ingress", "{flow}");
    assert_eq!(flow["key"]["ifindex"], *ifindex);
    assert_eq!(flow["value"]["packets"], 2, "{flow}");
    assert_eq!(flow["value"]["rule"], 1, "{flow}");
    assert_eq!(
        flow["value"]["classes"],
        json!(["ipv4", "udp", "none"]),
        "{flow}"
    );
}

/// What is not counted.
fn check_rest(world: &World) {
    let about = &dump(world, &["ABOUT"])[0]["value"];
    assert_eq!(about["interface"], "w0");
    assert_eq!(about["abi"], version::ABI);
    let rows = dump(world, &["RULES"]);
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["value"]["source_ports"], json!([2, 2]));
}

#[test]
fn what_is_no_map_or_of_another_version() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    let world = World::new();
    let ended = Netweir::new(["map", "dump", "--iface", "w0"]).finish();
    let told = "netweir: w0 is not attached to; `netweir status` shows what is";
    assert_eq!(ended.failure(), (Some(1), vec![told]));
    let sizes = MapSizes {
        cache: 64,
        flows: 64,
        ring: 0,
        quic: 0,
        interfaces: 4,
    };
    let _old = OldPins::make(&folder, &world.near, Hook::XdpGeneric, sizes);
    let all = dump(&world, &[]);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0]["value"]["abi"], 3);
    let ended = Netweir::new(["map", "dump", "NONE"]).finish();
    let (code, told) = ended.failure();
    assert_eq!(code, Some(1));
    assert!(
        told[0].contains("w0 has no map NONE; there are ABOUT"),
        "{told:?}"
    );
    detach(&world);
}
