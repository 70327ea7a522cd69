//! Ethernet frames (IEEE 802.3).

use super::{Headers, Packet, Problem, ethertype, headers::Reach, vlan};

/// Values below are lengths, not ethertypes (IEEE 802.3, 3.2.6).
const FIRST_ETHERTYPE: u16 = 0x0600;

/// Bytes of the two addresses and the type.
const HEADER_BYTES: usize = 14;

/// Reads an Ethernet frame from its first byte.
#[inline(always)]
pub(super) fn read<P: Packet>(packet: &P, headers: &mut Headers) {
    let Ok(bytes) = packet.bytes::<HEADER_BYTES>(0) else {
        headers.problem = Problem::LinkTruncated;
        return;
    };
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = bytes;
    headers.destination_mac = [d0, d1, d2, d3, d4, d5];
    headers.source_mac = [s0, s1, s2, s3, s4, s5];
    read_type(packet, headers, u16::from_be_bytes([t0, t1]), HEADER_BYTES);
}

/// Reads on behind a type field that may be a VLAN tag's, an ethertype or a length.
#[inline(always)]
pub(super) fn read_type<P: Packet>(packet: &P, headers: &mut Headers, found: u16, offset: usize) {
    let Some((found, offset)) = vlan::read(packet, headers, found, offset) else {
        return;
    };
    headers.ethertype = if found < FIRST_ETHERTYPE {
        ethertype::IEEE_802_3
    } else {
        found
    };
    headers.read_network(packet, Reach::from(offset));
}
