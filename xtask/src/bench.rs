//! `cargo xtask bench`: what the kernel programs and user space cost, as a table and as JSON.

use anyhow::{Result, bail};

use crate::tool;

/// Measure the kernel programs and the agent (root)
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The tables that are wanted, such as packet or mix; all without any.
    tables: Vec<String>,
}

/// Runs the measurements of the package of tests.
pub(crate) fn run(args: &Args) -> Result<()> {
    if !tool::is_root() {
        bail!("the measurements load kernel programs and make network namespaces: run it as root");
    }
    // Some tables are of the program that users run.
    tool::run(tool::cargo().args(["build", "--release", "--package", "netweir"]))?;
    let bench = [
        "bench",
        "--package",
        "netweir-tests",
        "--bench",
        "bench",
        "--",
    ];
    tool::run(tool::cargo().args(bench).args(&args.tables))
}
