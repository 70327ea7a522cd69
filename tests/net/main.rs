//! Ring 4: the real binary between real sockets.
//!
//! Every test makes two namespaces of its own, starts `netweir` as a child process on one of them,
//! sends traffic from the other, and compares whole reports. They need root, util-linux, iproute2
//! and, for the generator, trafgen of netsniff-ng.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, with its line")]

mod api;
mod attachment;
mod capture;
mod doctor;
mod failure;
mod generator;
mod generators;
mod hooks;
mod inline;
mod interface;
mod loss;
mod namespace;
mod offload;
mod pin;
mod quic;
mod replay;
mod rule;
mod traffic;
