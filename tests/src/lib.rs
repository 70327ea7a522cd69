//! Shared by rings 3 and 4 and by the benchmarks.

mod host;
mod rig;
mod skb;

use netweir_packets::frame::{ethernet_ipv4, ipv4, udp};
use netweir_wire::packet::protocol;

pub use host::Reading;
pub use rig::{Entry, PROGRAMS, Program, Rig};
pub use skb::SkbContext;

/// Whether this process may load programs; says that the test is skipped where it may not.
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        #[expect(clippy::print_stderr, reason = "for whoever runs the tests")]
        {
            eprintln!("skipped: loading kernel programs needs root");
        }
    }
    root
}

/// A UDP packet of `payload_bytes` whose source port makes it a flow of its own.
pub fn udp_frame(source_port: u16, payload_bytes: usize) -> Vec<u8> {
    let datagram = udp(source_port, 5000, &vec![0; payload_bytes]);
    ethernet_ipv4(ipv4(protocol::UDP).carrying(datagram))
}
