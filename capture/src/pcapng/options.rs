//! Options: code, length and value, at the end of a block.

use std::iter;

use crate::order::ByteOrder;

/// The options in `bytes`, up to the end marker, the end of the block, or the first that overruns
/// it: a damaged option costs the ones after it, not the packet.
pub(super) fn options(order: ByteOrder, bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    const END: u16 = 0;
    let mut rest = bytes;
    iter::from_fn(move || {
        let (&head, after) = rest.split_first_chunk()?;
        let (code, value_bytes) = order.u16_pair(head);
        if code == END {
            return None;
        }
        let value_bytes = usize::from(value_bytes);
        let value = after.get(..value_bytes)?;
        rest = after
            .get(value_bytes.next_multiple_of(4)..)
            .unwrap_or_default();
        Some((code, value))
    })
}
