//! VLAN tags (IEEE 802.1Q, 802.1ad).

use super::{Headers, MAX_TAGS, Packet, Problem, Tag, ethertype};

/// Whether a type field announces a VLAN tag.
#[inline(always)]
const fn is_tag(found: u16) -> bool {
    matches!(
        found,
        ethertype::VLAN | ethertype::SERVICE_VLAN | ethertype::QINQ
    )
}

/// Reads all tags; returns the type behind them and where its payload begins.
#[inline(always)]
pub(super) fn read<P: Packet>(
    packet: &P,
    headers: &mut Headers,
    mut found: u16,
    mut offset: usize,
) -> Option<(u16, usize)> {
    for depth in 0..MAX_TAGS {
        if !is_tag(found) {
            return Some((found, offset));
        }
        let Ok([tci0, tci1, type0, type1]) = packet.bytes::<4>(offset) else {
            return stop(headers, found, offset, Problem::TagTruncated);
        };
        if let Some(tag) = headers.tags.get_mut(depth) {
            *tag = Tag {
                tci: u16::from_be_bytes([tci0, tci1]),
            };
        }
        headers.tag_count += 1;
        found = u16::from_be_bytes([type0, type1]);
        offset += 4;
    }
    if is_tag(found) {
        return stop(headers, found, offset, Problem::TooManyTags);
    }
    Some((found, offset))
}

/// Ends the reading at a tag of type `found` whose content begins at `offset`.
#[inline(always)]
fn stop<T>(headers: &mut Headers, found: u16, offset: usize, problem: Problem) -> Option<T> {
    headers.ethertype = found;
    headers.payload_offset = offset as u16;
    headers.problem = problem;
    None
}
