//! What is on the wire, and what crosses the kernel border.
//!
//! The only code that is compiled for both sides: the kernel programs parse packets and fill maps
//! with it, and user space reads captures and those maps with the very same functions and types.
//! No allocation, no clock, no I/O. [`packet`] turns bytes into headers, [`map`] holds the layouts
//! of everything that the kernel stores, [`name`] spells every program and map name once, and
//! [`version`] numbers the layouts.

#![no_std]

#[cfg(test)]
extern crate std;

pub mod map;
pub mod name;
pub mod packet;
pub mod stand_in;
pub mod version;
