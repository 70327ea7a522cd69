//! Interface Description Blocks: link type, snapshot length, FCS, and how its packets count time.

use super::block::split_words;
use super::options::options;
use crate::error::Error;
use crate::order::ByteOrder;
use crate::source::Piece;

/// What packets need to know of their interface.
pub(super) struct Interface {
    pub(super) link_type: u16,
    /// The most bytes captured of a packet; 0 means no limit.
    pub(super) snapshot_bytes: u32,
    pub(super) fcs_bytes: u32,
    units_per_second: u128,
    offset_ns: i128,
}

impl Interface {
    pub(super) fn parse(piece: Piece, order: ByteOrder, body: &[u8]) -> Result<Self, Error> {
        let (&[link, snapshot], option_bytes) = split_words(piece, body)?;
        let (link_type, _reserved) = order.u16_pair(link);
        let mut interface = Self {
            link_type,
            snapshot_bytes: order.u32(snapshot),
            fcs_bytes: 0,
            units_per_second: 1_000_000,
            offset_ns: 0,
        };
        for (code, value) in options(order, option_bytes) {
            interface.apply_option(order, code, value);
        }
        Ok(interface)
    }

    /// Converts a packet's timestamp, rounded down and held within the range of the type.
    pub(super) fn timestamp_ns(&self, units: u64) -> u64 {
        // 10^9 * 2^64 is less than 2^94.
        let since_offset_ns = u128::from(units) * 1_000_000_000 / self.units_per_second;
        let ns = since_offset_ns as i128 + self.offset_ns;
        ns.clamp(0, u64::MAX.into()) as u64
    }

    fn apply_option(&mut self, order: ByteOrder, code: u16, value: &[u8]) {
        const TIMESTAMP_RESOLUTION: u16 = 9;
        const FCS_LENGTH: u16 = 13;
        const TIMESTAMP_OFFSET: u16 = 14;
        match (code, value) {
            (TIMESTAMP_RESOLUTION, &[resolution]) => {
                self.units_per_second = units_per_second(resolution);
            }
            (FCS_LENGTH, &[length]) => self.fcs_bytes = fcs_bytes(length),
            (TIMESTAMP_OFFSET, value) => {
                if let Ok(seconds) = value.try_into() {
                    self.offset_ns = i128::from(order.i64(seconds)) * 1_000_000_000;
                }
            }
            _ => {}
        }
    }
}

/// `if_tsresol`: a negative power of 2 if the top bit is set, of 10 otherwise.
fn units_per_second(resolution: u8) -> u128 {
    let exponent = u32::from(resolution & 0x7f);
    let base: u128 = if resolution & 0x80 == 0 { 10 } else { 2 };
    // Finer than 10^-38 s, all that the field can count is within the first nanosecond.
    base.checked_pow(exponent).unwrap_or(u128::MAX)
}

/// `if_fcslen` is in bits. No FCS is shorter than a byte, and the example in the draft is "4", so
/// that writers took it for bytes: below 8 it is read so.
fn fcs_bytes(length: u8) -> u32 {
    u32::from(if length < 8 { length } else { length / 8 })
}
