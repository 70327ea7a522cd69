//! Where pins are: a directory for each interface, in it one for each ABI, in that a file for each map,
//! program and link.
//!
//! Whoever changes or drains what is pinned holds the lock of the interface's directory. The kernel lets
//! it go with the process, so none is left behind, and it is no file that could be.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::fs::{FlockOperation, flock, major, minor, statfs};

use super::pins::Pins;
use crate::Error;

/// What the directory of an ABI begins with.
const ABI: &str = "abi-";

/// How long who only puts rules in force has the pins of an interface, and more; and the time between two
/// tries.
const PATIENCE: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(5);

/// The directory of all pins.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The directory of this path, which need not be there.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of an interface.
    pub fn of(&self, interface: &str) -> PathBuf {
        self.path.join(escaped(interface))
    }

    /// The names of the interfaces that have pins.
    ///
    /// # Errors
    /// The directory is on no BPF file system, or cannot be read.
    pub fn interfaces(&self) -> Result<Vec<String>, Error> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(pin_error(&self.path, error)),
        };
        self.check()?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| pin_error(&self.path, error))?;
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if let Some(name) = entry.file_name().to_str().and_then(unescaped)
                && is_directory
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Whether it is, or would be, on a BPF file system.
    fn check(&self) -> Result<(), Error> {
        /// `BPF_FS_MAGIC` of the kernel's `linux/magic.h`.
        const MAGIC: i64 = 0xcafe_4a11;
        let mut there = self.path.ancestors();
        let existing = there.find(|path| path.exists()).unwrap_or(Path::new("/"));
        let found = statfs(existing).map_err(|error| pin_error(existing, error.into()))?;
        if found.f_type == MAGIC {
            Ok(())
        } else {
            Err(Error::NoBpffs {
                path: self.path.clone(),
            })
        }
    }

    /// Whether nobody else can put another directory in the place of an interface's.
    fn check_owner(&self, interface: &Path) -> Result<(), Error> {
        let own = rustix::process::geteuid().as_raw();
        for path in [&self.path, interface] {
            let found = fs::symlink_metadata(path).map_err(|error| pin_error(path, error))?;
            if ![0, own].contains(&found.uid()) {
                let reason = "it belongs to another user, who may have put it there on purpose: look \
                              at it, and remove it";
                return Err(pin_error(path, io::Error::other(reason)));
            }
        }
        Ok(())
    }

    /// Locks the pins of an interface; `None` where it has none. Waits for who has them only for a moment.
    ///
    /// # Errors
    /// [`Error::PinsBusy`] while another process has the lock.
    pub fn claim(&self, interface: &str) -> Result<Option<Claim>, Error> {
        self.claim_until(interface, Instant::now() + PATIENCE)
    }

    /// The same without waiting.
    pub(super) fn try_claim(&self, interface: &str) -> Result<Option<Claim>, Error> {
        self.claim_until(interface, Instant::now())
    }

    fn claim_until(&self, interface: &str, end: Instant) -> Result<Option<Claim>, Error> {
        let path = self.of(interface);
        loop {
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(pin_error(&path, error)),
            };
            self.check_owner(&path)?;
            let claim = Claim {
                file,
                path: path.clone(),
                interface: interface.to_owned(),
            };
            if claim.lock(end)? {
                self.check()?;
                return Ok(Some(claim));
            }
        }
    }

    /// The same, and makes the directory where there is none.
    ///
    /// # Errors
    /// As of [`Self::claim`], and where the directory cannot be made.
    pub fn claim_new(&self, interface: &str) -> Result<Claim, Error> {
        self.check()?;
        loop {
            let path = self.of(interface);
            let made = directory().recursive(true).create(&path);
            made.map_err(|error| pin_error(&path, error))?;
            if let Some(claim) = self.claim(interface)? {
                return Ok(claim);
            }
        }
    }

    /// The pins of an interface for who only looks, by their ABI, the oldest first.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn pins(&self, interface: &str) -> Result<Vec<Pins>, Error> {
        list(&self.of(interface), interface)
    }

    /// The process that has the lock of an interface, as far as this one may see it.
    pub fn holder(&self, interface: &str) -> Option<u32> {
        holder(&self.of(interface))
    }
}

/// Makes directories that only their owner can open: whoever can open one can lock it.
fn directory() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// The right to change what is pinned of an interface.
#[derive(Debug)]
pub struct Claim {
    file: File,
    path: PathBuf,
    interface: String,
}

impl Claim {
    /// Locks the directory; whether it is still the one of that path.
    fn lock(&self, end: Instant) -> Result<bool, Error> {
        while flock(&self.file, FlockOperation::NonBlockingLockExclusive).is_err() {
            if Instant::now() < end {
                thread::sleep(PAUSE);
                continue;
            }
            let by = holder(&self.path).map(|pid| format!("process {pid}"));
            return Err(Error::PinsBusy {
                interface: self.interface.clone(),
                by: by.unwrap_or_else(|| "another process".to_owned()),
            });
        }
        let ours = self.file.metadata();
        let ours = ours.map_err(|error| pin_error(&self.path, error))?;
        let there = fs::metadata(&self.path);
        Ok(there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())))
    }

    /// The interface's name.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// Pins by their ABI, the oldest first.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn pins(&self) -> Result<Vec<Pins>, Error> {
        list(&self.path, &self.interface)
    }

    /// A directory for pins of an ABI, empty.
    ///
    /// # Errors
    /// There is one already, or it cannot be made.
    pub fn make(&self, abi: u32) -> Result<Pins, Error> {
        let path = self.path.join(format!("{ABI}{abi}"));
        let made = directory().create(&path);
        made.map_err(|error| pin_error(&path, error))?;
        Ok(Pins::new(path, &self.interface, abi))
    }

    /// Removes the directory, if nothing is in it.
    ///
    /// # Errors
    /// [`Error::ForeignFiles`] where something is.
    pub fn remove(self) -> Result<(), Error> {
        remove_directory(&self.path)
    }
}

fn list(path: &Path, interface: &str) -> Result<Vec<Pins>, Error> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(pin_error(path, error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| pin_error(path, error))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(ABI));
        if let Some(abi) = number.and_then(|number| number.parse::<u32>().ok()) {
            found.push(Pins::new(entry.path(), interface, abi));
        }
    }
    found.sort_by_key(Pins::abi);
    Ok(found)
}

/// Removes a directory in which nothing is.
pub(super) fn remove_directory(path: &Path) -> Result<(), Error> {
    let error = match fs::remove_dir(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => error,
        _ => return Ok(()),
    };
    let left: Vec<String> = fs::read_dir(path)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    if left.is_empty() {
        return Err(pin_error(path, error));
    }
    Err(Error::ForeignFiles {
        path: path.to_owned(),
        files: left.join(", "),
    })
}

/// The process that has a lock on a file, as `/proc/locks` tells it to this one.
fn holder(path: &Path) -> Option<u32> {
    let file = fs::metadata(path).ok()?;
    let device = file.dev();
    let wanted = format!("{:02x}:{:02x}:{}", major(device), minor(device), file.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let mut lines = locks.lines().map(str::split_whitespace);
    lines.find_map(|mut line| {
        // `1: FLOCK ADVISORY WRITE 7033 00:27:3868770 0 EOF`; who waits has an arrow in front.
        let kind = line.nth(1)?;
        let process = line.nth(2)?.parse().ok()?;
        (kind == "FLOCK" && line.next()? == wanted).then_some(process)
    })
}

/// What the kernel says of a path.
pub(super) fn pin_error(path: &Path, source: io::Error) -> Error {
    if source.kind() == ErrorKind::PermissionDenied {
        return Error::NotPermitted;
    }
    Error::Pin {
        path: path.to_owned(),
        source,
    }
}

/// A name as a directory of a BPF file system may have it: no dots.
fn escaped(interface: &str) -> String {
    interface.replace('%', "%25").replace('.', "%2e")
}

fn unescaped(directory: &str) -> Option<String> {
    let name = directory.replace("%2e", ".").replace("%25", "%");
    (escaped(&name) == directory).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::{escaped, unescaped};

    #[test]
    fn every_name_becomes_a_directory_and_back() {
        for name in ["eth0", "eth0.100", "a%2eb", "%", "..x", "%25"] {
            let directory = escaped(name);
            assert!(!directory.contains('.'), "{directory}");
            assert_eq!(unescaped(&directory).as_deref(), Some(name));
        }
        assert_eq!(unescaped("eth0.100"), None);
    }
}
