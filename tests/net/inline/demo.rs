//! The walkthrough of `docs/inline.md`, as `scripts/inline-demo.sh` does it.

use std::{path::Path, process::Command};

use netweir_tests::{binary, is_root};

#[test]
fn the_demo_does_what_it_says() {
    if !is_root() {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/inline-demo.sh");
    let service = binary().with_file_name("health-service");
    assert!(
        service.exists(),
        "`cargo build --package health-service` makes it"
    );
    let output = Command::new(script)
        .env("NETWEIR", binary())
        .env("HEALTH_SERVICE", service)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:#?}");
}
