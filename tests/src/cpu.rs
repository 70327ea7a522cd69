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
        let before = sched_getaffinity(None)?;
        let mut allowed = (0..CpuSet::MAX_CPU).filter(|&cpu| before.is_set(cpu));
        let mut one = CpuSet::new();
        if let Some(last) = allowed.next_back() {
            one.set(last);
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
