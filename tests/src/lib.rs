//! Shared by rings 3 and 4 and by the benchmarks.

mod bump;
mod child;
mod cpu;
mod defect;
mod far;
mod feature;
mod host;
mod pin;
mod report;
mod rig;
mod sender;
mod server;
mod skb;
mod stopped;
mod trace;
mod usage;
mod world;
mod yardstick;

use netweir_packets::frame::{ethernet_ipv4, ipv4, udp};
use netweir_wire::packet::protocol;

pub use bump::{Bump, Crossed};
pub use child::{Child, Ended, Netweir, binary};
pub use cpu::{Offline, Pinned, is_guest, pretend_cpus, stay_on};
pub use defect::{FlowMaps, UsedMaps, object_with_cut_quic_events, object_with_ring_entries_of};
pub use far::{Arrival, Far, Onward};
pub use feature::{Feature, tc_hook};
pub use host::Reading;
pub use pin::{OldPins, PINS, PinnedSlots, claim, own_bpffs, settings, status, tree};
pub use report::{Counted, Table, books, sum, table};
pub use rig::{Entry, Program, Rig, drain, drain_into};
pub use sender::{Load, Sender};
pub use server::{Server, Stream};
pub use skb::SkbContext;
pub use trace::{Traced, interface_key};
pub use usage::Usage;
pub use world::{Side, World, await_that};
pub use yardstick::{Programs, Target, Yardstick};

/// Whether this process may load programs; says that the test is skipped where it may not.
///
/// # Panics
/// Where it may not and `NETWEIR_REQUIRE_ROOT` says that it has to.
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        let required = std::env::var_os("NETWEIR_REQUIRE_ROOT").is_some_and(|value| value == "1");
        assert!(
            !required,
            "loading kernel programs needs root, and NETWEIR_REQUIRE_ROOT=1"
        );
        #[expect(clippy::print_stderr, reason = "for whoever runs the tests")]
        {
            eprintln!("skipped: loading kernel programs needs root");
        }
    }
    root
}

/// Whether this machine is a guest that `cargo xtask kernels` has booted for the tests alone; says
/// that the test is skipped where it is not.
pub fn is_guest_or_skip() -> bool {
    let guest = is_guest();
    if !guest {
        #[expect(clippy::print_stderr, reason = "for whoever runs the tests")]
        {
            eprintln!("skipped: only a guest of `cargo xtask kernels` may lose a CPU");
        }
    }
    guest
}

/// A UDP packet of `payload_bytes` whose source port makes it a flow of its own.
pub fn udp_frame(source_port: u16, payload_bytes: usize) -> Vec<u8> {
    let datagram = udp(source_port, 5000, &vec![0; payload_bytes]);
    ethernet_ipv4(ipv4(protocol::UDP).carrying(datagram))
}
