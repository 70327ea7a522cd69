//! The programs: one file a hook.

mod inline;
mod tc;
mod tracepoint;
mod xdp;
