//! Agents come and go, and what is pinned counts on.

use std::{fs, thread, time::Duration};

use aya::programs::loaded_programs;
use netweir_tests::{Netweir, World, books, is_root, own_bpffs, status, tree};
use rustix::process::Signal;
use serde_json::Value;

use super::{attach, by_port, command, detach, detach_whole, received, send, ways, while_sending};
use crate::attachment::attached;

/// Whether a program of this number is loaded.
fn is_loaded(id: u64) -> bool {
    let mut programs = loaded_programs();
    programs.any(|program| program.is_ok_and(|program| u64::from(program.id()) == id))
}

#[test]
fn what_is_pinned_goes_on_and_is_removed_whole() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    for (way, hook) in ways() {
        let world = World::new();
        let nothing = attached(&world);
        attach(&world, way);
        assert_ne!(attached(&world), nothing);
        let known = status(&world.near);
        assert_eq!(known["hook"], hook, "{known}");
        assert_eq!(known["state"], "attached", "{known}");
        assert_eq!(known["interface"], "w0");
        assert_eq!(known["netns"], world.near.netns.inode());
        send(&world, 1, 10);
        assert_eq!(received(&world), [10, 10, 0, 0], "{hook}");
        // What was counted while nobody looked.
        let agent = Netweir::flows(&world, &[]).meter();
        send(&world, 2, 5);
        let ended = agent.end(Signal::TERM);
        assert_eq!(ended.books(), books(15, 0), "{hook}");
        assert_eq!(by_port(&ended), [(1, 10), (2, 5)], "{hook}");
        assert_eq!(received(&world), [15, 15, 15, 0], "{hook}");
        send(&world, 2, 7);
        let agent = Netweir::flows(&world, &[]).meter();
        assert!(agent.end(Signal::KILL).was_killed());
        send(&world, 3, 3);
        let ended = Netweir::flows(&world, &[]).meter().end(Signal::TERM);
        assert_eq!(ended.books(), books(25, 0), "{hook}");
        assert_eq!(received(&world), [25, 25, 25, 0], "{hook}");
        let ids: Vec<u64> = known["programs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|program| program["id"].as_u64().unwrap())
            .collect();
        assert!(!ids.is_empty() && ids.iter().all(|id| is_loaded(*id)));
        detach_whole(&world, &folder, &nothing, hook);
        // The kernel removes programs a little later.
        netweir_tests::await_that(|| match ids.iter().find(|id| is_loaded(**id)) {
            Some(id) => Err(format!("program {id} is still loaded")),
            None => Ok(()),
        });
    }
}

/// The accounting of the interface at the end of an agent.
fn accounting(world: &World) -> Value {
    let agent = Netweir::flows(world, &["--accounting"]).meter();
    let ended = agent.end(Signal::TERM);
    assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
    let rows = ended.output.iter();
    let mut rows = rows.map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.find(|row| row["direction"] == "ingress").unwrap()
}

#[test]
fn nothing_is_lost_or_doubled_when_agents_are_killed_while_packets_come() {
    if !is_root() {
        return;
    }
    let _folder = own_bpffs();
    let world = World::new();
    attach(
        &world,
        &["--set", "maps.cache=64", "--set", "maps.flows=4096"],
    );
    let (rounds, ()) = while_sending(&world, 200, || {
        for life in 0..8 {
            let agent = Netweir::flows(&world, &["--set", "tick=100ms"]).meter();
            thread::sleep(Duration::from_millis(37 * life));
            assert!(agent.end(Signal::KILL).was_killed());
        }
    });
    let sent = 200 * rounds;
    let row = accounting(&world);
    assert_eq!(row["seen"]["packets"], sent, "{row}");
    assert_eq!(row["counted"]["packets"], sent, "{row}");
    // What earlier agents had taken, and what this one received, is all that was counted.
    assert_eq!(row["in_flight"]["packets"], 0, "{row}");
    assert_eq!(row["in_flight"]["bytes"], 0, "{row}");
    assert_eq!(received(&world), [sent, sent, sent, 0]);
    detach(&world);
}

#[test]
fn what_finds_no_room_while_nobody_drains_is_counted_as_lost() {
    if !is_root() {
        return;
    }
    let _folder = own_bpffs();
    let world = World::new();
    attach(
        &world,
        &[
            "--set",
            "maps.cache=16",
            "--set",
            "maps.flows=16",
            "--set",
            "maps.ring=4096",
        ],
    );
    for port in 1..200 {
        send(&world, port, 1);
    }
    let [seen, counted, taken, lost] = received(&world);
    assert_eq!((seen, taken), (199, 0));
    assert!(lost > 0 && counted > 16, "{counted} counted, {lost} lost");
    assert_eq!(counted + lost, seen);
    let ended = Netweir::flows(&world, &[]).meter().end(Signal::TERM);
    assert_eq!(ended.books(), books(counted, lost));
    let flows: u64 = by_port(&ended).iter().map(|(_, packets)| packets).sum();
    assert_eq!(flows, counted);
    detach(&world);
}

#[test]
fn an_interface_that_is_gone_is_detached_from() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    for (way, hook) in ways() {
        let world = World::new();
        attach(&world, way);
        send(&world, 1, 4);
        world.disconnect();
        assert_eq!(status(&world.near)["state"], "gone", "{hook}");
        // One that comes under its name is another one.
        world.connect();
        world.offload(false);
        let ended = command(&world, "attach", way).finish();
        let (code, told) = ended.failure();
        assert_eq!(code, Some(1));
        let why = "w0 is pinned, but that is an interface that is gone";
        assert!(told[0].contains(why), "{told:?}");
        let agent = Netweir::flows(&world, &[]).meter();
        send(&world, 2, 3);
        let ended = agent.end(Signal::TERM);
        assert_eq!(ended.books(), books(3, 0), "{hook}");
        assert_eq!(received(&world)[0], 4, "{hook}");
        detach(&world);
        assert_eq!(tree(folder.path()), [""; 0], "{hook}");
    }
}

/// Namespaces and indexes are given again: what is pinned does not count at whoever has them now.
#[test]
fn one_that_has_the_name_and_the_index_of_another_is_another() {
    if !is_root() {
        return;
    }
    let _folder = own_bpffs();
    for (way, hook) in ways() {
        let world = World::new();
        attach(&world, way);
        let index = status(&world.near)["ifindex"].to_string();
        world.disconnect();
        let add = [
            "link", "add", "w0", "index", &index, "type", "veth", "peer", "name", "w9",
        ];
        world.near.text("ip", &add);
        assert_eq!(status(&world.near)["state"], "gone", "{hook}");
        let ended = command(&world, "attach", way).finish();
        let (_, told) = ended.failure();
        assert!(told[0].contains("an interface that is gone"), "{told:?}");
        let ended = Netweir::flows(&world, &[]).meter().end(Signal::TERM);
        let told = "what is pinned under this name is of another interface";
        assert!(
            ended.log.iter().any(|line| line.contains(told)),
            "{ended:#?}"
        );
        detach(&world);
    }
}

#[test]
fn an_interface_that_has_another_name_by_now() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    let world = World::new();
    attach(&world, &[]);
    send(&world, 1, 3);
    for change in [&["down"][..], &["name", "w5"], &["up"]] {
        let interface = if change == ["up"] { "w5" } else { "w0" };
        let fixed = ["link", "set", "dev", interface];
        let all: Vec<&str> = fixed.iter().chain(change).copied().collect();
        world.near.text("ip", &all);
    }
    assert_eq!(status(&world.near)["renamed"], "w5");
    let w5 = |name: &str| Netweir::new([name, "--iface", "w5"]);
    let ended = w5("attach").inside(&world.near).finish();
    let (_, told) = ended.failure();
    assert!(told[0].contains("w0 is attached to already"), "{told:?}");
    let ended = w5("flows").netns(&world.near).meter().end(Signal::TERM);
    assert_eq!(ended.books(), books(3, 0));
    detach(&world);
    assert_eq!(tree(folder.path()), [""; 0]);
}

#[test]
fn an_interface_from_which_somebody_took_a_program_is_incomplete() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    for (way, hook) in ways().filter(|(_, hook)| *hook != "clsact") {
        let world = World::new();
        attach(&world, way);
        let [pins] = &folder.pins("w0").unwrap()[..] else {
            panic!("one is pinned");
        };
        fs::remove_file(pins.path().join("link_in")).unwrap();
        let found = status(&world.near);
        assert_eq!(found["state"], "incomplete", "{hook}");
        let why = "somebody has removed link_in: detach it and attach anew";
        assert_eq!(found["problem"], why, "{hook}");
        detach(&world);
        assert_eq!(tree(folder.path()), [""; 0], "{hook}");
    }
}

#[test]
fn an_agent_goes_on_when_the_interface_goes() {
    if !is_root() {
        return;
    }
    let _folder = own_bpffs();
    let world = World::new();
    attach(&world, &[]);
    let agent = Netweir::flows(&world, &[]).meter();
    send(&world, 1, 4);
    world.disconnect();
    agent.await_log("the interface is gone", 1);
    assert_eq!(agent.end(Signal::TERM).books(), books(4, 0));
    assert_eq!(received(&world), [4, 4, 4, 0]);
    detach(&world);
}
