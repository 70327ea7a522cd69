//! The three blocks that hold a packet.

use super::Pcapng;
use super::block::{PacketKind, split_words};
use super::interface::Interface;
use super::options::options;
use crate::error::Error;
use crate::frame::{Direction, Frame, strip_fcs};
use crate::order::ByteOrder;
use crate::source::Piece;

/// Reads the packet in `body`, the body of a block of `kind` in `section`.
pub(super) fn parse<'b>(
    kind: PacketKind,
    piece: Piece,
    section: &Pcapng,
    body: &'b [u8],
) -> Result<Frame<'b>, Error> {
    match kind {
        PacketKind::Simple => parse_simple(piece, section, body),
        PacketKind::Enhanced => parse_timed(piece, section, body, |word| section.order.u32(word)),
        PacketKind::Obsolete => parse_timed(piece, section, body, |word| {
            let (interface, _drops) = section.order.u16_pair(word);
            interface.into()
        }),
    }
}

/// The enhanced block and its predecessor, which differ in the word that holds the interface.
fn parse_timed<'b>(
    piece: Piece,
    section: &Pcapng,
    body: &'b [u8],
    read_interface: impl Fn([u8; 4]) -> u32,
) -> Result<Frame<'b>, Error> {
    let order = section.order;
    let (&[interface, high, low, captured, original], rest) = split_words(piece, body)?;
    let id = read_interface(interface);
    let interface = find_interface(piece, section, id)?;
    let captured_bytes = order.u32(captured);
    let Some((captured, after)) = rest.split_at_checked(captured_bytes as usize) else {
        return Err(piece.malformed("a captured length within the block", captured_bytes));
    };
    // A block is padded to words, so that the padding is there whenever options are.
    let padding_bytes = captured.len().next_multiple_of(4) - captured.len();
    let flags = Flags::parse(order, after.get(padding_bytes..).unwrap_or_default());
    let fcs_bytes = flags.fcs_bytes.unwrap_or(interface.fcs_bytes);
    let (bytes, wire_bytes) = strip_fcs(captured, order.u32(original), fcs_bytes);
    let units = u64::from(order.u32(high)) << 32 | u64::from(order.u32(low));
    Ok(Frame {
        interface: section.first_interface.saturating_add(id),
        link_type: interface.link_type,
        timestamp_ns: interface.timestamp_ns(units),
        wire_bytes,
        direction: flags.direction,
        bytes,
    })
}

/// A Simple Packet Block leaves out all but the original length: it is of the first interface, and
/// its captured length follows from the snapshot length.
fn parse_simple<'b>(piece: Piece, section: &Pcapng, body: &'b [u8]) -> Result<Frame<'b>, Error> {
    let (&[original], rest) = split_words(piece, body)?;
    let interface = find_interface(piece, section, 0)?;
    let original_bytes = section.order.u32(original);
    let limit = match interface.snapshot_bytes {
        0 => u32::MAX,
        bytes => bytes,
    };
    let captured_bytes = (original_bytes.min(limit) as usize).min(rest.len());
    let captured = &rest[..captured_bytes];
    let (bytes, wire_bytes) = strip_fcs(captured, original_bytes, interface.fcs_bytes);
    Ok(Frame {
        interface: section.first_interface,
        link_type: interface.link_type,
        timestamp_ns: 0,
        wire_bytes,
        direction: None,
        bytes,
    })
}

fn find_interface(piece: Piece, section: &Pcapng, id: u32) -> Result<&Interface, Error> {
    section
        .interfaces
        .get(id as usize)
        .ok_or_else(|| piece.malformed("an interface described before", id))
}

/// What the flags word (`epb_flags`, `pack_flags`) tells, if there is one.
#[derive(Default)]
struct Flags {
    direction: Option<Direction>,
    fcs_bytes: Option<u32>,
}

impl Flags {
    fn parse(order: ByteOrder, option_bytes: &[u8]) -> Self {
        const FLAGS: u16 = 2;
        let word = options(order, option_bytes).find(|&(code, _)| code == FLAGS);
        let Some(word) = word.and_then(|(_, value)| value.try_into().ok()) else {
            return Self::default();
        };
        let flags = order.u32(word);
        let direction = match flags & 0b11 {
            1 => Some(Direction::Inbound),
            2 => Some(Direction::Outbound),
            _ => None,
        };
        // Bits 5 to 8 are the FCS length in bytes, 0 if it is not told.
        let fcs_bytes = Some(flags >> 5 & 0xf).filter(|&bytes| bytes != 0);
        Self {
            direction,
            fcs_bytes,
        }
    }
}
