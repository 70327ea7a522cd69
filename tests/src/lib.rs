//! Shared by rings 3 and 4 and by the benchmarks.

mod host;
mod rig;
mod skb;

pub use host::Reading;
pub use rig::{Entry, PROGRAMS, Program, Rig};
pub use skb::SkbContext;

/// Whether this process may load programs; says that the test is skipped where it may not.
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        #[expect(clippy::print_stderr, reason = "for whoever runs the tests")]
        {
            eprintln!("skipped: loading kernel programs needs root");
        }
    }
    root
}
