//! The programs: one file a hook.

mod tc;
mod tracepoint;
mod xdp;
