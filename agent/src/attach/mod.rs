//! Attaching the kernel programs to interfaces and tracepoints.
//!
//! Each file is one hook; each tries its best way first and says which way it took. Everything is
//! detached when its value is dropped; on kernels with BPF links the kernel itself sees to that when
//! the process dies.

mod btf;
mod clock;
mod clsact;
mod inline;
mod layout;
mod object;
mod patch;
mod purpose;
mod size;
mod table;
mod tc;
mod tracepoint;
mod xdp;

use std::path::PathBuf;

use aya::programs::links::{FdLink, LinkError};
use netweir_flow::Hook;
use netweir_wire::packet::LinkType;

pub use tc::TcMode;
pub use xdp::XdpChoice;

pub(crate) use clock::tick_ns;
pub(crate) use inline::{MAP_NAMES as INLINE_MAP_NAMES, attach as attach_inline};
pub(crate) use layout::Layout;
pub use object::{Build, Object};
pub use purpose::{Purpose, Variant};
pub use size::MapSizes;
pub(crate) use tc::programs as tc_programs;
pub(crate) use tracepoint::attach as attach_tracepoints;

use crate::{Error, error::Chain, netns::Netns, watch::Device};

/// Which hook a person wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HookChoice {
    /// TC, which sees both directions and disturbs nothing; the tracepoints where TC fails.
    #[default]
    Auto,
    /// TC or nothing.
    Tc,
    /// XDP, native if the driver can, else generic; receive only.
    Xdp,
    /// The tracepoints of receive and transmit.
    Tracepoint,
}

/// How a hook is entered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// TC.
    pub tc: TcMode,
    /// XDP.
    pub xdp: XdpChoice,
}

/// Programs attached to one interface.
pub(crate) struct Attachment {
    /// The hook, and the way that was taken.
    pub(crate) hook: Hook,
    /// Names of the programs, ingress first.
    pub(crate) programs: Vec<&'static str>,
    links: Vec<AttachedLink>,
}

/// Kept to be dropped: that is what detaches.
enum AttachedLink {
    Tc(aya::programs::tc::SchedClassifierLink),
    Xdp(aya::programs::xdp::XdpLink),
    Trace(FdLink),
    Clsact(#[expect(dead_code, reason = "held for what dropping does")] clsact::Claim),
}

impl Attachment {
    /// Attaches to an interface with TC or XDP, from inside its namespace.
    pub(crate) fn new(
        object: &mut Object,
        device: &Device,
        choice: HookChoice,
        modes: Modes,
    ) -> Result<Self, Error> {
        let link = link_type(device)?;
        if choice != HookChoice::Xdp {
            return tc::attach(object, device, link, modes.tc);
        }
        if !matches!(link, LinkType::Ethernet) {
            let is_any = modes.xdp == XdpChoice::Auto;
            return match is_any {
                true => tc::attach(object, device, link, modes.tc),
                false => Err(Error::LinkType {
                    interface: device.name.clone(),
                    kind: device.kind,
                }),
            };
        }
        match xdp::attach(object, device, modes.xdp) {
            Err(error) if modes.xdp == XdpChoice::Auto => {
                tracing::warn!(interface = device.name, error = %Chain(&error), "XDP cannot be attached, taking TC");
                tc::attach(object, device, link, modes.tc)
            }
            attached => attached,
        }
    }

    /// Pins the links, ingress first, and lets go of them: what is pinned stays.
    pub(crate) fn pin(self, paths: &[PathBuf]) -> Result<(), Error> {
        let pinned = self.links.into_iter().zip(paths).map(|(link, path)| {
            let link = match link {
                AttachedLink::Tc(link) => FdLink::try_from(link),
                AttachedLink::Xdp(link) => FdLink::try_from(link),
                AttachedLink::Trace(link) => Ok(link),
                AttachedLink::Clsact(_) => Err(LinkError::InvalidLink),
            };
            // What is no link of the kernel ends with its process.
            let link = link.map_err(|_| Error::NoLinks)?;
            link.pin(path).map(drop).map_err(|error| Error::Pin {
                path: path.clone(),
                source: std::io::Error::other(error),
            })
        });
        pinned.collect()
    }

    /// Detaches, from inside the interface's namespace.
    pub(crate) fn detach(self, netns: &Netns) {
        // A filter of clsact is removed over netlink, which looks for it in the thread's namespace.
        let links = self.links;
        if let Err(error) = netns.enter(move || drop(links)) {
            tracing::warn!(%netns, %error, "the namespace is gone, and with it what was attached");
        }
    }
}

/// Names of the hooks that a device can be metered at, by what it is.
pub fn hooks(device: &Device) -> Vec<&'static str> {
    match link_type(device) {
        Ok(LinkType::Ethernet) => vec!["tc", "xdp", "tracepoint"],
        Ok(_) => vec!["tc", "tracepoint"],
        Err(_) => Vec::new(),
    }
}

/// How the frames of a device begin, by its hardware type (`ARPHRD_` of `linux/if_arp.h`).
pub(crate) fn link_type(device: &Device) -> Result<LinkType, Error> {
    match device.kind {
        // Ethernet and loopback.
        1 | 772 => Ok(LinkType::Ethernet),
        // PPP, raw IP, tunnels (IPIP, IPv6, SIT, GRE, GRE over IPv6) and devices without a header.
        512 | 519 | 768 | 769 | 776 | 778 | 823 | 0xfffe => Ok(LinkType::Ip),
        kind => Err(Error::LinkType {
            interface: device.name.clone(),
            kind,
        }),
    }
}
