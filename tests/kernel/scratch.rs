//! Networks of one's own, and every hook tried live in one.

use std::net::Ipv4Addr;

use netweir_agent::{
    Netns,
    attach::{HookChoice, TcMode},
    scratch::{
        FrameSocket, add_address, set_loopback_up, set_offloads, try_hook, veth_with_queues,
    },
    watch,
};
use netweir_flow::Hook;
use netweir_tests::{Feature, is_root};

#[test]
fn every_hook_counts_every_frame() {
    if !is_root() {
        return;
    }
    let tcx = Feature::Tcx.is_there();
    let best = if tcx { Hook::Tcx } else { Hook::Clsact };
    for (choice, tc, expected) in [
        (HookChoice::Auto, TcMode::Auto, best),
        (HookChoice::Tc, TcMode::Tcx, Hook::Tcx),
        (HookChoice::Tc, TcMode::Clsact, Hook::Clsact),
        (HookChoice::Xdp, TcMode::Auto, Hook::XdpNative),
        (HookChoice::Tracepoint, TcMode::Auto, Hook::Tracepoint),
    ] {
        if tc == TcMode::Tcx && !tcx {
            assert!(try_hook(choice, tc).is_err());
            continue;
        }
        let tried = try_hook(choice, tc).unwrap();
        assert_eq!(tried.hook, expected);
        assert_eq!(tried.counted, tried.sent, "{tried:?}");
    }
}

#[test]
fn a_pair_is_up_and_silent() {
    if !is_root() {
        return;
    }
    let left = Netns::anonymous("left").unwrap();
    let right = Netns::anonymous("right").unwrap();
    veth_with_queues((&left, "one"), (&right, "two"), 2).unwrap();
    set_loopback_up(&left).unwrap();
    set_offloads(&left, "one", false).unwrap();
    assert_ne!(left.inode(), right.inode());
    let names: Vec<_> = watch::list(&left).unwrap();
    let names: Vec<_> = names
        .iter()
        .map(|device| (device.name.as_str(), device.up))
        .collect();
    assert_eq!(names, [("lo", true), ("one", true)]);
    FrameSocket::open(&right, "two").unwrap();
    let errors = [
        add_address(&left, "two", Ipv4Addr::LOCALHOST.into(), 8).unwrap_err(),
        set_offloads(&left, "an interface's name is shorter", true).unwrap_err(),
        veth_with_queues((&left, "one"), (&right, "three"), 1).unwrap_err(),
    ];
    let errors = errors.map(|error| error.to_string());
    assert_eq!(
        errors,
        [
            "no interface two in network namespace left; `netweir interfaces` lists them",
            "cannot switch the offloads of an interface",
            "cannot make a virtual Ethernet pair",
        ]
    );
    let device = &watch::list(&right).unwrap()[1];
    assert_eq!(
        (device.name.as_str(), device.statistics.sent_frames),
        ("two", 0)
    );
    assert_eq!(device.statistics.received_frames, 0);
}

#[test]
fn a_namespace_ends_with_its_last_handle() {
    if !is_root() {
        return;
    }
    let netns = Netns::anonymous("brief").unwrap();
    let same = netns.try_clone().unwrap();
    assert_eq!(same.inode(), netns.inode());
    drop(netns);
    assert!(same.enter(|| ()).is_ok());
    assert_ne!(same.inode(), Netns::current().unwrap().inode());
}
