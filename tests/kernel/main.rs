//! Ring 3: the kernel programs, run by the kernel itself.
//!
//! Most tests run programs over frames with `BPF_PROG_TEST_RUN` and look at what a drain hands
//! over. What that cannot show is tried live, in scratch networks.

#![expect(clippy::unwrap_used, reason = "a test fails where it is")]
#![expect(clippy::print_stdout, reason = "what was skipped, and how many, is to be seen")]

mod corpus;
mod drain;
mod full;
mod load;
mod offload;
mod scratch;
mod tracepoint;
