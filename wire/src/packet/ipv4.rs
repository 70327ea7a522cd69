//! IPv4 headers (RFC 791).

use super::{Fragment, Headers, Packet, Problem, headers::Reach, transport};

/// The header without options.
const HEADER_BYTES: usize = 20;

/// The first ten bytes of an IPv4-mapped IPv6 address are zero, the next two are ones.
#[inline(always)]
const fn mapped([a, b, c, d]: [u8; 4]) -> [u8; 16] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
}

/// Reads an IPv4 header and what follows it.
#[inline(always)]
pub(super) fn read<P: Packet>(packet: &P, headers: &mut Headers, reach: Reach) {
    let Ok(bytes) = reach.bytes::<HEADER_BYTES>(packet, 0) else {
        headers.problem = Problem::NetworkTruncated;
        return;
    };
    let header_bytes = usize::from(bytes[0] & 0x0f) * 4;
    if bytes[0] >> 4 != 4 || header_bytes < HEADER_BYTES {
        headers.problem = Problem::NetworkMalformed;
        return;
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
            return;
        }
        total => reach.offset + total,
    };
    if header_bytes > HEADER_BYTES && reach.bytes::<1>(packet, header_bytes - 1).is_err() {
        headers.problem = Problem::NetworkTruncated;
        return;
    }
    transport::read(
        packet,
        headers,
        Reach {
            offset: reach.offset + header_bytes,
            end,
        },
    );
}
