//! Ring 3: the kernel programs, run by the kernel itself.

mod corpus;
mod scratch;
