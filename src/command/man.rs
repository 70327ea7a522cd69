//! `netweir man`: a man page for the program and for each sub-command.

use std::{fs, path::Path};

use anyhow::Context;

use crate::args;

pub(super) fn run(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    clap_mangen::generate_to(args::command(), folder)
        .with_context(|| format!("cannot write into {}", folder.display()))
}
