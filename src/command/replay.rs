//! `netweir replay`.
pub(super) fn run(_: &crate::config::Config, _: &crate::args::ReplayArgs) -> anyhow::Result<()> { anyhow::bail!("not yet") }
