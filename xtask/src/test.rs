//! `cargo xtask test`: all four rings of tests, and the examples in the documentation.
//!
//! Rings 1 and 2 and the unit tests need no privilege. Rings 3 and 4 (package `netweir-tests`)
//! load kernel programs and make network namespaces: without root they are left out, visibly.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{repository, tool};

/// The kernel programs build for their own target only.
const WORKSPACE: [&str; 3] = ["--workspace", "--exclude", "netweir-kernel"];
const ROOT_TESTS: &str = "netweir-tests";

/// Run the tests: those of rings 3 and 4 only as root.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Fail when rings 3 and 4 cannot run, instead of leaving them out.
    #[arg(long)]
    require_root: bool,
}

/// Runs the task.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.require_root && !tool::is_root() {
        bail!("rings 3 and 4 need root, and --require-root is given");
    }
    let is_nextest = tool::find("cargo-nextest").is_some();
    println!("== rings 1 and 2, unit tests");
    tool::run(&mut unprivileged(is_nextest))?;
    println!("== examples in the documentation");
    tool::run(tool::cargo().args(["test", "--doc"]).args(WORKSPACE))?;
    println!("== rings 3 and 4");
    if !tool::is_root() {
        println!(
            "skipped: they load kernel programs and make network namespaces, which needs root"
        );
        return Ok(());
    }
    // The tests start the binary that a user would start.
    tool::run(tool::cargo().arg("build").args(WORKSPACE).arg("--bins"))?;
    let binary = repository::root().join("target/debug/netweir");
    let mut tests = privileged(is_nextest);
    // From here on a test that skips itself has failed.
    tests
        .env("NETWEIR_BINARY", binary)
        .env("NETWEIR_REQUIRE_ROOT", "1");
    tool::run(&mut tests)
}

/// nextest builds the whole workspace and then chooses, so that both calls share one build.
fn unprivileged(is_nextest: bool) -> Command {
    let mut cargo = tool::cargo();
    if is_nextest {
        let others = format!("not package({ROOT_TESTS})");
        cargo
            .args(["nextest", "run"])
            .args(WORKSPACE)
            .args(["-E", &others]);
    } else {
        cargo
            .arg("test")
            .args(WORKSPACE)
            .args(["--exclude", ROOT_TESTS]);
        cargo.args(["--lib", "--bins", "--tests"]);
    }
    cargo
}

fn privileged(is_nextest: bool) -> Command {
    let mut cargo = tool::cargo();
    if is_nextest {
        let own = format!("package({ROOT_TESTS})");
        cargo
            .args(["nextest", "run"])
            .args(WORKSPACE)
            .args(["-E", &own]);
    } else {
        cargo.args(["test", "--package", ROOT_TESTS]);
    }
    cargo
}
