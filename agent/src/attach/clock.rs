//! The cheap clock of the programs.

use aya::{
    programs::ProgramType,
    sys::{BpfHelper, is_helper_supported},
};
use rustix::time::{ClockId, clock_getres};

/// Whether the kernel has the cheap clock (Linux 5.6).
pub(super) fn has_jiffies() -> bool {
    let helper = BpfHelper::BPF_FUNC_jiffies64;
    is_helper_supported(ProgramType::SchedClassifier, helper).unwrap_or(false)
}

/// Nanoseconds in a tick of the programs' cheap clock.
pub(crate) fn tick_ns() -> u64 {
    if has_jiffies() { jiffy_ns() } else { 1 << 20 }
}

/// Nanoseconds in a jiffy: what the coarse clock advances by.
fn jiffy_ns() -> u64 {
    let resolution = clock_getres(ClockId::MonotonicCoarse);
    resolution.tv_nsec.unsigned_abs()
}
