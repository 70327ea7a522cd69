//! Over network cards of virtio-net, which only a guest of `cargo xtask kernels` has: their driver can do
//! without copying from some version on.

use std::fs;

use netweir_agent::scratch::set_merging;
use netweir_tests::{Bump, Crossed, await_that, is_guest_or_skip, is_root, own_bpffs};
use rustix::process::Signal;

use super::{fetch, file, tap_all};

/// Bytes of a file: guests are slow.
const FILE_BYTES: usize = 300_000;

/// The cards, in the order of their addresses.
fn cards() -> Option<[String; 4]> {
    let mut cards: Vec<(String, String)> = fs::read_dir("/sys/class/net")
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let address = fs::read_to_string(entry.path().join("address")).ok()?;
            let is_card = address.starts_with("52:54:00:00:00:0");
            is_card.then(|| (address, entry.file_name().into_string().unwrap()))
        })
        .collect();
    cards.sort();
    let names: Vec<_> = cards.into_iter().map(|(_, name)| name).collect();
    names.try_into().ok()
}

/// A bump over them, with rules that tap all and pins that nobody else has; none where there are no cards.
fn over_cards() -> Option<Bump> {
    if !is_root() || !is_guest_or_skip() {
        return None;
    }
    let _folder = own_bpffs();
    // Those of the test before come back when the kernel has ended its namespaces.
    let cards = await_that(|| cards().ok_or_else(|| "QEMU gives four cards".to_owned()));
    let bump = Bump::over(cards.each_ref().map(String::as_str));
    tap_all(&bump);
    Some(bump)
}

/// Fetches a file through a bump, and checks the books; says how frames went.
fn crosses(bump: &Bump, mode: &str) -> String {
    let child = bump.start(&["--mode", mode]);
    let how = child.await_log("frames cross between", 1);
    assert!(fetch(bump, 0, FILE_BYTES) == file(FILE_BYTES), "{how}");
    let ended = child.end(Signal::INT);
    for interface in ["b0", "b1"] {
        let line = Crossed::of(&ended, interface);
        line.check();
        assert!(line.tapped > 0 && line.in_tap == 0, "{line:?}");
    }
    how
}

#[test]
fn zero_copy_is_tried() {
    let Some(bump) = over_cards() else { return };
    println!("copy: {}", crosses(&bump, "copy"));
    let how = crosses(&bump, "auto");
    println!("auto: {how}");
    if how.contains("without being copied") {
        println!("zerocopy: {}", crosses(&bump, "zerocopy"));
        return;
    }
    let ended = bump.call(&["--mode", "zerocopy"]).finish();
    assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
    println!("zerocopy: {}", ended.log.last().unwrap());
}

#[test]
fn frames_cross_behind_the_driver() {
    let Some(bump) = over_cards() else { return };
    for interface in ["b0", "b1"] {
        set_merging(&bump.middle.netns, interface, false).unwrap();
    }
    let bump = bump.by("generic");
    let how = crosses(&bump, "auto");
    println!("{how}");
    assert!(how.contains("generic XDP"), "{how}");
}
