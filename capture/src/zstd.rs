//! Zstandard (RFC 8878) as a byte stream: one frame after the other, skippable frames passed over.
//!
//! `ruzstd` decodes the blocks of one frame and keeps the last window of its output back for later
//! blocks to refer to. What this adds: several frames, the checksum of each, and a stream that is
//! cut or damaged still yields everything before that point, the window included, and then the
//! error.

use std::error::Error as StdError;
use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Decompresses the frames of `source`.
pub(crate) struct ZstdDecoder<R> {
    source: R,
    frame: FrameDecoder,
    state: State,
}

enum State {
    Decoding,
    /// Nothing more can be decoded: what the decoder still holds goes out, then the error.
    Failed(io::Error),
    Ended,
}

impl<R: BufRead> ZstdDecoder<R> {
    pub(crate) fn new(source: R) -> Self {
        /// What `zstd` decompresses without being asked for more memory (`--long=27`).
        const MAX_WINDOW_BYTES: u64 = 128 << 20;
        let mut frame = FrameDecoder::new();
        frame.set_max_window_size(MAX_WINDOW_BYTES);
        Self {
            source,
            frame,
            state: State::Decoding,
        }
    }

    /// Decodes until there is something to read, or nothing is left.
    fn decode(&mut self) -> io::Result<()> {
        while self.frame.can_collect() == 0 {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(()),
                State::Failed(err) => return Err(err),
                State::Decoding => {}
            }
            self.state = self.decode_step();
        }
        Ok(())
    }

    fn decode_step(&mut self) -> State {
        if !self.frame.is_finished() {
            return self.decode_block();
        }
        match self.verify_checksum().and_then(|()| self.begin_frame()) {
            Ok(true) => State::Decoding,
            Ok(false) => State::Ended,
            Err(err) => State::Failed(err),
        }
    }

    fn decode_block(&mut self) -> State {
        match self
            .frame
            .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
        {
            Ok(_) => State::Decoding,
            Err(err) => {
                self.release_window();
                State::Failed(to_io_error(err))
            }
        }
    }

    /// Ends the frame in the stead of the missing blocks, which makes the decoder hand out its
    /// window.
    fn release_window(&mut self) {
        // An empty raw block that is the last one, and a checksum for frames that want one; it is
        // never compared. Should the decoder refuse, there is only less to hand out.
        let closing = [1, 0, 0, 0, 0, 0, 0];
        self.frame
            .decode_blocks(closing.as_slice(), BlockDecodingStrategy::UptoBlocks(1))
            .ok();
    }

    /// Begins the next frame; false at the end of the source.
    fn begin_frame(&mut self) -> io::Result<bool> {
        loop {
            if is_at_end(&mut self.source)? {
                return Ok(false);
            }
            let skip_bytes = match self.frame.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => u64::from(length),
                Err(err) => return Err(to_io_error(err)),
            };
            let skipped = io::copy(&mut self.source.by_ref().take(skip_bytes), &mut io::sink())?;
            if skipped < skip_bytes {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn verify_checksum(&self) -> io::Result<()> {
        match self.frame.get_checksum_from_data() {
            Some(stored) if self.frame.get_calculated_checksum() != Some(stored) => Err(
                io::Error::new(io::ErrorKind::InvalidData, "checksum of a frame differs"),
            ),
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for ZstdDecoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decode()?;
        self.frame.read(buffer)
    }
}

fn is_at_end(source: &mut impl BufRead) -> io::Result<bool> {
    loop {
        match source.fill_buf() {
            Ok(bytes) => return Ok(bytes.is_empty()),
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
}

/// Finds the cause that came from the source, so that a cut is told apart from damage.
fn to_io_error(err: FrameDecoderError) -> io::Error {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&err);
    while let Some(inner) = cause {
        if let Some(io_error) = inner.downcast_ref::<io::Error>() {
            return io::Error::new(io_error.kind(), err);
        }
        cause = inner.source();
    }
    io::Error::new(io::ErrorKind::InvalidData, err)
}
