//! The reader: tells the formats apart and hands out their frames.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::Error;
use crate::frame::Frame;
use crate::pcap::Pcap;
use crate::pcapng::{self, Pcapng};
use crate::source::Source;

/// Reads the frames of one capture, in file order.
pub struct Reader {
    source: Source,
    format: Format,
    buffer: Vec<u8>,
    size_bytes: Option<u64>,
    ended: bool,
}

enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

impl Reader {
    /// Opens a capture file; `-` means standard input. gzip and zstd are recognised by their magic.
    ///
    /// # Errors
    /// [`Error::Open`] when there is no such file or no permission, otherwise as
    /// [`from_read`](Self::from_read).
    pub fn open(path: &Path) -> Result<Self, Error> {
        if path == Path::new("-") {
            return Self::from_read(io::stdin());
        }
        let open_error = |source| Error::Open {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(open_error)?;
        let metadata = file.metadata().map_err(open_error)?;
        let mut reader = Self::from_read(file)?;
        reader.size_bytes = metadata.is_file().then_some(metadata.len());
        Ok(reader)
    }

    /// Reads a capture from anything, such as bytes in memory.
    ///
    /// # Errors
    /// [`Error::NotCapture`] when the first bytes are of no capture format; any other error when
    /// they cannot be read or decompressed, or when the file header is cut or of an unknown
    /// version.
    pub fn from_read(source: impl Read + Send + 'static) -> Result<Self, Error> {
        let mut source = Source::new(source)?;
        let format = recognise(&mut source)?;
        Ok(Self {
            source,
            format,
            buffer: Vec::new(),
            size_bytes: None,
            ended: false,
        })
    }

    /// Returns the next frame, or none at a clean end.
    ///
    /// # Errors
    /// Every frame before the offset that the error names has been returned. An error is returned
    /// once: after it the reader is at its end, and returns none.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, Error> {
        if self.ended {
            return Ok(None);
        }
        let next = match &mut self.format {
            Format::Pcap(pcap) => pcap.next_frame(&mut self.source, &mut self.buffer),
            Format::Pcapng(pcapng) => pcapng.next_frame(&mut self.source, &mut self.buffer),
        };
        self.ended = !matches!(next, Ok(Some(_)));
        next
    }

    /// Bytes taken from the source so far, as it is on disk (compressed): for a progress bar. Ahead
    /// of the last frame by what is buffered.
    #[must_use]
    pub fn consumed_bytes(&self) -> u64 {
        self.source.consumed_bytes()
    }

    /// The size of the source on disk when it was opened; none unless it is a regular file.
    #[must_use]
    pub fn size_bytes(&self) -> Option<u64> {
        self.size_bytes
    }
}

fn recognise(source: &mut Source) -> Result<Format, Error> {
    if source.start().starts_with(&pcapng::MAGIC) {
        return Ok(Format::Pcapng(Pcapng::new()));
    }
    match Pcap::read_header(source)? {
        Some(pcap) => Ok(Format::Pcap(pcap)),
        None => Err(Error::NotCapture {
            start: source.start().to_owned(),
        }),
    }
}
