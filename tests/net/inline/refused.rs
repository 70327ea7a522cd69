//! What is refused, with what to do about it.

use netweir_tests::{Bump, Ended, Netweir, is_root, own_bpffs, tree};
use rustix::process::Signal;

use super::bump;

fn complaint(ended: &Ended) -> &str {
    assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
    ended.log.last().unwrap()
}

#[test]
fn what_cannot_be_is_refused() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    let bump = Bump::new(1500);
    let cases: [(&[&str], &str); 5] = [
        (&["--from", "b0", "--to", "b0"], "are the same interface"),
        (&["--from", "b0", "--to", "b7"], "no interface b7 in"),
        (
            &["--from", "b0", "--to", "b1", "--label", "x"],
            "they need -w FILE or --events",
        ),
        (
            &[
                "--from", "b0", "--to", "b1", "-w", "-", "--ring", "2", "--size", "1kB",
            ],
            "--ring makes several files",
        ),
        (
            &["--from", "b0", "--to", "b1", "-w", "/no/such"],
            "cannot write /no/such",
        ),
    ];
    for (arguments, expected) in cases {
        let call = Netweir::new(["inline"].iter().chain(arguments).copied());
        let ended = call.netns(&bump.middle).finish();
        let said = complaint(&ended);
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert_eq!(tree(folder.path()), [""; 0], "{arguments:?}");
    }
    bump.middle.text("ip", &["link", "set", "b1", "down"]);
    let ended = bump.call(&[]).finish();
    assert!(
        complaint(&ended).contains("ip link set b1 up"),
        "{ended:#?}"
    );
}

#[test]
fn nobody_may() {
    let Some(bump) = bump(1500) else { return };
    let call = Netweir::new(["inline", "--from", "b0", "--to", "b1"]);
    let ended = call.inside(&bump.middle).as_nobody("").finish();
    assert!(complaint(&ended).contains("not permitted"), "{ended:#?}");
}

#[test]
fn the_interface_of_the_default_route_is_not_taken() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    let bump = Bump::new(1500);
    let set = |arguments: &[&str]| drop(bump.middle.text("ip", arguments));
    set(&["address", "add", "10.8.0.1/24", "dev", "b1"]);
    set(&["route", "add", "default", "via", "10.8.0.2"]);
    let ended = bump.call(&[]).finish();
    assert!(
        complaint(&ended).contains("b1 has the default route"),
        "{ended:#?}"
    );
    assert_eq!(tree(folder.path()), [""; 0]);
}

#[test]
fn two_do_not_share_a_bump() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    let bump = Bump::new(1500);
    let child = bump.start(&[]);
    let pinned = tree(folder.path());
    let ended = bump.call(&[]).finish();
    assert!(complaint(&ended).contains("are in use by"), "{ended:#?}");
    assert_eq!(tree(folder.path()), pinned);
    assert_eq!(child.end(Signal::INT).status.code(), Some(0));
}

#[test]
fn what_is_pinned_one_way_stays_so() {
    let Some(bump) = bump(1500) else { return };
    drop(bump.start(&[]).end(Signal::INT));
    let bump = bump.by("generic");
    let ended = bump.call(&[]).finish();
    let text = complaint(&ended);
    assert!(text.contains("xdp = native"), "{text}");
    // Who asks for neither goes on with what there is.
    let bump = bump.by("auto");
    let child = bump.start(&["--temporary"]);
    child.await_log("native XDP", 1);
    drop(child.end(Signal::INT));
    // Behind the driver no frames are merged, and all are copied.
    let bump = bump.by("generic");
    let merge = |state| drop(bump.middle.text("ethtool", &["-K", "b1", "gro", state]));
    merge("on");
    let ended = bump.call(&[]).finish();
    let text = complaint(&ended);
    assert!(text.contains("ethtool -K b1 gro off"), "{text}");
    merge("off");
    let ended = bump.call(&["--mode", "zerocopy"]).finish();
    let text = complaint(&ended);
    assert!(text.contains("--xdp native"), "{text}");
    let ended = bump.by("sideways").call(&[]).finish();
    let text = complaint(&ended);
    assert!(text.contains("auto, native or generic"), "{text}");
}

/// Interfaces whose driver has no XDP, and that merge what they receive, as most do.
#[test]
fn what_is_behind_the_driver_is_taken_where_it_has_no_xdp() {
    let Some(bump) = bump(1500) else { return };
    let middle = &bump.middle;
    for name in ["d0", "d1"] {
        middle.text("ip", &["link", "add", name, "up", "type", "bridge"]);
    }
    let call = |xdp| {
        let words = [
            "inline",
            "--from",
            "d0",
            "--to",
            "d1",
            "--temporary",
            "--xdp",
            xdp,
        ];
        Netweir::new(words).rules(bump.rules()).netns(middle)
    };
    let refused = call("native").finish();
    let text = complaint(&refused);
    assert!(text.contains("cannot attach to d0"), "{text}");
    let refused = call("auto").finish();
    let text = complaint(&refused);
    assert!(text.contains("`ethtool -K d0 gro off`"), "{text}");
    for name in ["d0", "d1"] {
        middle.text("ethtool", &["-K", name, "gro", "off"]);
    }
    let child = call("auto").start();
    child.await_log("generic XDP", 1);
    assert_eq!(child.end(Signal::INT).status.code(), Some(0));
}

/// Nor is one of its ends taken without the other.
#[test]
fn half_a_bump_is_refused() {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    let bump = Bump::new(1500);
    assert!(bump.start(&[]).end(Signal::KILL).was_killed());
    let pinned = tree(folder.path());
    let run = Netweir::new(["flows", "--iface", "b0", "--every", "1h"]);
    let other = run.rules(bump.rules()).netns(&bump.middle).meter();
    let ended = bump.call(&[]).finish();
    assert!(
        complaint(&ended).contains("b0 cannot be taken over"),
        "{ended:#?}"
    );
    assert_eq!(tree(folder.path()), pinned);
    drop(other.end(Signal::TERM));
}

#[test]
fn what_is_attached_otherwise_stays_so() {
    let Some(bump) = bump(1500) else { return };
    let attach = Netweir::new(["attach", "--iface", "b1", "--hook", "tc"]);
    let ended = attach.inside(&bump.middle).finish();
    assert_eq!(ended.failure(), (Some(0), vec![]), "{ended:#?}");
    let ended = bump.call(&[]).finish();
    assert!(
        complaint(&ended).contains("b1 is attached to already"),
        "{ended:#?}"
    );
    // And the other end was let go.
    let links = bump.middle.text("ip", &["-details", "link"]);
    assert!(!links.contains("netweir_inl"), "{links}");
}
