//! IPv4 headers (RFC 791).

use super::{Fragment, Headers, Packet, Problem, headers::Reach};

/// The header without options.
const HEADER_BYTES: usize = 20;

/// The first ten bytes of an IPv4-mapped IPv6 address are zero, the next two are ones.
///
/// As a number: the kernel programs would put it together byte by byte otherwise.
#[inline(always)]
const fn mapped(address: [u8; 4]) -> [u8; 16] {
    (0xffff_0000_0000 | u32::from_be_bytes(address) as u128).to_be_bytes()
}

/// Reads an IPv4 header; returns where the transport header is.
#[inline(always)]
pub(super) fn read<P: Packet>(packet: &P, headers: &mut Headers, reach: Reach) -> Option<Reach> {
    let Ok(bytes) = reach.bytes::<HEADER_BYTES>(packet, 0) else {
        headers.problem = Problem::NetworkTruncated;
        return None;
    };
    let header_bytes = usize::from(bytes[0] & 0x0f) * 4;
    if bytes[0] >> 4 != 4 || header_bytes < HEADER_BYTES {
        headers.problem = Problem::NetworkMalformed;
        return None;
    }
    headers.is_ip = true;
    headers.traffic_class = bytes[1];
    headers.protocol = bytes[9];
    headers.source = mapped([bytes[12], bytes[13], bytes[14], bytes[15]]);
    headers.destination = mapped([bytes[16], bytes[17], bytes[18], bytes[19]]);
    let fragment = u16::from_be_bytes([bytes[6], bytes[7]]);
    headers.fragment = match (fragment & 0x1fff, fragment & 0x2000 != 0) {
        (0, false) => Fragment::Whole,
        (0, true) => Fragment::First,
        _ => Fragment::Later,
    };
    // Zero means that the length does not fit: BIG TCP and segmentation offload leave it so.
    let end = match usize::from(u16::from_be_bytes([bytes[2], bytes[3]])) {
        0 => usize::MAX,
        total if total < header_bytes => {
            headers.problem = Problem::NetworkMalformed;
            return None;
        }
        total => reach.offset + total,
    };
    let transport = Reach {
        offset: reach.offset + header_bytes,
        end,
    };
    if header_bytes > HEADER_BYTES && !transport.is_complete(packet) {
        headers.problem = Problem::NetworkTruncated;
        return None;
    }
    Some(transport)
}
