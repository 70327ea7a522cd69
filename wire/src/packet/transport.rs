//! Transport headers: ports, TCP flags, ICMP type and code.

use super::{
    Fragment, Headers, MAX_HEADER_BYTES, Packet, Problem, ethertype, headers::Reach, protocol,
};

/// The longest of the fixed transport headers: TCP without options.
const LONGEST_BYTES: usize = 20;

/// Reads the transport header at `reach`, where the protocol has one that is known.
#[inline(always)]
pub(super) fn read<P: Packet>(packet: &P, headers: &mut Headers, reach: Reach) {
    headers.payload_offset = reach.offset as u16;
    if matches!(headers.fragment, Fragment::Later) {
        return;
    }
    if reach.offset > MAX_HEADER_BYTES - LONGEST_BYTES {
        headers.problem = Problem::TooLong;
        return;
    }
    match headers.protocol {
        protocol::TCP => read_tcp(packet, headers, reach),
        protocol::UDP | protocol::UDP_LITE => {
            read_ports::<_, 8>(packet, headers, reach);
        }
        protocol::SCTP | protocol::DCCP => {
            read_ports::<_, 12>(packet, headers, reach);
        }
        protocol::ICMP if headers.ethertype == ethertype::IPV4 => {
            read_icmp::<_, 8>(packet, headers, reach);
        }
        // Only type, code and checksum are in every message (RFC 4443 section 2.1).
        protocol::ICMPV6 if headers.ethertype == ethertype::IPV6 => {
            read_icmp::<_, 4>(packet, headers, reach);
        }
        _ => {}
    }
}

/// Reads a header of `N` bytes that begins with two ports; the ports alone where it is cut short.
#[inline(always)]
fn read_ports<P: Packet, const N: usize>(
    packet: &P,
    headers: &mut Headers,
    reach: Reach,
) -> Option<[u8; N]> {
    if let Ok(bytes) = reach.bytes::<N>(packet, 0) {
        headers.source_port = u16::from_be_bytes([bytes[0], bytes[1]]);
        headers.destination_port = u16::from_be_bytes([bytes[2], bytes[3]]);
        headers.payload_offset = (reach.offset + N) as u16;
        return Some(bytes);
    }
    headers.problem = Problem::TransportTruncated;
    if let Ok([s0, s1, d0, d1]) = reach.bytes::<4>(packet, 0) {
        headers.source_port = u16::from_be_bytes([s0, s1]);
        headers.destination_port = u16::from_be_bytes([d0, d1]);
    }
    None
}

/// Reads ports and flags (RFC 9293 section 3.1).
#[inline(always)]
fn read_tcp<P: Packet>(packet: &P, headers: &mut Headers, reach: Reach) {
    let Some(bytes) = read_ports::<_, LONGEST_BYTES>(packet, headers, reach) else {
        if let Ok([upper, lower]) = reach.bytes::<2>(packet, 12) {
            headers.tcp_flags = u16::from_be_bytes([upper & 0x0f, lower]);
        }
        return;
    };
    headers.tcp_flags = u16::from_be_bytes([bytes[12] & 0x0f, bytes[13]]);
    let header_bytes = usize::from(bytes[12] >> 4) * 4;
    // Options are not read, so a capture that cuts them misses nothing; but they cannot lie behind
    // the packet's own end.
    if reach.offset + header_bytes > reach.end {
        headers.problem = Problem::TransportTruncated;
        headers.payload_offset = reach.offset as u16;
    } else if header_bytes > LONGEST_BYTES {
        headers.payload_offset = (reach.offset + header_bytes) as u16;
    }
}

/// Reads type and code of a message whose header has `N` bytes (RFC 792, RFC 4443); what an error
/// quotes is left alone.
#[inline(always)]
fn read_icmp<P: Packet, const N: usize>(packet: &P, headers: &mut Headers, reach: Reach) {
    if let Ok([kind, code]) = reach.bytes::<2>(packet, 0) {
        headers.destination_port = u16::from_be_bytes([kind, code]);
    }
    if reach.bytes::<N>(packet, 0).is_ok() {
        headers.payload_offset = (reach.offset + N) as u16;
    } else {
        headers.problem = Problem::TransportTruncated;
    }
}
