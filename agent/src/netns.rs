//! Network namespaces: naming them, and doing things inside them.

use std::{
    fs::{self, File},
    io,
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::PathBuf,
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::Error;

/// Where `ip netns` keeps the named namespaces.
const NAMED: &str = "/run/netns";

/// A network namespace, open for as long as this value lives.
#[derive(Debug)]
pub struct Netns {
    inode: u32,
    name: Option<String>,
    file: File,
}

impl Netns {
    /// The namespace that this process is in.
    ///
    /// # Errors
    /// [`Error::Netns`] where `/proc` is not mounted.
    pub fn current() -> Result<Self, Error> {
        Self::from_path(PathBuf::from("/proc/self/ns/net"), None)
    }

    /// The namespace that a person names: a name of `ip netns`, a path, or a process id.
    ///
    /// # Errors
    /// [`Error::Netns`] where there is no such namespace.
    pub fn from_choice(choice: &str) -> Result<Self, Error> {
        let path = if choice.contains('/') {
            PathBuf::from(choice)
        } else if choice.bytes().all(|byte| byte.is_ascii_digit())
            && !PathBuf::from(NAMED).join(choice).exists()
        {
            PathBuf::from(format!("/proc/{choice}/ns/net"))
        } else {
            PathBuf::from(NAMED).join(choice)
        };
        Self::from_path(path, Some(choice.to_owned()))
    }

    /// Inode number of the namespace that the calling thread is in.
    pub(crate) fn current_of_thread() -> Result<u32, Error> {
        Self::from_path(PathBuf::from("/proc/thread-self/ns/net"), None).map(|netns| netns.inode)
    }

    fn from_path(path: PathBuf, name: Option<String>) -> Result<Self, Error> {
        let open = || -> io::Result<Self> {
            let file = File::open(&path)?;
            // The inode number of a namespace is a `u32` in the kernel.
            let inode = fs::metadata(&path)?.ino() as u32;
            Ok(Self {
                inode,
                name: name.clone(),
                file,
            })
        };
        open().map_err(|source| Error::Netns {
            name: path.display().to_string(),
            source,
        })
    }

    /// The inode number, as in `net:[4026531840]`.
    pub const fn inode(&self) -> u32 {
        self.inode
    }

    /// What the person called it; `None` for the namespace of this process.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Runs `work` inside the namespace, on a thread of its own that ends with it.
    ///
    /// # Errors
    /// [`Error::Netns`] where the namespace cannot be entered.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        let enter = || {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(self.file.as_fd(), kind).map_err(|source| Error::Netns {
                name: self.to_string(),
                source: source.into(),
            })?;
            Ok(work())
        };
        match thread::scope(|scope| scope.spawn(enter).join()) {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl std::fmt::Display for Netns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "network namespace {name}"),
            None => write!(f, "this network namespace"),
        }
    }
}
