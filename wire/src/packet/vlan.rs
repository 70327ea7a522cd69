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
            headers.ethertype = found;
            headers.problem = Problem::TagTruncated;
            return None;
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
        headers.ethertype = found;
        headers.problem = Problem::TooManyTags;
        return None;
    }
    Some((found, offset))
}
