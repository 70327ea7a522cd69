//! The files of a capture: one, a ring of them, or standard output.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use netweir_capture::{Section, whole_blocks};

/// What a capture names as its writer.
const APPLICATION: &str = concat!("netweir ", env!("CARGO_PKG_VERSION"));

/// How much is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Packets in all files.
    pub(super) packets: Option<u64>,
    /// Bytes of a file, up to the packet with which it has them.
    pub(super) bytes: Option<u64>,
    /// Files that are kept; none where there is one that is not followed by another.
    pub(super) ring: Option<u32>,
}

/// Where packets are written to.
pub(super) struct Files {
    path: PathBuf,
    bounds: Bounds,
    section: Section,
    out: Out,
    /// Files that were begun.
    begun: u64,
    kept: VecDeque<PathBuf>,
    /// Bytes of the file at hand, as far as they are written.
    here: u64,
    bytes: u64,
    /// Packets that were added, and those that were written.
    added: u64,
    written: u64,
}

enum Out {
    Standard,
    File(File),
}

impl Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Standard => {
                let mut out = io::stdout().lock();
                let written = out.write(bytes)?;
                out.flush()?;
                Ok(written)
            }
            Self::File(file) => file.write(bytes),
        }
    }
}

impl Files {
    /// Creates the first one. Only its owner may read it: packets can have anything in them.
    pub(super) fn create(path: &Path, bounds: Bounds) -> anyhow::Result<Self> {
        let mut files = Self {
            path: path.to_owned(),
            bounds,
            section: Section::new(APPLICATION),
            out: Out::Standard,
            begun: 0,
            kept: VecDeque::new(),
            here: 0,
            bytes: 0,
            added: 0,
            written: 0,
        };
        if path != Path::new("-") {
            files.begin()?;
        } else if bounds.ring.is_some() {
            anyhow::bail!("standard output is no ring of files: leave out --ring, or name a file");
        }
        files.flush()?;
        Ok(files)
    }

    /// Whether there is as much as was asked for.
    pub(super) fn is_full(&self) -> bool {
        self.bounds.packets.is_some_and(|most| self.added >= most)
            || self.bounds.ring.is_none() && self.has_all_bytes()
    }

    /// Begins another file if the one at hand has its bytes; says whether it did.
    pub(super) fn begin_next(&mut self) -> anyhow::Result<bool> {
        if self.bounds.ring.is_none() || !self.has_all_bytes() {
            return Ok(false);
        }
        self.flush()?;
        self.section = Section::new(APPLICATION);
        self.begin()?;
        Ok(true)
    }

    /// Where blocks are added.
    pub(super) const fn section(&mut self) -> &mut Section {
        &mut self.section
    }

    /// A packet was added.
    pub(super) const fn count(&mut self) {
        self.added += 1;
    }

    /// Writes what was added. Where that fails, the file ends with the last block that it has room for.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        let blocks = self.section.take();
        let mut left = &blocks[..];
        let written = loop {
            if left.is_empty() {
                break Ok(());
            }
            match self.out.write(left) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => left = &left[bytes..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        let (bytes, packets) = whole_blocks(&blocks[..blocks.len() - left.len()]);
        self.here += bytes as u64;
        self.bytes += bytes as u64;
        self.written += packets;
        written.or_else(|error| {
            if let Out::File(file) = &self.out {
                // What is no regular file has nothing to be cut.
                let _cut = file.set_len(self.here);
            }
            Err(error).with_context(|| format!("cannot write {}", self.name()))
        })
    }

    /// Packets that were written.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// Bytes that were written.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The file at hand, for people.
    pub(super) fn name(&self) -> String {
        match &self.out {
            Out::Standard => "standard output".to_owned(),
            Out::File(_) => self.place().display().to_string(),
        }
    }

    fn has_all_bytes(&self) -> bool {
        let bytes = self.here + self.section.waiting_bytes() as u64;
        self.bounds.bytes.is_some_and(|most| bytes >= most)
    }

    /// Opens the next file, and removes the oldest where there are too many.
    fn begin(&mut self) -> anyhow::Result<()> {
        self.begun += 1;
        let place = self.place();
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&place)
            .with_context(|| format!("cannot write {}", place.display()))?;
        self.out = Out::File(file);
        self.here = 0;
        self.kept.push_back(place);
        let most = self.bounds.ring.unwrap_or(1) as usize;
        if self.kept.len() > most
            && let Some(oldest) = self.kept.pop_front()
        {
            fs::remove_file(&oldest)
                .with_context(|| format!("cannot remove {}", oldest.display()))?;
        }
        Ok(())
    }

    /// The path of the file at hand.
    fn place(&self) -> PathBuf {
        if self.bounds.ring.is_none() {
            return self.path.clone();
        }
        let mut name = self.path.file_stem().unwrap_or_default().to_owned();
        name.push(format!("_{:05}", self.begun));
        if let Some(extension) = self.path.extension() {
            name.push(".");
            name.push(extension);
        }
        self.path.with_file_name(name)
    }
}
