//! `cargo xtask man`: the man pages, made from the definitions of the command line.

use crate::{repository, tool};

/// Write the man pages into target/man
#[derive(clap::Args)]
pub(crate) struct Args {}

/// Has the program itself write them.
///
/// # Errors
/// The program cannot be built, or the pages cannot be written.
pub(crate) fn run(_args: &Args) -> anyhow::Result<()> {
    let folder = repository::root().join("target/man");
    tool::run(
        tool::cargo()
            .args(["run", "--package", "netweir", "--", "man"])
            .arg(&folder),
    )?;
    println!("wrote the man pages into {}", folder.display());
    Ok(())
}
