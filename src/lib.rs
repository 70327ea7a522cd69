//! The command line of Netweir: the only code that reads arguments, environment and configuration.
//!
//! [`args`] is what was typed, [`config`] what it means, [`command`] one file a sub-command. A
//! library, so that `xtask` can make the man page from the same definitions.

pub mod args;
pub mod command;
pub mod config;
mod foreign;
mod frame;
mod log;
mod metering;
mod report;
pub mod rules;
mod serving;
mod stop;
pub mod tapped;
mod token;
mod unit;
