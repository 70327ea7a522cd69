//! `netweir doctor`: what it says of a machine that can do it all.

use netweir_tests::{Netweir, is_root};
use serde_json::Value;

/// What does not depend on the machine's kernel; `xtask kernels` checks the rest in guests.
const EVERYWHERE: [&str; 5] = [
    "kernel",
    "privilege",
    "hook tc (clsact)",
    "hook xdp",
    "AF_XDP sockets",
];

#[test]
fn doctor_tries_hooks_and_sockets() {
    if !is_root() {
        return;
    }
    let ended = Netweir::new(["doctor", "--format", "json"]).finish();
    assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
    let lines = ended.output.iter();
    let checks: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for name in EVERYWHERE {
        let check = checks.iter().find(|check| check["check"] == name);
        let check = check.unwrap_or_else(|| panic!("nothing of {name}: {checks:#?}"));
        assert_eq!(check["verdict"], "good", "{check}");
        assert_eq!(check["fix"], "", "{check}");
    }
}
