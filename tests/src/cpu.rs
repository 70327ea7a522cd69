//! Which CPU a thread runs on, and which CPUs there are.

use std::fs;

use anyhow::Context;
use rustix::{
    mount::{MountPropagationFlags, mount_bind, mount_change},
    thread::{CpuSet, UnshareFlags, sched_getaffinity, sched_setaffinity, unshare_unsafe},
};

/// Where the kernel tells of CPUs.
const FOLDER: &str = "/sys/devices/system/cpu";

/// The calling thread stays on one CPU while this value lives.
///
/// Test runs may move between CPUs otherwise, and what is counted per CPU with them.
#[derive(Debug)]
pub struct Pinned {
    before: CpuSet,
}

impl Pinned {
    /// Stays on the last of the CPUs that are allowed: the first has the most interrupts.
    ///
    /// # Errors
    /// The kernel does not tell or permit.
    pub fn to_one_cpu() -> anyhow::Result<Self> {
        Self::to_cpu(0)
    }

    /// Stays on a CPU by its place among those that are allowed, from the last one on.
    ///
    /// # Errors
    /// As of [`Self::to_one_cpu`].
    pub fn to_cpu(place: usize) -> anyhow::Result<Self> {
        let before = sched_getaffinity(None)?;
        let allowed = (0..CpuSet::MAX_CPU).rev();
        let allowed: Vec<usize> = allowed.filter(|&cpu| before.is_set(cpu)).collect();
        let mut one = CpuSet::new();
        // Where there are fewer CPUs than places, some share one.
        if let Some(&cpu) = allowed.iter().cycle().nth(place) {
            one.set(cpu);
            sched_setaffinity(None, &one)?;
        }
        Ok(Self { before })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // It was possible before.
        let _back = sched_setaffinity(None, &self.before);
    }
}

/// The calling thread runs on this CPU from now on, for as long as that is online.
///
/// # Errors
/// It is not.
pub fn stay_on(cpu: u32) -> anyhow::Result<()> {
    let mut one = CpuSet::new();
    one.set(cpu as usize);
    sched_setaffinity(None, &one).context("cannot move to a CPU")
}

/// A CPU that is offline while this value lives. Only for machines that are ours: see
/// [`is_guest_or_skip`](crate::is_guest_or_skip).
#[derive(Debug)]
pub struct Offline(u32);

impl Offline {
    /// Takes a CPU from the machine.
    ///
    /// # Errors
    /// The machine is no guest of `cargo xtask kernels`, or the kernel refuses.
    pub fn new(cpu: u32) -> anyhow::Result<Self> {
        anyhow::ensure!(is_guest(), "this machine is not ours to take a CPU from");
        set_online(cpu, "0")?;
        Ok(Self(cpu))
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        // A test that goes on without it fails where it needs it.
        let _online = set_online(self.0, "1");
    }
}

fn set_online(cpu: u32, online: &str) -> anyhow::Result<()> {
    let file = format!("{FOLDER}/cpu{cpu}/online");
    fs::write(&file, online).with_context(|| format!("cannot write {online} to {file}"))
}

/// Whether `cargo xtask kernels` has booted this machine for the tests alone: the kernel's command
/// line says so, which nothing changes afterwards.
pub fn is_guest() -> bool {
    let line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    line.split_whitespace().any(|word| word == "netweir.guest")
}

/// From now on the calling thread, and no other, is told that these are the CPUs of the machine. It
/// must not have asked before.
///
/// # Errors
/// The kernel does not permit it.
pub fn pretend_cpus(possible: &str, present: &str) -> anyhow::Result<()> {
    // SAFETY: only the mounts (and the current folder) become this thread's own.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    let private = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
    mount_change("/", private)?;
    for (name, list) in [("possible", possible), ("present", present)] {
        let file = std::env::temp_dir().join(format!("netweir-{}-{name}", std::process::id()));
        fs::write(&file, list)?;
        let bound = mount_bind(&file, format!("{FOLDER}/{name}"));
        fs::remove_file(&file)?;
        bound?;
    }
    Ok(())
}
