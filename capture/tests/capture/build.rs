//! Builds capture files in memory, and reads them back into owned frames.

use std::io::Cursor;

use netweir_capture::{Direction, Error, Frame, Reader};

/// Byte order of the file that is built.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    Big,
    Little,
}

pub(crate) const ORDERS: [Order; 2] = [Order::Big, Order::Little];

impl Order {
    pub(crate) fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Big => value.to_be_bytes(),
            Self::Little => value.to_le_bytes(),
        }
    }

    pub(crate) fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Big => value.to_be_bytes(),
            Self::Little => value.to_le_bytes(),
        }
    }

    pub(crate) fn u64(self, value: u64) -> [u8; 8] {
        match self {
            Self::Big => value.to_be_bytes(),
            Self::Little => value.to_le_bytes(),
        }
    }

    pub(crate) fn words(self, words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|&word| self.u32(word)).collect()
    }
}

/// A pcap file header of version 2.`minor`.
pub(crate) fn pcap_header(order: Order, magic: u32, minor: u16, link: u32) -> Vec<u8> {
    let version = [order.u16(2), order.u16(minor)].concat();
    [
        &order.words(&[magic])[..],
        &version,
        &order.words(&[0, 0, 65_535, link]),
    ]
    .concat()
}

/// A pcap record at 10 seconds and 7 units.
pub(crate) fn pcap_record(order: Order, original: u32, bytes: &[u8]) -> Vec<u8> {
    [
        &order.words(&[10, 7, bytes.len() as u32, original])[..],
        bytes,
    ]
    .concat()
}

/// A pcapng block around `body`, which is padded to words.
pub(crate) fn block(order: Order, block_type: u32, body: &[u8]) -> Vec<u8> {
    let body = pad(body);
    let length = body.len() as u32 + 12;
    [
        &order.words(&[block_type, length])[..],
        &body,
        &order.u32(length),
    ]
    .concat()
}

/// A Section Header Block of unknown section length.
pub(crate) fn section(order: Order) -> Vec<u8> {
    let body = [
        &order.u32(0x1a2b_3c4d)[..],
        &order.u16(1),
        &order.u16(0),
        &[0xff; 8],
    ]
    .concat();
    block(order, 0x0a0d_0d0a, &body)
}

/// An Interface Description Block with options as they come from [`option`].
pub(crate) fn interface(order: Order, link_type: u16, snapshot: u32, options: &[u8]) -> Vec<u8> {
    let head = [&order.u16(link_type)[..], &[0; 2], &order.u32(snapshot)].concat();
    block(order, 1, &[&head[..], options].concat())
}

/// An Enhanced Packet Block.
pub(crate) fn enhanced(order: Order, id: u32, units: u64, packet: &Packet<'_>) -> Vec<u8> {
    let &Packet {
        original,
        bytes,
        options,
    } = packet;
    let [high, low] = [(units >> 32) as u32, units as u32];
    let head = order.words(&[id, high, low, bytes.len() as u32, original]);
    block(order, 6, &[&head[..], &pad(bytes), options].concat())
}

/// What a packet block holds.
pub(crate) struct Packet<'a> {
    pub(crate) original: u32,
    pub(crate) bytes: &'a [u8],
    pub(crate) options: &'a [u8],
}

impl<'a> Packet<'a> {
    pub(crate) fn whole(bytes: &'a [u8]) -> Self {
        Self {
            original: bytes.len() as u32,
            bytes,
            options: &[],
        }
    }
}

pub(crate) fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    [
        &order.u16(code)[..],
        &order.u16(value.len() as u16),
        &pad(value),
    ]
    .concat()
}

pub(crate) fn pad(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(4), 0);
    padded
}

/// A pcap file of three frames, and a pcapng file of four in two sections of different byte order.
pub(crate) fn samples() -> [Vec<u8>; 2] {
    let (big, little) = (Order::Big, Order::Little);
    let pcap = [
        pcap_header(little, 0xa1b2_c3d4, 4, 1),
        pcap_record(little, 100, &[1; 60]),
        pcap_record(little, 0, &[]),
        pcap_record(little, 33, &[2; 33]),
    ];
    let flags = option(big, 2, &big.u32(2));
    let pcapng = [
        section(big),
        interface(big, 1, 0, &option(big, 9, &[9])),
        enhanced(
            big,
            0,
            5,
            &Packet {
                options: &flags,
                ..Packet::whole(&[3; 61])
            },
        ),
        block(big, 5, &[0; 12]),
        section(little),
        interface(little, 101, 32, &[]),
        enhanced(little, 0, 6, &Packet::whole(&[4; 20])),
        block(little, 3, &[&little.u32(90)[..], &[5; 32]].concat()),
        enhanced(little, 0, 7, &Packet::whole(&[6; 3])),
    ];
    [pcap.concat(), pcapng.concat()]
}

/// A [`Frame`] that owns its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) interface: u32,
    pub(crate) link_type: u16,
    pub(crate) timestamp_ns: u64,
    pub(crate) wire_bytes: u32,
    pub(crate) direction: Option<Direction>,
    pub(crate) bytes: Vec<u8>,
}

impl From<Frame<'_>> for Owned {
    fn from(frame: Frame<'_>) -> Self {
        let Frame {
            interface,
            link_type,
            timestamp_ns,
            wire_bytes,
            direction,
            bytes,
        } = frame;
        Self {
            interface,
            link_type,
            timestamp_ns,
            wire_bytes,
            direction,
            bytes: bytes.to_vec(),
        }
    }
}

/// Reads all frames, and the error that ends them if there is one.
pub(crate) fn read(file: &[u8]) -> (Vec<Owned>, Option<Error>) {
    let mut frames = Vec::new();
    let mut reader = match Reader::from_read(Cursor::new(file.to_vec())) {
        Ok(reader) => reader,
        Err(err) => return (frames, Some(err)),
    };
    loop {
        match reader.next_frame() {
            Ok(Some(frame)) => frames.push(frame.into()),
            Ok(None) => return (frames, None),
            Err(err) => {
                assert!(
                    matches!(reader.next_frame(), Ok(None)),
                    "an error is the end"
                );
                return (frames, Some(err));
            }
        }
    }
}

/// Reads all frames of a file that is whole.
pub(crate) fn read_whole(file: &[u8]) -> Vec<Owned> {
    let (frames, err) = read(file);
    assert!(err.is_none(), "{err:?}");
    frames
}

/// Reads a file that is not whole, and returns the message of its error.
pub(crate) fn read_error(file: &[u8]) -> String {
    read(file).1.expect("the file is damaged").to_string()
}
