//! IPv6 extension headers.

mod alone;
mod chain;
mod fragment;
mod length;

use crate::{
    Case, Expected,
    frame::{ethernet_ipv6, ipv6, udp},
};

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    [
        alone::cases(),
        chain::cases(),
        fragment::cases(),
        length::cases(),
    ]
    .concat()
}

/// Hop-by-hop options.
const HOP: u8 = 0;
/// Routing header.
const ROUTING: u8 = 43;
/// Fragment header.
const FRAGMENT: u8 = 44;
/// Authentication header.
const AH: u8 = 51;
/// Destination options.
const OPTIONS: u8 = 60;
/// UDP, which is at the end of the chains.
const UDP: u8 = 17;

/// Options that fill the eight bytes of a header: PadN of four zeros.
const PAD: [u8; 6] = [1, 4, 0, 0, 0, 0];

/// A frame whose first extension header is `next`.
fn frame(next: u8, extensions: impl AsRef<[u8]>) -> Vec<u8> {
    ethernet_ipv6(ipv6(next).carrying(extensions))
}

/// What is at the end of the chains.
fn datagram() -> Vec<u8> {
    udp(1234, 5678, b"payload.")
}

/// The datagram behind extension headers of so many bytes.
fn read(extension_bytes: u16) -> Expected {
    let payload = 54 + extension_bytes + 8;
    Expected::ipv6().udp(1234, 5678).payload(payload)
}
