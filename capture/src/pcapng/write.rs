//! Writing pcapng: the blocks of a little-endian section whose times are nanoseconds.
//!
//! After draft-ietf-opsawg-pcapng, like reading. The writer of `pcap-file` was weighed: for the three kinds
//! of block that are needed, filling its types is about as long as this.

use super::block::MAGIC;
use crate::frame::Direction;

/// The most bytes that the value of an option can have.
const MAX_OPTION_BYTES: usize = u16::MAX as usize;

const INTERFACE: u32 = 1;
const PACKET: u32 = 6;

/// Codes of options; [`COMMENT`] is that of any block.
const COMMENT: u16 = 1;
const SECTION_APPLICATION: u16 = 4;
const INTERFACE_NAME: u16 = 2;
const INTERFACE_DESCRIPTION: u16 = 3;
const INTERFACE_RESOLUTION: u16 = 9;
const PACKET_FLAGS: u16 = 2;

/// A section that is being written: its blocks in memory, until whoever writes them takes them.
#[derive(Clone, Debug)]
pub struct Section {
    blocks: Vec<u8>,
    interfaces: u32,
}

/// An interface that is described in a section.
#[derive(Clone, Copy, Debug)]
pub struct DescribedInterface<'a> {
    /// What it is called.
    pub name: &'a str,
    /// More about it; nothing where it is empty.
    pub description: &'a str,
    /// Its link type, a `LINKTYPE_` value.
    pub link_type: u16,
    /// The most bytes that a packet of it has in the file; 0 for no limit.
    pub snapshot_bytes: u32,
}

/// A packet that is written.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The number that [`Section::add_interface`] gave to its interface.
    pub interface: u32,
    /// When it came, nanoseconds since the Unix epoch.
    pub timestamp_ns: u64,
    /// Its length on the wire in bytes.
    pub wire_bytes: u32,
    /// Which way it went.
    pub direction: Option<Direction>,
    /// What is to be said of it; nothing where it is empty.
    pub comment: &'a str,
    /// What there is of it, from the link-layer header on.
    pub bytes: &'a [u8],
}

impl Section {
    /// Begins with the header, which names the program that writes.
    pub fn new(application: &str) -> Self {
        let mut section = Self {
            blocks: Vec::new(),
            interfaces: 0,
        };
        section.block(u32::from_le_bytes(MAGIC), |body| {
            body.extend(0x1a2b_3c4d_u32.to_le_bytes());
            // Version 1.0, of unknown length.
            body.extend([1, 0, 0, 0]);
            body.extend(u64::MAX.to_le_bytes());
            option(body, SECTION_APPLICATION, application.as_bytes());
            end_options(body);
        });
        section
    }

    /// Describes an interface; returns its number.
    pub fn add_interface(&mut self, interface: &DescribedInterface<'_>) -> u32 {
        let number = self.interfaces;
        self.interfaces += 1;
        self.block(INTERFACE, |body| {
            body.extend(interface.link_type.to_le_bytes());
            body.extend([0; 2]);
            body.extend(interface.snapshot_bytes.to_le_bytes());
            text_option(body, INTERFACE_NAME, interface.name);
            text_option(body, INTERFACE_DESCRIPTION, interface.description);
            // Powers of ten.
            option(body, INTERFACE_RESOLUTION, &[9]);
            end_options(body);
        });
        number
    }

    /// Adds a packet.
    pub fn add_packet(&mut self, packet: &Packet<'_>) {
        let bytes = packet.bytes;
        self.block(PACKET, |body| {
            let time = packet.timestamp_ns;
            let captured = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let bytes = bytes.get(..captured as usize).unwrap_or(bytes);
            for word in [
                packet.interface,
                (time >> 32) as u32,
                time as u32,
                captured,
                packet.wire_bytes.max(captured),
            ] {
                body.extend(word.to_le_bytes());
            }
            body.extend(bytes);
            pad(body);
            let flags = match packet.direction {
                None => None,
                Some(Direction::Inbound) => Some(1_u32),
                Some(Direction::Outbound) => Some(2),
            };
            if let Some(flags) = flags {
                option(body, PACKET_FLAGS, &flags.to_le_bytes());
            }
            text_option(body, COMMENT, packet.comment);
            if flags.is_some() || !packet.comment.is_empty() {
                end_options(body);
            }
        });
    }

    /// Takes the blocks that were added since the last time: whole ones, the header among the first.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.blocks)
    }

    /// Bytes of the blocks that wait to be taken.
    pub fn waiting_bytes(&self) -> usize {
        self.blocks.len()
    }

    /// Adds a block with the body that `write` makes.
    fn block(&mut self, kind: u32, write: impl FnOnce(&mut Vec<u8>)) {
        let begin = self.blocks.len();
        self.blocks.extend(kind.to_le_bytes());
        self.blocks.extend([0; 4]);
        write(&mut self.blocks);
        let length = (self.blocks.len() - begin + 4) as u32;
        self.blocks[begin + 4..begin + 8].copy_from_slice(&length.to_le_bytes());
        self.blocks.extend(length.to_le_bytes());
    }
}

/// Of blocks whose end may be missing: how many bytes the whole ones have, and how many packets.
pub fn whole_blocks(blocks: &[u8]) -> (usize, u64) {
    let (mut bytes, mut packets) = (0, 0);
    while let Some(&[kind, length]) = blocks[bytes..].as_chunks().0.first_chunk() {
        let end = bytes.saturating_add(u32::from_le_bytes(length) as usize);
        // No block is as short as nothing; then there is no way on.
        if end > blocks.len() || end == bytes {
            break;
        }
        packets += u64::from(u32::from_le_bytes(kind) == PACKET);
        bytes = end;
    }
    (bytes, packets)
}

/// Adds an option that is a text, unless that is empty.
fn text_option(body: &mut Vec<u8>, code: u16, text: &str) {
    if text.is_empty() {
        return;
    }
    let mut end = text.len().min(MAX_OPTION_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    option(body, code, &text.as_bytes()[..end]);
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(MAX_OPTION_BYTES)];
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    pad(body);
}

fn end_options(body: &mut Vec<u8>) {
    body.extend([0; 4]);
}

/// Up to a whole number of words; blocks begin with one.
fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}
