//! What can go wrong between the agent and the kernel.

use std::{io, path::PathBuf};

use aya::programs::{ProgramError, tc::TcError};

/// Errors of the agent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused to load the programs or the maps.
    #[error("cannot load the kernel programs{}", hint(.source))]
    Load {
        /// What the kernel or the loader said.
        #[source]
        source: aya::EbpfError,
    },
    /// The kernel refused one program.
    #[error("cannot load the kernel program {program}")]
    Program {
        /// The program's name.
        program: &'static str,
        /// What the kernel or the loader said.
        #[source]
        source: ProgramError,
    },
    /// The object has no such program or map: it was built from other sources.
    #[error("the kernel object has no {name}; rebuild it with `make build-ebpf`")]
    Missing {
        /// The name that was looked for.
        name: &'static str,
    },
    /// The object was built from sources with other layouts.
    #[error("the kernel object has not ABI {wanted}; rebuild it with `make build-ebpf`")]
    Abi {
        /// The number that this binary knows.
        wanted: u32,
    },
    /// A map does not have the layout that this binary knows, or could not be used.
    #[error("cannot use the kernel map {name}")]
    Map {
        /// The map's name.
        name: &'static str,
        /// What the kernel or the loader said.
        #[source]
        source: aya::maps::MapError,
    },
    /// The interface went away before it could be attached to.
    #[error("the interface is gone")]
    Gone,
    /// A drain has failed before.
    #[error("what the kernel counted could not be read before; nothing more is read")]
    Broken,
    /// The kernel map of interfaces is full.
    #[error("the kernel map has no room for more interfaces: raise maps.interfaces")]
    InterfaceMapFull,
    /// Neither hook nor fallback could be attached.
    #[error("cannot attach to {interface} with {hook}")]
    Attach {
        /// The interface's name.
        interface: String,
        /// The hook that was tried last.
        hook: &'static str,
        /// What the kernel or the loader said.
        #[source]
        source: ProgramError,
    },
    /// Another agent already has its filters on the interface (kernels without TCX).
    #[error(
        "another netweir meters {interface} through clsact; stop it first, or use --hook tracepoint"
    )]
    Busy {
        /// The interface's name.
        interface: String,
    },
    /// The interface's frames begin with a header that the parser does not know.
    #[error("{interface} has link type {kind} (ARPHRD), which cannot be metered")]
    LinkType {
        /// The interface's name.
        interface: String,
        /// The hardware type number.
        kind: u16,
    },
    /// An interface was named that does not exist.
    #[error("no interface {name} in {netns}; `netweir interfaces` lists them")]
    NoInterface {
        /// The name or pattern.
        name: String,
        /// The namespace that was searched.
        netns: String,
    },
    /// There is no default route to take the default interface from.
    #[error("there is no default route; name an interface with --iface, or `--iface any`")]
    NoDefaultRoute,
    /// A pattern for interface names could not be understood.
    #[error("{pattern} is not a pattern for interface names")]
    Pattern {
        /// What was given.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: globset::Error,
    },
    /// A network namespace could not be opened or entered.
    #[error("cannot enter the network namespace {name}; `ip netns list` shows the named ones")]
    Netns {
        /// What was given.
        name: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The kernel did not answer over netlink.
    #[error("cannot ask the kernel for its interfaces over netlink")]
    Netlink(#[source] io::Error),
    /// The kernel's type information is missing or lacks a field that programs at tracepoints need.
    #[error("tracepoints need the kernel's type information: {missing}")]
    Btf {
        /// What is missing.
        missing: String,
    },
    /// The directory of pins is on no BPF file system.
    #[error(
        "{path} is not on a BPF file system: `mount -t bpf bpf /sys/fs/bpf`, or name a place on one \
         with --set pins.directory=PATH"
    )]
    NoBpffs {
        /// The directory.
        path: PathBuf,
    },
    /// Something could not be pinned, or what is pinned could not be used.
    #[error("cannot use the pin {path}")]
    Pin {
        /// Where it is.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The kernel has no links for the hook, which alone could be pinned (XDP: Linux 5.9).
    #[error("this kernel cannot keep programs at this hook without a process: try --hook tc")]
    NoLinks,
    /// The interface is pinned already.
    #[error(
        "{interface} is attached to already; `netweir status` shows it, `netweir detach --iface \
         {interface}` ends it"
    )]
    Pinned {
        /// The interface's name.
        interface: String,
    },
    /// The interface is not pinned.
    #[error("{interface} is not attached to; `netweir status` shows what is")]
    NotPinned {
        /// The interface's name.
        interface: String,
    },
    /// What is pinned belongs to an interface of the same name in another place.
    #[error(
        "{interface} is pinned, but that is {of}: `netweir detach --iface {interface}` removes it, or \
         take another directory with --set pins.directory=PATH"
    )]
    OtherPins {
        /// The interface's name.
        interface: String,
        /// What is pinned.
        of: String,
    },
    /// The namespace of pinned filters cannot be found.
    #[error(
        "the filters of {interface} are in the network namespace {netns}, which cannot be found: name \
         it with --netns, or, if it is gone, `netweir detach --gone --iface {interface}`"
    )]
    LostNamespace {
        /// The interface's name.
        interface: String,
        /// The inode number of the namespace.
        netns: u32,
    },
    /// Another process uses what is pinned.
    #[error("the pins of {interface} are in use by {by}; stop it first")]
    PinsBusy {
        /// The interface's name.
        interface: String,
        /// Which process.
        by: String,
    },
    /// What is pinned was made by an older version.
    #[error(
        "the pins of {interface} have ABI {abi}: `netweir attach --upgrade --iface {interface}` or \
         `netweir run` takes them over"
    )]
    OlderPins {
        /// The interface's name.
        interface: String,
        /// Their ABI.
        abi: u32,
    },
    /// What is pinned was made by a version that is too new, or too old.
    #[error(
        "the pins of {interface} have ABI {abi}, which this netweir (ABI {wanted}) cannot take over: \
         use the version that made them"
    )]
    UnknownPins {
        /// The interface's name.
        interface: String,
        /// Their ABI.
        abi: u32,
        /// Ours.
        wanted: u32,
    },
    /// A migration was begun by another version.
    #[error(
        "the pins of {interface} were being taken over by a netweir of ABI {abi}: start that once, to \
         end it"
    )]
    HalfMigrated {
        /// The interface's name.
        interface: String,
        /// The ABI that it leads to.
        abi: u32,
    },
    /// What is pinned counts otherwise than is wanted now.
    #[error(
        "{interface} was attached to with {what}: start with the same, or detach it and attach anew"
    )]
    PinnedOtherwise {
        /// The interface's name.
        interface: String,
        /// Which setting, and what it was.
        what: String,
    },
    /// Frames are to go by user space without being copied, behind the driver.
    #[error("behind the driver (generic XDP) frames are copied: attach with `--xdp native`")]
    CopiedBehindDriver,
    /// Frames are to go on behind a driver that merges them.
    #[error(
        "{interface} merges what it receives (GRO), and that is too long to go on behind its driver (generic \
         XDP): `ethtool -K {interface} gro off`"
    )]
    Merges {
        /// The interface's name.
        interface: String,
    },
    /// Something that is wanted cannot be pinned.
    #[error(
        "the tracepoints see all interfaces at once and cannot be pinned: use --hook tc or xdp"
    )]
    NotPinnable,
    /// An interface that the machine itself needs was to be a part of the inline path.
    #[error(
        "{interface} has the default route of this machine, which all frames would pass by: the inline \
         path needs two interfaces of its own"
    )]
    InlineDefault {
        /// The interface's name.
        interface: String,
    },
    /// Files of others are in a directory that should be removed.
    #[error("{path} holds what netweir has not made ({files}); that stays")]
    ForeignFiles {
        /// The directory.
        path: PathBuf,
        /// Their names.
        files: String,
    },
    /// A privilege is missing.
    #[error(
        "not permitted: metering needs root (try sudo), or the capabilities CAP_BPF, CAP_NET_ADMIN \
         and CAP_PERFMON; `netweir replay FILE` and `netweir demo` work without"
    )]
    NotPermitted,
    /// A system call failed.
    #[error("cannot {action}")]
    System {
        /// What the agent was doing.
        action: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Whether the interface went away before it could be attached to.
    pub(crate) fn is_gone(&self) -> bool {
        let Self::Attach { source, .. } = self else {
            return matches!(self, Self::Gone);
        };
        let error = match source {
            ProgramError::TcError(TcError::IoError(error)) => error,
            ProgramError::SyscallError(error) => &error.io_error,
            _ => return false,
        };
        error.raw_os_error() == Some(libc::ENODEV)
    }

    /// Whether the hook itself is what is missing, so that another hook may work.
    pub(crate) fn is_of_hook(&self) -> bool {
        matches!(self, Self::Attach { .. } | Self::Program { .. }) && !self.is_gone()
    }
}

/// What a person can do about an object that the kernel would not take.
fn hint(error: &aya::EbpfError) -> &'static str {
    if format!("{error:?}").contains("PermissionDenied") {
        " (is the memory lock limit too low, or a capability missing?)"
    } else {
        ""
    }
}

/// Attaches what the agent was doing to a failed system call.
pub(crate) trait Doing<T> {
    fn doing(self, action: &'static str) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, action: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::System {
            action,
            source: source.into(),
        })
    }
}

/// An error with its causes on one line, for the log.
pub(crate) struct Chain<'a>(pub(crate) &'a Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = std::error::Error::source(self.0);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
