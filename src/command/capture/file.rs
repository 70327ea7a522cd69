//! The files of a capture: one, a ring of them, or standard output.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::{
        fd::AsFd,
        unix::fs::{OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context;
use netweir_capture::{Section, whole_blocks};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
    io::Errno,
};

use crate::{args::BoundArgs, stop::Stop};

/// The time between two looks for the reader of a pipe.
const PAUSE: Duration = Duration::from_millis(100);

/// What a pipe that can be written has room for, at least (`PIPE_BUF`).
const PIPE_BYTES: usize = 4096;

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
    /// Whether it ends within a block, so that nothing can follow.
    is_cut: bool,
}

enum Out {
    /// A regular file.
    File(File),
    /// Anything else, whose reader may take its time.
    Stream(File),
}

/// Until when a reader may take its time.
pub(in crate::command) struct Until<'a> {
    /// What ends the program.
    pub(in crate::command) stop: &'a Stop,
    /// When it ends by itself.
    pub(super) end: Option<Instant>,
}

impl<'a> Until<'a> {
    /// Until the program is to end, or as long as was asked for.
    pub(in crate::command) fn new(stop: &'a Stop, bounds: &BoundArgs) -> Self {
        let end = bounds.time;
        let end = end.and_then(|time| Instant::now().checked_add(time));
        Self { stop, end }
    }

    /// The time until then, if it is known.
    pub(in crate::command) fn left(&self) -> Option<Duration> {
        let end = self.end?;
        Some(end.saturating_duration_since(Instant::now()))
    }
}

impl Out {
    /// Standard output, without the buffer that the library has for it.
    fn standard() -> io::Result<Self> {
        Self::of(io::stdout().as_fd().try_clone_to_owned()?.into())
    }

    fn of(file: File) -> io::Result<Self> {
        let is_file = file.metadata()?.is_file();
        Ok(if is_file {
            Self::File(file)
        } else {
            Self::Stream(file)
        })
    }

    /// Opens a file, which only its owner may read from now on; waits for the reader of a pipe.
    fn open(place: &Path, until: &Until<'_>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.custom_flags(OFlags::NONBLOCK.bits() as i32);
        let mut has_waited = false;
        loop {
            match options.open(place) {
                Ok(file) => {
                    let out = Self::of(file)?;
                    if let Self::File(file) = &out {
                        // One that was there may be open to others.
                        file.set_permissions(Permissions::from_mode(0o600))?;
                    }
                    return Ok(out);
                }
                Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
                    if !std::mem::replace(&mut has_waited, true) {
                        tracing::info!("waiting for a reader of {}", place.display());
                    }
                    let left = until.left().unwrap_or(PAUSE);
                    if until.stop.wait(left.min(PAUSE))? || left.is_zero() {
                        return Err(io::Error::other("nobody reads from it"));
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes some bytes; none where nobody takes any before the end.
    fn write(&mut self, bytes: &[u8], until: &Until<'_>) -> io::Result<usize> {
        let file = match self {
            Self::File(file) => return file.write(bytes),
            Self::Stream(file) => file,
        };
        let timeout = until.left().and_then(|left| Timespec::try_from(left).ok());
        let mut watched = [
            PollFd::new(&*file, PollFlags::OUT),
            PollFd::from_borrowed_fd(until.stop.as_fd(), PollFlags::IN),
        ];
        poll(&mut watched, timeout.as_ref())?;
        if watched[0].revents().is_empty() {
            return Ok(0);
        }
        // No more than a pipe that can be written has room for.
        file.write(&bytes[..bytes.len().min(PIPE_BYTES)])
    }
}

/// Standard output for lines, whose reader may take its time.
pub(in crate::command) struct Standard(Out);

impl Standard {
    /// Standard output.
    pub(in crate::command) fn new() -> io::Result<Self> {
        Out::standard().map(Self)
    }

    /// Writes all, unless nobody takes it before the program is to end.
    pub(in crate::command) fn write(
        &mut self,
        mut bytes: &[u8],
        until: &Until<'_>,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.0.write(bytes, until) {
                Ok(0) => break,
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Files {
    /// Creates the first one. Only its owner may read it: packets can have anything in them.
    pub(super) fn create(path: &Path, bounds: Bounds, until: &Until<'_>) -> anyhow::Result<Self> {
        let mut files = Self {
            path: path.to_owned(),
            bounds,
            section: Section::new(APPLICATION),
            out: Out::standard().context("cannot write standard output")?,
            begun: 0,
            kept: VecDeque::new(),
            here: 0,
            bytes: 0,
            added: 0,
            written: 0,
            is_cut: false,
        };
        if !files.is_standard() {
            files.begin(until)?;
        }
        files.flush(until)?;
        Ok(files)
    }

    /// Whether there is as much as was asked for.
    pub(super) fn is_full(&self) -> bool {
        self.is_cut
            || self.bounds.packets.is_some_and(|most| self.added >= most)
            || self.bounds.ring.is_none() && self.has_all_bytes()
    }

    /// Begins another file if the one at hand has its bytes; says whether it did.
    pub(super) fn begin_next(&mut self, until: &Until<'_>) -> anyhow::Result<bool> {
        if self.bounds.ring.is_none() || !self.has_all_bytes() {
            return Ok(false);
        }
        self.flush(until)?;
        self.section = Section::new(APPLICATION);
        self.begin(until)?;
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

    /// Writes what was added, unless nobody takes it before the program is to end. Where it fails, the file
    /// ends with the last block that it has room for.
    pub(super) fn flush(&mut self, until: &Until<'_>) -> anyhow::Result<()> {
        let blocks = self.section.take();
        let mut left = &blocks[..];
        let result = loop {
            if left.is_empty() {
                break Ok(());
            }
            match self.out.write(left, until) {
                Ok(0) => {
                    // What is left belongs to a block that nobody has the beginning of.
                    self.is_cut = true;
                    break Ok(());
                }
                Ok(bytes) => left = &left[bytes..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        let (bytes, packets) = whole_blocks(&blocks[..blocks.len() - left.len()]);
        self.here += bytes as u64;
        self.bytes += bytes as u64;
        self.written += packets;
        result.or_else(|error| {
            if let Out::File(file) = &self.out {
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

    fn has_all_bytes(&self) -> bool {
        let bytes = self.here + self.section.waiting_bytes() as u64;
        self.bounds.bytes.is_some_and(|most| bytes >= most)
    }

    /// The file at hand, for people.
    fn name(&self) -> String {
        if self.is_standard() {
            return "standard output".to_owned();
        }
        self.place(self.begun).display().to_string()
    }

    fn is_standard(&self) -> bool {
        self.path == Path::new("-")
    }

    /// All files, for people.
    pub(super) fn names(&self) -> String {
        match (self.bounds.ring, self.begun) {
            (None, _) | (_, 0 | 1) => self.name(),
            (Some(_), begun) => format!(
                "{begun} files, of which {} are left, the last one {}",
                self.kept.len(),
                self.name()
            ),
        }
    }

    /// Opens the next file, and removes the oldest where there are too many.
    fn begin(&mut self, until: &Until<'_>) -> anyhow::Result<()> {
        let place = self.place(self.begun + 1);
        let opened = Out::open(&place, until);
        self.out = opened.with_context(|| format!("cannot write {}", place.display()))?;
        self.begun += 1;
        self.here = 0;
        self.kept.push_back(place);
        let most = self.bounds.ring.unwrap_or(1) as usize;
        if self.kept.len() > most
            && let Some(oldest) = self.kept.pop_front()
        {
            match fs::remove_file(&oldest) {
                Ok(()) => {}
                // Somebody has taken it away, to keep it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let file = oldest.display();
                    tracing::warn!(%file, %error, "a file of the ring stays: it cannot be removed");
                }
            }
        }
        Ok(())
    }

    /// The path of a file, by its number.
    fn place(&self, number: u64) -> PathBuf {
        if self.bounds.ring.is_none() {
            return self.path.clone();
        }
        let mut name = self.path.file_stem().unwrap_or_default().to_owned();
        name.push(format!("_{number:05}"));
        if let Some(extension) = self.path.extension() {
            name.push(".");
            name.push(extension);
        }
        self.path.with_file_name(name)
    }
}
