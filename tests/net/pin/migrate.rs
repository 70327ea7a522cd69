//! Taking over what an older version has pinned: sent is counted, at every step and whoever is killed.

use std::{env, process::Command, thread, time::Duration};

use netweir_agent::{
    Netns,
    attach::MapSizes,
    pin::{Folder, Migration},
};
use netweir_flow::Hook;
use netweir_tests::{Ended, Feature, Netweir, OldPins, PINS, World, books, is_root, own_bpffs};
use netweir_tests::{claim, settings, status, tree};
use netweir_wire::{
    map::{Class, Count, Volume, old::v3},
    version,
};
use rustix::process::Signal;

use super::{by_port, command, detach, detach_whole, received, send, send_each, while_sending};
use crate::attachment::attached;

/// Every tier is used, and all that comes finds room.
const SIZES: MapSizes = MapSizes {
    cache: 32,
    flows: 64,
    ring: 1 << 24,
    quic: 0,
    interfaces: 4,
};

/// Hooks that can be pinned and that this kernel has.
fn hooks() -> impl Iterator<Item = Hook> {
    let all = [Hook::Tcx, Hook::Clsact, Hook::XdpNative, Hook::XdpGeneric];
    let (tcx, frags) = (Feature::Tcx.is_there(), Feature::XdpFrags.is_there());
    all.into_iter().filter(move |hook| match hook {
        Hook::Tcx => tcx,
        Hook::XdpNative => frags,
        _ => true,
    })
}

/// What an agent reports of as many flows of so many packets each, that had taken so many before.
fn check(ended: &Ended, flows: u64, packets: u64, before: u64) {
    assert_eq!(ended.books(), books(before + flows * packets, 0));
    let expected: Vec<_> = (1..=flows).map(|port| (port, packets)).collect();
    assert_eq!(by_port(ended), expected);
}

#[test]
fn an_agent_takes_over_what_was_counted_in_every_tier() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    for hook in hooks() {
        let world = World::new();
        let nothing = attached(&world);
        let old = OldPins::make(&folder, &world.near, hook, SIZES);
        // Two epochs that nobody has taken: an agent has died between them.
        send_each(&world, 200);
        old.set_epoch(1, 0);
        send_each(&world, 200);
        assert_eq!(status(&world.near)["abi"], 3, "{hook}");
        let agent = Netweir::flows(&world, &[]).meter();
        send_each(&world, 200);
        check(&agent.end(Signal::TERM), 200, 3, 0);
        let found = status(&world.near);
        assert_eq!(found["abi"], version::ABI, "{hook}");
        assert_eq!(found["migrated_from"], 3, "{hook}");
        assert_eq!(found["hook"], hook.name());
        assert_eq!(received(&world), [600, 600, 600, 0], "{hook}");
        // It goes on, and nothing comes twice.
        send_each(&world, 10);
        let ended = Netweir::flows(&world, &[]).meter().end(Signal::TERM);
        check(&ended, 10, 1, 600);
        detach_whole(&world, &folder, &nothing, hook.name());
    }
}

#[test]
fn what_was_taken_before_stays_taken() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    let world = World::new();
    let old = OldPins::make(&folder, &world.near, Hook::XdpGeneric, SIZES);
    send(&world, 1, 5);
    // An agent has taken that, and what came before these programs.
    let taken = Count {
        packets: 105,
        frames: 105,
        bytes: 105 * 60,
    };
    let before = Count {
        packets: 100,
        frames: 100,
        bytes: 100 * 60,
    };
    let mut carried = v3::Carried {
        taken,
        ..v3::Carried::default()
    };
    carried.counters.seen = before;
    carried.counters.counted = before;
    carried.counters.classes[Class::Udp as usize] = Volume {
        packets: 105,
        bytes: 105 * 60,
    };
    old.set_carried(1, &carried);
    old.set_epoch(1, 1);
    send(&world, 2, 7);
    let ended = command(&world, "attach", &["--upgrade"]).finish();
    assert_eq!(ended.failure(), (Some(0), vec![]), "{ended:#?}");
    assert_eq!(ended.output, ["w0: taken over"]);
    assert_eq!(received(&world), [112, 112, 105, 0]);
    send(&world, 3, 2);
    let ended = Netweir::flows(&world, &[]).meter().end(Signal::TERM);
    assert_eq!(ended.books(), books(114, 0));
    assert_eq!(by_port(&ended), [(2, 7), (3, 2)]);
    assert_eq!(received(&world), [114, 114, 114, 0]);
    detach(&world);
}

#[test]
fn nothing_is_lost_or_doubled_while_packets_come() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    for hook in hooks() {
        let world = World::new();
        let _old = OldPins::make(&folder, &world.near, hook, SIZES);
        send_each(&world, 100);
        let (rounds, agent) = while_sending(&world, 100, || {
            let agent = Netweir::flows(&world, &["--set", "tick=100ms"]).meter();
            agent.await_log("pins of an older version were taken over", 1);
            agent
        });
        let ended = agent.end(Signal::TERM);
        let rounds = rounds + 1;
        assert!(rounds > 2, "{rounds}");
        check(&ended, 100, rounds, 0);
        detach(&world);
    }
}

#[test]
fn killed_at_any_moment_nothing_is_lost_or_doubled() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    for hook in hooks() {
        let world = World::new();
        let nothing = attached(&world);
        let _old = OldPins::make(&folder, &world.near, hook, SIZES);
        let mut sent = 0;
        for life in 0..10 {
            send_each(&world, 100);
            let agent = Netweir::flows(&world, &["--set", "tick=100ms"]).start();
            send_each(&world, 100);
            sent += 200;
            // From nothing to about as long as it takes.
            thread::sleep(Duration::from_millis(life * 7919 % 13 * 100));
            assert!(agent.end(Signal::KILL).was_killed());
        }
        let ended = Netweir::flows(&world, &[]).meter().end(Signal::TERM);
        assert_eq!(ended.books(), books(sent, 0), "{hook}");
        assert_eq!(received(&world), [sent, sent, sent, 0], "{hook}");
        detach_whole(&world, &folder, &nothing, hook.name());
    }
}

#[test]
fn plain_attach_says_what_to_do() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    let world = World::new();
    let _old = OldPins::make(&folder, &world.near, Hook::XdpGeneric, SIZES);
    let ended = command(&world, "attach", &[]).finish();
    let told = "netweir: the pins of w0 have ABI 3: `netweir attach --upgrade --iface w0` or `netweir \
                run` takes them over";
    assert_eq!(ended.failure(), (Some(1), vec![told]));
    detach(&world);
    assert_eq!(tree(folder.path()), [""; 0]);
}

/// In the environment of who migrates and is killed: the namespace, and after how many steps.
const KILLED: &str = "NETWEIR_TEST_MIGRATION";
const STEPS: u32 = 6;

#[test]
fn killed_at_any_step_the_next_one_goes_on() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    for hook in hooks() {
        for steps in 0..=STEPS {
            let what = format!("{hook}, killed after {steps} steps");
            let world = World::new();
            let nothing = attached(&world);
            let old = OldPins::make(&folder, &world.near, hook, SIZES);
            send_each(&world, 150);
            old.set_epoch(1, 0);
            send_each(&world, 150);
            // Killed there twice: what was half done is done again.
            for _ in 0..2 {
                let child = Command::new(env::current_exe().unwrap())
                    .args([
                        "--exact",
                        "pin::migrate::who_migrates_and_is_killed",
                        "--nocapture",
                    ])
                    .env(
                        KILLED,
                        format!("{} {steps}", world.near.netns.path().display()),
                    )
                    .output()
                    .unwrap();
                let ended = Ended {
                    status: child.status,
                    output: Vec::new(),
                    log: vec![String::from_utf8_lossy(&child.stderr).into_owned()],
                };
                assert!(ended.was_killed(), "{what}: {ended:#?}");
                send_each(&world, 150);
            }
            let ended = Netweir::flows(&world, &[]).meter().end(Signal::TERM);
            check(&ended, 150, 4, 0);
            assert_eq!(received(&world), [600, 600, 600, 0], "{what}");
            detach_whole(&world, &folder, &nothing, &what);
        }
    }
}

/// No test by itself: what [`killed_at_any_step_the_next_one_goes_on`] starts, and what kills itself.
#[test]
fn who_migrates_and_is_killed() {
    let Ok(text) = env::var(KILLED) else {
        return;
    };
    let (netns, steps) = text.split_once(' ').unwrap();
    let mut left: u32 = steps.parse().unwrap();
    let mut step = || {
        if left == 0 {
            let this = rustix::process::getpid();
            rustix::process::kill_process(this, Signal::KILL).unwrap();
        }
        left -= 1;
    };
    let netns = Netns::from_choice(netns).unwrap();
    let folder = Folder::new(PINS.as_ref());
    let claim = claim(&folder, "w0");
    let settings = settings(SIZES);
    step();
    let migration = Migration::begin(&claim, &netns, &settings).unwrap();
    let Some(mut migration) = migration else {
        // All was done the time before.
        left_alone(step);
        return;
    };
    migration.make().unwrap();
    step();
    migration.switch().unwrap();
    step();
    migration.wait().unwrap();
    step();
    migration.carry().unwrap();
    step();
    migration.commit().unwrap();
    step();
    migration.clean().unwrap();
    step();
}

fn left_alone(mut step: impl FnMut()) {
    (0..=STEPS).for_each(|_| step());
}
