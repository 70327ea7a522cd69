//! Functions that build frames from the inside out.
//!
//! Each takes the bytes of what it carries and puts its header in front. Checksums are right where
//! a header is; headers that contradict themselves are made by the methods of [`Ipv4`] and
//! [`Ipv6`], or by changing bytes afterwards with [`patched`].

mod ip;
mod link;
mod transport;

pub use ip::{Ipv4, Ipv6, ah, extension, fragment, ipv4, ipv6};
pub use link::{
    DESTINATION_MAC, SOURCE_MAC, ethernet, ethernet_ipv4, ethernet_ipv6, ethernet_to, length_frame,
    linux_sll, linux_sll2, null, padded, vlan,
};
pub use transport::{ACK, FIN, PSH, SYN, dccp, icmp, sctp, tcp, tcp_with_options, udp, udp_lite};

/// `bytes` with those from `offset` on replaced.
pub fn patched(mut bytes: Vec<u8>, offset: usize, replacement: &[u8]) -> Vec<u8> {
    for (place, &byte) in bytes.iter_mut().skip(offset).zip(replacement) {
        *place = byte;
    }
    bytes
}

/// The first `length` bytes.
pub fn cut(mut bytes: Vec<u8>, length: usize) -> Vec<u8> {
    bytes.truncate(length);
    bytes
}

/// The checksum of the Internet over parts of even length, but for the last (RFC 1071).
fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u64 = words
        .map(|word| match *word {
            [upper, lower] => u64::from(u16::from_be_bytes([upper, lower])),
            [upper] => u64::from(upper) << 8,
            _ => 0,
        })
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    (!(folded as u16)).to_be_bytes()
}
