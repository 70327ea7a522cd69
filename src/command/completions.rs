//! `netweir completions`.

use std::io;

use clap_complete::{Shell, generate};

use crate::args;

pub(super) fn run(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    generate(shell, &mut args::command(), "netweir", &mut script);
    io::Write::write_all(&mut io::stdout(), &script)?;
    Ok(())
}
