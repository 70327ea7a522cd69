//! pcap, the classic capture format: one file header, then records of one link type.
//!
//! After draft-ietf-opsawg-pcap; also read are the nanosecond variant, the modified one of
//! Kuznetsov (longer record headers), and the order of the two lengths in files older than version
//! 2.4.

use crate::error::Error;
use crate::frame::{Frame, strip_fcs};
use crate::order::ByteOrder;
use crate::source::Source;

/// What the file header says about the records.
pub(crate) struct Pcap {
    variant: Variant,
    minor: u16,
    link_type: u16,
    fcs_bytes: u32,
}

impl Pcap {
    /// Reads the file header; none if the magic is not of pcap.
    pub(crate) fn read_header(source: &mut Source) -> Result<Option<Self>, Error> {
        let Some(variant) = source
            .start()
            .first_chunk()
            .copied()
            .and_then(Variant::from_magic)
        else {
            return Ok(None);
        };
        let what = "pcap file header";
        let mut header = [[0; 4]; 6];
        let Some(piece) = source.read_head(what, header.as_flattened_mut())? else {
            return Ok(None);
        };
        let [_magic, version, _zone, _accuracy, _snapshot_bytes, link] = header;
        let (major, minor) = variant.order.u16_pair(version);
        if major != 2 {
            let expected = "major version 2";
            return Err(Error::Version {
                what,
                offset: piece.offset,
                major,
                minor,
                expected,
            });
        }
        let (link_type, fcs_bytes) = split_link(variant.order.u32(link));
        Ok(Some(Self {
            variant,
            minor,
            link_type,
            fcs_bytes,
        }))
    }

    /// Reads the next record; its bytes live in `buffer`.
    pub(crate) fn next_frame<'b>(
        &self,
        source: &mut Source,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Option<Frame<'b>>, Error> {
        let mut header = [[0; 4]; 6];
        let header_bytes = self.variant.record_header_bytes;
        let header_part = &mut header.as_flattened_mut()[..header_bytes];
        let Some(piece) = source.read_head("packet record", header_part)? else {
            return Ok(None);
        };
        let [seconds, fraction, captured, original, ..] =
            header.map(|word| self.variant.order.u32(word));
        let (captured_bytes, original_bytes) = self.order_lengths(captured, original);
        source.read_body(piece, captured_bytes, buffer)?;
        let (bytes, wire_bytes) = strip_fcs(buffer, original_bytes, self.fcs_bytes);
        Ok(Some(Frame {
            interface: 0,
            link_type: self.link_type,
            timestamp_ns: u64::from(seconds) * 1_000_000_000
                + u64::from(fraction) * self.variant.ns_per_fraction,
            wire_bytes,
            direction: None,
            bytes,
        }))
    }

    /// Returns captured and original length. Up to version 2.2 they were stored the other way
    /// round, and in 2.3 by some writers; there the captured one is the smaller.
    fn order_lengths(&self, first: u32, second: u32) -> (u32, u32) {
        match self.minor {
            0..3 => (second, first),
            3 => (first.min(second), first.max(second)),
            _ => (first, second),
        }
    }
}

/// What the magic number tells.
struct Variant {
    order: ByteOrder,
    /// Nanoseconds in a unit of the record's second timestamp field.
    ns_per_fraction: u64,
    record_header_bytes: usize,
}

impl Variant {
    fn from_magic(magic: [u8; 4]) -> Option<Self> {
        [ByteOrder::Big, ByteOrder::Little]
            .into_iter()
            .find_map(|order| {
                let (ns_per_fraction, record_header_bytes) = match order.u32(magic) {
                    0xa1b2_c3d4 => (1_000, 16),
                    0xa1b2_3c4d => (1, 16),
                    0xa1b2_cd34 => (1_000, 24),
                    _ => return None,
                };
                Some(Self {
                    order,
                    ns_per_fraction,
                    record_header_bytes,
                })
            })
    }
}

/// Splits the last header field into link type and FCS length in bytes.
///
/// The upper four bits count 16-bit units, and hold only if the P bit is set.
fn split_link(field: u32) -> (u16, u32) {
    const P_BIT: u32 = 0x0400_0000;
    let fcs_bytes = if field & P_BIT == 0 {
        0
    } else {
        (field >> 28) * 2
    };
    ((field & 0xffff) as u16, fcs_bytes)
}
