//! Integers of variable length (RFC 9000 section 16).

use crate::packet::{Packet, Truncated};

/// The integer at `offset`, and how many bytes it has: 1, 2, 4 or 8.
///
/// # Errors
/// [`Truncated`] where the packet ends inside it.
#[inline(always)]
pub fn read<P: Packet>(packet: &P, offset: usize) -> Result<(u64, usize), Truncated> {
    let [first] = packet.bytes::<1>(offset)?;
    Ok(match first >> 6 {
        0 => (u64::from(first), 1),
        1 => {
            let value = u16::from_be_bytes(packet.bytes(offset)?);
            (u64::from(value & 0x3fff), 2)
        }
        2 => {
            let value = u32::from_be_bytes(packet.bytes(offset)?);
            (u64::from(value & 0x3fff_ffff), 4)
        }
        _ => {
            let value = u64::from_be_bytes(packet.bytes(offset)?);
            (value & 0x3fff_ffff_ffff_ffff, 8)
        }
    })
}
