//! Packets whose protection nobody without the handshake's keys can remove, and those without any.

use super::varint;
use netweir_wire::packet::quic::{Family, Version};

/// A long header up to the end of the connection IDs, for packet type `number` of version 1
/// (RFC 9000 section 17.2); the lower half of the first byte is 0.
pub(super) fn long(number: u8, version: Version, dcid: &[u8], scid: &[u8]) -> Vec<u8> {
    let number = match version.family() {
        Family::V2 | Family::V2Draft => (number + 1) % 4,
        _ => number,
    };
    [
        &[0xc0 | number << 4][..],
        &version.0.to_be_bytes(),
        &[dcid.len() as u8],
        dcid,
        &[scid.len() as u8],
        scid,
    ]
    .concat()
}

/// A Handshake packet with `protected` for packet number and payload.
pub fn handshake(version: Version, dcid: &[u8], scid: &[u8], protected: &[u8]) -> Vec<u8> {
    sized(long(2, version, dcid, scid), protected)
}

/// A 0-RTT packet with `protected` for packet number and payload.
pub fn zero_rtt(version: Version, dcid: &[u8], scid: &[u8], protected: &[u8]) -> Vec<u8> {
    sized(long(1, version, dcid, scid), protected)
}

fn sized(header: Vec<u8>, protected: &[u8]) -> Vec<u8> {
    [header, varint(protected.len() as u64), protected.to_vec()].concat()
}

/// A packet with a short header and `protected` for packet number and payload.
pub fn short(dcid: &[u8], protected: &[u8]) -> Vec<u8> {
    [&[0x41], dcid, protected].concat()
}

/// A version negotiation (RFC 8999 section 6).
pub fn version_negotiation(dcid: &[u8], scid: &[u8], versions: &[Version]) -> Vec<u8> {
    let versions = versions.iter().flat_map(|version| version.0.to_be_bytes());
    let mut packet = long(0, Version::NEGOTIATION, dcid, scid);
    packet.extend(versions);
    packet
}
