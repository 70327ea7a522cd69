//! `cargo xtask bench`: what the kernel programs and user space cost, as a table and as JSON.

use anyhow::{Result, bail};

use crate::tool;

/// Measure the kernel programs and the agent (root)
#[derive(clap::Args)]
pub(crate) struct Args {}

/// Runs the measurements of the package of tests.
pub(crate) fn run(_args: &Args) -> Result<()> {
    if !tool::is_root() {
        bail!("the measurements load kernel programs and make network namespaces: run it as root");
    }
    tool::run(tool::cargo().args(["bench", "--package", "netweir-tests", "--bench", "bench"]))
}
