//! The frames of an Initial (RFC 9000 sections 12.4 and 19).

use super::cursor::Cursor;
use thiserror::Error;

/// A frame that may be in an Initial (RFC 9000 section 12.4, table 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// PADDING frames in a row (RFC 9000 section 19.1).
    Padding {
        /// How many, which is how many bytes.
        length: usize,
    },
    /// PING (RFC 9000 section 19.2).
    Ping,
    /// ACK, with or without ECN counts (RFC 9000 section 19.3).
    Ack {
        /// The highest packet number that is acknowledged.
        largest: u64,
        /// Whether the sender reports ECN marks.
        has_ecn: bool,
    },
    /// CRYPTO: a piece of the handshake (RFC 9000 section 19.6).
    Crypto {
        /// Where the piece begins in the handshake of this side and packet type.
        offset: u64,
        /// The piece.
        bytes: &'a [u8],
    },
    /// CONNECTION_CLOSE of the transport (RFC 9000 section 19.19).
    ConnectionClose {
        /// The error code (RFC 9000 section 20.1).
        error_code: u64,
        /// The type of the frame that caused it; 0 where that is not known.
        frame_type: u64,
        /// Why, in words that should be UTF-8.
        reason: &'a [u8],
    },
}

/// Why the frames of an Initial could not be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A frame goes past the end of its packet.
    #[error("a frame goes past the end of its packet")]
    Truncated,
    /// A frame that must not be in an Initial.
    #[error("a frame of type {frame_type:#x} in an initial")]
    NotAllowed {
        /// The type of the frame.
        frame_type: u64,
    },
    /// A range of acknowledgements below packet number 0.
    #[error("an acknowledgement of packets below number 0")]
    AckBelowZero,
}

/// Walks the frames of an opened Initial; ends with the first error.
#[derive(Clone, Copy, Debug)]
pub struct Frames<'a> {
    rest: Cursor<'a>,
}

impl<'a> Frames<'a> {
    /// Begins at the start of [`super::Opened::payload`].
    pub const fn new(payload: &'a [u8]) -> Self {
        Self {
            rest: Cursor::new(payload),
        }
    }

    fn read(&mut self) -> Result<Frame<'a>, FrameError> {
        let frame_type = self.rest.varint().ok_or(FrameError::Truncated)?;
        let frame = match frame_type {
            0x00 => Some(self.read_padding()),
            0x01 => Some(Frame::Ping),
            0x02 | 0x03 => return self.read_ack(frame_type == 0x03),
            0x06 => self.read_crypto(),
            0x1c => self.read_close(),
            _ => return Err(FrameError::NotAllowed { frame_type }),
        };
        frame.ok_or(FrameError::Truncated)
    }

    /// Reads on behind the first of them.
    fn read_padding(&mut self) -> Frame<'a> {
        let more = self
            .rest
            .rest()
            .iter()
            .take_while(|&&byte| byte == 0)
            .count();
        self.rest.take(more);
        Frame::Padding { length: more + 1 }
    }

    fn read_ack(&mut self, has_ecn: bool) -> Result<Frame<'a>, FrameError> {
        let mut next = || self.rest.varint().ok_or(FrameError::Truncated);
        let below_zero = FrameError::AckBelowZero;
        let (largest, _delay, ranges, first) = (next()?, next()?, next()?, next()?);
        let mut smallest = largest.checked_sub(first).ok_or(below_zero)?;
        // As many as the packet has bytes for, whatever the count says.
        for _ in 0..ranges {
            let (gap, length) = (next()?, next()?);
            // RFC 9000 section 19.3.1.
            smallest = smallest.checked_sub(gap + length + 2).ok_or(below_zero)?;
        }
        if has_ecn {
            let _counts = (next()?, next()?, next()?);
        }
        Ok(Frame::Ack { largest, has_ecn })
    }

    fn read_crypto(&mut self) -> Option<Frame<'a>> {
        let offset = self.rest.varint()?;
        let bytes = self.rest.behind_varint()?;
        Some(Frame::Crypto { offset, bytes })
    }

    fn read_close(&mut self) -> Option<Frame<'a>> {
        let (error_code, frame_type) = (self.rest.varint()?, self.rest.varint()?);
        let reason = self.rest.behind_varint()?;
        Some(Frame::ConnectionClose {
            error_code,
            frame_type,
            reason,
        })
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let frame = self.read();
        if frame.is_err() {
            self.rest = Cursor::new(&[]);
        }
        Some(frame)
    }
}
