//! Ring 3: the kernel programs, run by the kernel itself.
//!
//! Most tests run programs over frames with `BPF_PROG_TEST_RUN` and look at what a drain hands
//! over. What that cannot show is tried live, in scratch networks.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what fails in a test is told by its line, what it skips by what it prints"
)]

mod corpus;
mod death;
mod defect;
mod drain;
mod filter;
mod full;
mod hotplug;
mod load;
mod offload;
mod quic;
mod rule;
mod sampling;
mod scratch;
mod tiers;
mod tracepoint;
mod unreadable;
mod yardstick;
