//! The agent: the only code that needs privilege.
//!
//! It attaches the kernel programs to interfaces ([`attach`]), follows interfaces that come and go
//! ([`watch`]), moves what the kernel counted into a [`netweir_flow::Meter`] (`collect`), and
//! detaches everything at its end. [`Agent`] puts these together; whoever runs it decides when to
//! drain and what becomes of the meter.

mod agent;
pub mod attach;
mod choice;
pub mod collect;
mod cpu;
mod error;
pub mod inline;
mod ioctl;
mod memory;
mod netlink;
mod netns;
pub mod pin;
mod place;
pub mod scratch;
mod settings;
mod sys;
mod tracer;
mod wanted;
pub mod watch;

pub use agent::{Agent, now_ns};
pub use choice::{Choice, Interfaces};
pub use cpu::Cpus;
pub use error::Error;
pub use netns::Netns;
pub use settings::{QuicSettings, RuleSettings, Settings};
