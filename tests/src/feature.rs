//! What not every kernel has, found by trying.
//!
//! A test that cannot do without says so, in words that the matrix of kernels (`xtask/src/kernels`)
//! knows: it holds them against the version of the kernel that it ran.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, with its line")]

use aya::{
    programs::{ProgramType, SchedClassifier, TcAttachType},
    sys::{BpfHelper, is_helper_supported},
};

/// Something that the kernel may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// TC without a qdisc (Linux 6.6).
    Tcx,
    /// XDP programs for packets of several buffers (Linux 5.18).
    XdpFrags,
    /// The function that shows programs the kernel's own structure (Linux 6.2).
    KernelContext,
    /// The function that reads pages of an skb, for the tracepoints as well (Linux 6.11).
    TracedPages,
}

impl Feature {
    /// Whether the running kernel has it.
    pub fn is_there(self) -> bool {
        match self {
            Self::Tcx => SchedClassifier::query_tcx("lo", TcAttachType::Ingress).is_ok(),
            // It came with them, and nothing else tells.
            Self::XdpFrags => {
                is_helper_supported(ProgramType::Xdp, BpfHelper::BPF_FUNC_xdp_get_buff_len).unwrap()
            }
            Self::KernelContext => has_function("bpf_cast_to_kern_ctx"),
            Self::TracedPages => has_function("bpf_dynptr_from_skb"),
        }
    }

    /// As [`Self::is_there`]; says that the test is skipped where it is not.
    pub fn is_there_or_skip(self) -> bool {
        let there = self.is_there();
        if !there {
            let name = match self {
                Self::Tcx => "TCX",
                Self::XdpFrags => "XDP frags",
                Self::KernelContext => "kernel context",
                Self::TracedPages => "paged data at the tracepoints",
            };
            #[expect(clippy::print_stderr, reason = "for whoever runs the tests")]
            {
                eprintln!("skipped: this kernel has no {name}");
            }
        }
        there
    }
}

fn has_function(name: &str) -> bool {
    let symbols = std::fs::read_to_string("/proc/kallsyms").unwrap();
    let mut names = symbols.lines().filter_map(|line| line.split(' ').nth(2));
    names.any(|symbol| symbol == name)
}

/// The hook that TC is on this kernel.
pub fn tc_hook() -> &'static str {
    if Feature::Tcx.is_there() {
        "tcx"
    } else {
        "clsact"
    }
}
