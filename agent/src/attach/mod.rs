//! Attaching the kernel programs to interfaces and tracepoints.
//!
//! Each file is one hook; each tries its best way first and says which way it took. Everything is
//! detached when its value is dropped; on kernels with BPF links the kernel itself sees to that when
//! the process dies.

mod btf;
mod clsact;
mod layout;
mod object;
mod patch;
mod size;
mod table;
mod tc;
mod tracepoint;
mod xdp;

use netweir_flow::Hook;
use netweir_wire::packet::LinkType;

pub use tc::TcMode;

pub(crate) use layout::Layout;
pub use object::{Object, Purpose, Variant};
pub use size::MapSizes;
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

/// Programs attached to one interface.
pub(crate) struct Attachment {
    /// The hook, and the way that was taken.
    pub(crate) hook: Hook,
    links: Vec<AttachedLink>,
}

/// Kept only to be dropped: that is what detaches.
#[expect(dead_code, reason = "held for what dropping does")]
enum AttachedLink {
    Tc(aya::programs::tc::SchedClassifierLink),
    Xdp(aya::programs::xdp::XdpLink),
    Clsact(clsact::Claim),
}

impl Attachment {
    /// Attaches to an interface with TC or XDP, from inside its namespace.
    pub(crate) fn new(
        object: &mut Object,
        device: &Device,
        choice: HookChoice,
        mode: TcMode,
    ) -> Result<Self, Error> {
        let link = link_type(device)?;
        match choice {
            HookChoice::Xdp if matches!(link, LinkType::Ethernet) => xdp::attach(object, device)
                .or_else(|error| {
                    tracing::warn!(interface = device.name, error = %Chain(&error), "no XDP here, taking TC");
                    tc::attach(object, device, link, mode)
                }),
            _ => tc::attach(object, device, link, mode),
        }
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
fn link_type(device: &Device) -> Result<LinkType, Error> {
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
