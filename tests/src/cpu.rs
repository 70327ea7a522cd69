//! Which CPU a thread runs on.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

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
