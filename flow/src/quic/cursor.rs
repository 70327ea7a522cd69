//! Reads bytes from the front of what is left.

use netweir_wire::packet::quic::read_varint;

/// What is left to be read. A read that asks for more than that answers `None` and leaves the rest
/// as it is, or shorter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) const fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(super) const fn is_empty(self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u16::from_be_bytes(*bytes))
    }

    pub(super) fn u24(&mut self) -> Option<u32> {
        let (&[a, b, c], rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u32::from_be_bytes([0, a, b, c]))
    }

    /// An integer of variable length (RFC 9000 section 16).
    pub(super) fn varint(&mut self) -> Option<u64> {
        let (value, size) = read_varint(&self.rest, 0).ok()?;
        self.take(size)?;
        Some(value)
    }

    /// What stands behind its own length in one byte.
    pub(super) fn behind_u8(&mut self) -> Option<Self> {
        let length = self.u8()?;
        self.take(usize::from(length)).map(Self::new)
    }

    /// What stands behind its own length in two bytes.
    pub(super) fn behind_u16(&mut self) -> Option<Self> {
        let length = self.u16()?;
        self.take(usize::from(length)).map(Self::new)
    }

    /// What stands behind its own length in an integer of variable length.
    pub(super) fn behind_varint(&mut self) -> Option<&'a [u8]> {
        let length = self.varint()?;
        self.take(usize::try_from(length).ok()?)
    }

    /// Numbers of two bytes up to the end, of which there is an even number of bytes.
    pub(super) fn numbers(self) -> Option<Vec<u16>> {
        let (numbers, []) = self.rest.as_chunks::<2>() else {
            return None;
        };
        Some(
            numbers
                .iter()
                .map(|&bytes| u16::from_be_bytes(bytes))
                .collect(),
        )
    }
}
