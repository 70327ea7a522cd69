//! IPv6 extension headers (RFC 8200 section 4).

use super::{
    Fragment, Headers, MAX_EXTENSIONS, MAX_HEADER_BYTES, Packet, Problem, headers::Reach, protocol,
};

/// No extension header is shorter (RFC 8200 section 4).
const SHORTEST_BYTES: usize = 8;

/// What the walk does at a next-header number.
enum Step {
    /// A header whose length is in units of eight bytes, without the first eight.
    Eights,
    /// The authentication header: units of four bytes, without the first two (RFC 4302).
    Fours,
    /// The fragment header: always eight bytes.
    Fragment,
    /// Not an extension header.
    End,
}

#[inline(always)]
const fn step(number: u8) -> Step {
    match number {
        protocol::HOP_BY_HOP
        | protocol::ROUTING
        | protocol::DESTINATION
        | protocol::MOBILITY
        | protocol::HIP
        | protocol::SHIM6 => Step::Eights,
        protocol::AH => Step::Fours,
        protocol::FRAGMENT => Step::Fragment,
        _ => Step::End,
    }
}

/// Whether a header says all by itself: its packets usually have no next header at all.
#[inline(always)]
const fn stands_alone(number: u8) -> bool {
    matches!(number, protocol::MOBILITY | protocol::HIP | protocol::SHIM6)
}

/// Walks the extension headers; returns where the transport header is.
#[inline(always)]
pub(super) fn read<P: Packet>(
    packet: &P,
    headers: &mut Headers,
    mut reach: Reach,
) -> Option<Reach> {
    for _ in 0..MAX_EXTENSIONS {
        let step = step(headers.protocol);
        if matches!(step, Step::End) {
            return Some(reach);
        }
        headers.payload_offset = reach.offset as u16;
        if reach.offset > MAX_HEADER_BYTES - SHORTEST_BYTES {
            headers.problem = Problem::TooLong;
            return None;
        }
        let Ok(bytes) = reach.bytes::<SHORTEST_BYTES>(packet, 0) else {
            headers.problem = Problem::ExtensionTruncated;
            return None;
        };
        let length = match step {
            Step::Eights => (usize::from(bytes[1]) + 1) * 8,
            Step::Fours => (usize::from(bytes[1]) + 2) * 4,
            Step::Fragment | Step::End => SHORTEST_BYTES,
        };
        let next = packet.forget(reach.offset + length);
        if next > MAX_HEADER_BYTES {
            headers.problem = Problem::TooLong;
            return None;
        }
        reach.offset = next;
        if !reach.is_complete(packet) {
            headers.problem = Problem::ExtensionTruncated;
            return None;
        }
        let alone = bytes[0] == protocol::NO_NEXT_HEADER && stands_alone(headers.protocol);
        if !alone {
            headers.protocol = bytes[0];
        }
        if alone || matches!(step, Step::Fragment) && read_fragment(headers, bytes) {
            headers.payload_offset = reach.offset as u16;
            return None;
        }
    }
    if matches!(step(headers.protocol), Step::End) {
        return Some(reach);
    }
    headers.payload_offset = reach.offset as u16;
    headers.problem = Problem::TooManyExtensions;
    None
}

/// Takes the mark from a fragment header; true where no transport header follows.
#[inline(always)]
fn read_fragment(headers: &mut Headers, bytes: [u8; 8]) -> bool {
    let field = u16::from_be_bytes([bytes[2], bytes[3]]);
    match (field & 0xfff8, field & 1 != 0) {
        // An atomic fragment inside another one does not make that one whole.
        (0, false) => {}
        (0, true) => headers.fragment = Fragment::First,
        _ => headers.fragment = Fragment::Later,
    }
    matches!(headers.fragment, Fragment::Later)
}
