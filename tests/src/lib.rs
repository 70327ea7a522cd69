//! Shared by rings 3 and 4 and by the benchmarks.

#![expect(
    clippy::print_stderr,
    reason = "why a test was skipped is for whoever runs it"
)]

/// Whether this process may load programs; says that the test is skipped where it may not.
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: loading kernel programs needs root");
    }
    root
}
