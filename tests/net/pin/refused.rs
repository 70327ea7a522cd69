//! What is refused says why and what to do, and touches nothing.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    thread,
};

use netweir_tests::{Netweir, World, books, claim, is_root, own_bpffs, status, tree};
use netweir_wire::{
    map::{About, Phase},
    name, version,
};
use rustix::process::Signal;

use super::{attach, command, detach, detach_whole, received, send, ways};
use crate::attachment::attached;

/// Checks that a command fails with one line that has this text.
fn refuse(netweir: Netweir, text: &str) {
    let ended = netweir.finish();
    let (code, told) = ended.failure();
    assert_eq!((code, told.len()), (Some(1), 1), "{ended:#?}");
    assert!(told[0].contains(text), "{told:?}");
}

#[test]
fn two_at_once() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    let world = World::new();
    attach(&world, &[]);
    refuse(command(&world, "attach", &[]), "w0 is attached to already");
    let agent = Netweir::flows(&world, &[]).meter();
    let busy = format!(
        "the pins of w0 are in use by process {}; stop it first",
        agent.process()
    );
    assert_eq!(status(&world.near)["used_by"], agent.process());
    let before = tree(folder.path());
    refuse(Netweir::flows(&world, &[]), &busy);
    refuse(command(&world, "attach", &[]), &busy);
    refuse(command(&world, "detach", &[]), &busy);
    assert_eq!(tree(folder.path()), before);
    // The rest works: another interface of the same agent.
    let other = Netweir::flows(&world, &["--iface", "lo"]).meter();
    send(&world, 1, 6);
    other.end(Signal::TERM);
    assert_eq!(agent.end(Signal::TERM).books(), books(6, 0));
    assert_eq!(status(&world.near)["used_by"], serde_json::Value::Null);
    detach(&world);
    refuse(command(&world, "detach", &[]), "w0 is not attached to");
}

#[test]
fn what_is_no_place_for_pins_or_no_interface() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    let world = World::new();
    let nothing = attached(&world);
    let place = tempfile::tempdir().unwrap();
    let pins = format!("pins.directory={}/pins", place.path().display());
    let call = command(&world, "attach", &["--set", &pins]);
    refuse(
        call,
        "is not on a BPF file system: `mount -t bpf bpf /sys/fs/bpf`",
    );
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    let call = Netweir::new(["attach", "--iface", "w9"]).inside(&world.near);
    refuse(call, "no interface w9 in this network namespace");
    let call = command(&world, "attach", &["--hook", "tracepoint"]);
    refuse(
        call,
        "the tracepoints see all interfaces at once and cannot be pinned",
    );
    let call = command(&world, "attach", &[]).as_nobody("");
    refuse(call, "not permitted");
    assert_eq!(tree(folder.path()), [""; 0]);
    assert_eq!(attached(&world), nothing);
}

/// Whoever could put other pins there, or lock them, would decide about what is counted.
#[test]
fn directories_are_for_their_owner_alone() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    let world = World::new();
    attach(&world, &[]);
    for path in [folder.path(), &folder.of("w0")] {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", path.display());
        chown(path, Some(65_534), None).unwrap();
        let why = "it belongs to another user, who may have put it there on purpose";
        for name in ["attach", "detach"] {
            refuse(command(&world, name, &[]), why);
        }
        chown(path, Some(0), None).unwrap();
    }
    detach(&world);
}

#[test]
fn the_same_name_in_another_namespace() {
    if !is_root() {
        return;
    }
    let _folder = own_bpffs();
    let (world, other) = (World::new(), World::new());
    attach(&world, &[]);
    let why = format!(
        "w0 is pinned, but that is one of the network namespace {}",
        world.near.netns.inode()
    );
    refuse(command(&other, "attach", &[]), &why);
    // An agent there is not concerned.
    let agent = Netweir::flows(&other, &[]).meter();
    send(&other, 1, 5);
    assert_eq!(agent.end(Signal::TERM).books(), books(5, 0));
    assert_eq!(received(&world), [0; 4]);
    detach(&world);
}

#[test]
fn pins_that_count_otherwise() {
    if !is_root() {
        return;
    }
    let _folder = own_bpffs();
    let world = World::new();
    attach(&world, &["--sampling", "7", "--only", "udp"]);
    let wrong = "w0 was attached to with sampling = 7";
    refuse(Netweir::flows(&world, &["--only", "udp"]), wrong);
    let wrong = "w0 was attached to with another filter (only)";
    refuse(Netweir::flows(&world, &["--sampling", "7"]), wrong);
    let same = ["--sampling", "7", "--only", "udp"];
    let ended = Netweir::flows(&world, &same).meter().end(Signal::TERM);
    assert_eq!(ended.books(), books(0, 0));
    detach(&world);
}

#[test]
fn what_was_left_half_made_is_removed_and_nothing_of_others() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    for (way, hook) in ways() {
        let world = World::new();
        let nothing = attached(&world);
        // As it is found when `attach` was killed before its last step.
        let half_made = || {
            attach(&world, way);
            let [pins] = &folder.pins("w0").unwrap()[..] else {
                panic!("one is pinned");
            };
            pins.set_phase(Phase::Making).unwrap();
        };
        half_made();
        assert_eq!(status(&world.near)["state"], "half made", "{hook}");
        attach(&world, way);
        send(&world, 1, 3);
        assert_eq!(received(&world)[0], 3, "{hook}");
        detach(&world);
        assert_eq!(attached(&world), nothing, "{hook}");
        half_made();
        let agent = Netweir::flows(&world, &[]).meter();
        send(&world, 1, 3);
        assert_eq!(agent.end(Signal::TERM).books(), books(3, 0), "{hook}");
        assert_eq!(attached(&world), nothing, "{hook}");
        half_made();
        // Killed before it could say anything.
        let [pins] = &folder.pins("w0").unwrap()[..] else {
            panic!("one is pinned");
        };
        if hook != "clsact" {
            fs::remove_file(pins.path_of(name::ABOUT)).unwrap();
        }
        let mine = pins.path().join("mine");
        fs::create_dir(&mine).unwrap();
        let ended = command(&world, "detach", &[]).finish();
        assert_eq!(ended.output, ["w0: detached"], "{hook}");
        let (code, told) = ended.failure();
        assert!(told[0].ends_with("(mine); that stays"), "{told:?}");
        assert_eq!(code, Some(1), "{hook}");
        assert_eq!(attached(&world), nothing, "{hook}");
        assert!(mine.exists());
        fs::remove_dir(mine).unwrap();
        detach(&world);
        assert_eq!(tree(folder.path()), [""; 0], "{hook}");
    }
}

#[test]
fn what_was_killed_at_any_moment_leaves_nothing_that_stays() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    for (way, hook) in ways() {
        let world = World::new();
        let nothing = attached(&world);
        for life in 0..6 {
            let attaching = command(&world, "attach", way).start();
            thread::sleep(std::time::Duration::from_millis(life * 7919 % 13 * 70));
            attaching.end(Signal::KILL);
            // It may have come to its end.
            let is_whole = folder.pins("w0").unwrap().iter().any(|pins| {
                let about = pins.about();
                about.is_ok_and(|about| about.phase == Phase::Attached as u32)
            });
            if !is_whole {
                attach(&world, way);
            }
            send(&world, 1, 2);
            assert_eq!(received(&world)[0], 2, "{hook}");
            detach_whole(&world, &folder, &nothing, hook);
        }
    }
}

#[test]
fn pins_of_a_newer_version() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    let world = World::new();
    let claim = folder.claim_new("w0").unwrap();
    let newer = version::ABI + 1;
    let pins = claim.make(newer).unwrap();
    pins.make_array(name::ABOUT, size_of::<About>(), 1).unwrap();
    let about = About {
        abi: newer,
        phase: Phase::Attached as u32,
        netns: world.near.netns.inode(),
        ifindex: netweir_agent::watch::find(&world.near.netns, "w0")
            .unwrap()
            .ifindex,
        ..About::default()
    };
    pins.set_about(&about).unwrap();
    drop(claim);
    let before = tree(folder.path());
    let why = format!(
        "the pins of w0 have ABI {newer}, which this netweir (ABI {}) cannot take over: use the \
         version that made them",
        version::ABI
    );
    for name in ["attach", "detach"] {
        refuse(command(&world, name, &[]), &why);
    }
    refuse(command(&world, "attach", &["--upgrade"]), &why);
    refuse(Netweir::flows(&world, &[]), &why);
    assert_eq!(status(&world.near)["abi"], newer);
    assert_eq!(tree(folder.path()), before);
}

/// Whoever puts rules in force has pins for some moments, and nobody fails for that.
#[test]
fn who_has_pins_for_a_moment_is_waited_for() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    let world = World::new();
    attach(&world, &[]);
    let place = folder.path().join("w0");
    let has_open = |count: usize| {
        let files = fs::read_dir("/proc/self/fd").unwrap();
        let places = files.filter_map(|file| fs::read_link(file.unwrap().path()).ok());
        places.filter(|open| *open == place).count() == count
    };
    // More than once: it may have let go in front of the first try.
    for _ in 0..30 {
        let held = claim(&folder, "w0");
        thread::scope(|scope| {
            let waiting = scope.spawn(|| folder.claim("w0").map(|claim| claim.is_some()));
            while !has_open(2) && !waiting.is_finished() {
                thread::yield_now();
            }
            drop(held);
            assert!(waiting.join().unwrap().unwrap());
        });
    }
    detach(&world);
}
