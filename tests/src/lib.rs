//! Shared by rings 3 and 4 and by the benchmarks.

mod child;
mod report;
mod server;
mod world;

pub use child::{Child, Ended, Netweir, binary};
pub use report::{Counted, Table, sum, table};
pub use server::{Server, Stream};
pub use world::{Side, World, await_that};

/// Whether this process may load programs; says that the test is skipped where it may not.
///
/// # Panics
/// Where it may not and `NETWEIR_REQUIRE_ROOT` says that it has to.
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        let required = std::env::var_os("NETWEIR_REQUIRE_ROOT").is_some_and(|value| value == "1");
        assert!(
            !required,
            "loading kernel programs needs root, and NETWEIR_REQUIRE_ROOT=1"
        );
        #[expect(clippy::print_stderr, reason = "for whoever runs the tests")]
        {
            eprintln!("skipped: loading kernel programs needs root");
        }
    }
    root
}
