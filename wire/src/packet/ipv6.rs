//! IPv6 headers (RFC 8200).

use super::{Headers, Packet, Problem, extension, headers::Reach};

/// The fixed header.
const HEADER_BYTES: usize = 40;

/// Reads an IPv6 header and its extensions; returns where the transport header is.
#[inline(always)]
pub(super) fn read<P: Packet>(packet: &P, headers: &mut Headers, reach: Reach) -> Option<Reach> {
    let Ok(bytes) = reach.bytes::<HEADER_BYTES>(packet, 0) else {
        headers.problem = Problem::NetworkTruncated;
        return None;
    };
    if bytes[0] >> 4 != 6 {
        headers.problem = Problem::NetworkMalformed;
        return None;
    }
    headers.is_ip = true;
    headers.traffic_class = bytes[0] << 4 | bytes[1] >> 4;
    headers.protocol = bytes[6];
    headers.source.copy_from_slice(&bytes[8..24]);
    headers.destination.copy_from_slice(&bytes[24..40]);
    // Zero means a jumbogram (RFC 2675) or BIG TCP: the length does not fit.
    let end = match usize::from(u16::from_be_bytes([bytes[4], bytes[5]])) {
        0 => usize::MAX,
        payload => reach.offset + HEADER_BYTES + payload,
    };
    extension::read(
        packet,
        headers,
        Reach {
            offset: reach.offset + HEADER_BYTES,
            end,
        },
    )
}
