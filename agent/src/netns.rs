//! Network namespaces: naming them, and doing things inside them.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
    thread,
};

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use crate::Error;

/// Where `ip netns` keeps the named namespaces.
const NAMED: &str = "/run/netns";
/// The namespace of the calling thread.
const THREAD: &str = "/proc/thread-self/ns/net";

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
        Self::from_path(Path::new("/proc/self/ns/net"), None)
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
        Self::from_path(&path, Some(choice))
    }

    /// A new namespace that has no name in the file system, called `name` in what is shown.
    ///
    /// It ends with the last handle to it and the last socket in it, however the process ends.
    ///
    /// # Errors
    /// [`Error::Netns`] where the kernel does not permit it: that takes CAP_SYS_ADMIN.
    pub fn anonymous(name: &str) -> Result<Self, Error> {
        let create = || {
            // SAFETY: only the namespace is unshared, not the table of open files, and only by a
            // thread that ends here.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.map_err(|source| Error::Netns {
                name: name.to_owned(),
                source: source.into(),
            })?;
            Self::from_path(Path::new(THREAD), Some(name))
        };
        on_thread(create)
    }

    /// Another handle to the same namespace.
    ///
    /// # Errors
    /// [`Error::Netns`] where no more files can be open.
    pub fn try_clone(&self) -> Result<Self, Error> {
        let file = self.file.try_clone().map_err(|source| Error::Netns {
            name: self.name().unwrap_or("of this process").to_owned(),
            source,
        })?;
        Ok(Self {
            inode: self.inode,
            name: self.name.clone(),
            file,
        })
    }

    /// Inode number of the namespace that the calling thread is in.
    pub(crate) fn current_of_thread() -> Result<u32, Error> {
        Self::from_path(Path::new(THREAD), None).map(|netns| netns.inode)
    }

    fn from_path(path: &Path, name: Option<&str>) -> Result<Self, Error> {
        let open = || -> io::Result<Self> {
            let file = File::open(path)?;
            // The inode number of a namespace is a `u32` in the kernel.
            let inode = fs::metadata(path)?.ino() as u32;
            Ok(Self {
                inode,
                name: name.map(ToOwned::to_owned),
                file,
            })
        };
        open().map_err(|source| Error::Netns {
            name: path.display().to_string(),
            source,
        })
    }

    /// The open file of the namespace.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// A path by which other processes can open the namespace while this value lives.
    pub fn path(&self) -> PathBuf {
        let (process, file) = (std::process::id(), self.file.as_raw_fd());
        PathBuf::from(format!("/proc/{process}/fd/{file}"))
    }

    /// The inode number, as in `net:[4026531840]`.
    pub const fn inode(&self) -> u32 {
        self.inode
    }

    /// What the person called it; `None` for the namespace of this process.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Runs `work` inside the namespace: at once if the calling thread is in it, else on a thread of
    /// its own that ends with it.
    ///
    /// # Errors
    /// [`Error::Netns`] where the namespace cannot be entered.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        // Entering needs a privilege, also where there is nothing to change.
        if Self::current_of_thread()? == self.inode {
            return Ok(work());
        }
        let enter = || {
            // Even a return to the namespace where one is takes CAP_SYS_ADMIN.
            if Self::current_of_thread()? == self.inode {
                return Ok(work());
            }
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(self.file.as_fd(), kind).map_err(|source| Error::Netns {
                name: self.name().unwrap_or("of this process").to_owned(),
                source: source.into(),
            })?;
            Ok(work())
        };
        on_thread(enter)
    }
}

/// The namespace of an inode number, if it has a name or a process that this one may see.
pub(crate) fn find(inode: u32) -> Option<Netns> {
    let listed = |folder: &str| fs::read_dir(folder).into_iter().flatten().flatten();
    let named = listed(NAMED).map(|entry| entry.path());
    let processes = listed("/proc").map(|entry| entry.path().join("ns/net"));
    named.chain(processes).find_map(|path| {
        let is_it = fs::metadata(&path).is_ok_and(|file| file.ino() as u32 == inode);
        let name = path.display().to_string();
        is_it.then(|| Netns::from_path(&path, Some(&name)).ok())?
    })
}

/// Runs `work` on a thread of its own, whose panic becomes the caller's.
fn on_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    match thread::scope(|scope| scope.spawn(work).join()) {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
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
