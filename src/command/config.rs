//! `netweir config`.

use std::io::{self, Write};

use crate::config::Layers;

pub(super) fn run(layers: &Layers) -> anyhow::Result<()> {
    write!(io::stdout(), "{layers}")?;
    Ok(())
}
