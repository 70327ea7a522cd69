//! `netweir doctor`.
pub(super) fn run(_: &crate::args::DoctorArgs) -> anyhow::Result<()> { anyhow::bail!("not yet") }
