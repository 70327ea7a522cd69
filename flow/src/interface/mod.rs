//! Interfaces: what is watched, how, and what each has counted.
//!
//! What an interface is comes from whoever attaches programs to it; what it counted comes from
//! batches. An interface that goes away stays, marked absent, with its totals; one that comes
//! back under another index is another one.

mod list;
mod state;

pub(crate) use list::Interfaces;
pub use state::{DirectionState, InterfaceState};

use netweir_wire::packet::LinkType;
use std::{fmt, sync::Arc};

/// Which interface: its index within its network namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceId {
    /// Inode number of the network namespace.
    pub netns: u32,
    /// Interface index within that namespace.
    pub ifindex: u32,
}

/// Where the packets of an interface are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// TC, attached by a TCX link.
    Tcx,
    /// TC, attached as a filter of the clsact queueing discipline.
    Clsact,
    /// XDP in the driver; ingress only.
    XdpNative,
    /// XDP behind the driver; ingress only.
    XdpGeneric,
    /// XDP in the driver, that sends frames on to another interface; ingress only.
    Inline,
    /// Tracepoints of the kernel's network core.
    Tracepoint,
    /// No kernel at all: a capture file.
    Replay,
    /// Not known: counters came before anyone told what they are of.
    Unknown,
}

impl Hook {
    /// The name that views, metrics and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
            Self::XdpNative => "xdp-native",
            Self::XdpGeneric => "xdp-generic",
            Self::Inline => "inline",
            Self::Tracepoint => "tracepoint",
            Self::Replay => "replay",
            Self::Unknown => "unknown",
        }
    }
}

impl Hook {
    /// Whether packets that a rule says are to be dropped are dropped there.
    pub const fn drops(self) -> bool {
        match self {
            Self::Tcx | Self::Clsact | Self::XdpNative | Self::XdpGeneric | Self::Inline => true,
            Self::Tracepoint | Self::Replay | Self::Unknown => false,
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What an interface is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Which one it is.
    pub id: InterfaceId,
    /// Its name; `if` and the index while nobody has told it.
    pub name: Arc<str>,
    /// Name of its network namespace, if that is another one than ours and has a name.
    pub netns_name: Option<String>,
    /// Where its packets are counted.
    pub hook: Hook,
    /// Whether it is a loopback device, which shows each packet at egress and at ingress.
    pub loopback: bool,
    /// What its frames begin with, if known.
    pub link: Option<LinkType>,
    /// Whether it exists now.
    pub present: bool,
}

impl Interface {
    /// An interface of which nothing but its counters is known.
    pub(crate) fn unknown(id: InterfaceId) -> Self {
        Self {
            id,
            name: unknown_name(id.ifindex),
            netns_name: None,
            hook: Hook::Unknown,
            loopback: false,
            link: None,
            present: true,
        }
    }
}

/// What an interface is called while nobody has told its name.
pub(crate) fn unknown_name(ifindex: u32) -> Arc<str> {
    format!("if{ifindex}").into()
}
