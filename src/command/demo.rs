//! `netweir demo`.
use crate::{args::DemoArgs, config::Config};
pub(super) fn run(_: &Config, _: &DemoArgs) -> anyhow::Result<()> { anyhow::bail!("not yet") }
pub(super) fn peer(_: &str, _: u64) -> anyhow::Result<()> { anyhow::bail!("not yet") }
