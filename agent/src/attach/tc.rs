//! TC in both directions: TCX where the kernel has it, else clsact.

use aya::programs::{
    LinkOrder, SchedClassifier, TcAttachType,
    tc::{NlOptions, SchedClassifierLink, TcAttachOptions},
};
use netweir_flow::Hook;
use netweir_wire::{name, packet::LinkType};

use super::{AttachedLink, Attachment, clsact, object::Object};
use crate::{Error, error::Chain, watch::Device};

/// How programs are put into TC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TcMode {
    /// TCX, and clsact where the kernel lacks it.
    #[default]
    Auto,
    /// TCX (Linux 6.6) or nothing.
    Tcx,
    /// The clsact qdisc.
    Clsact,
}

/// Attaches to both directions of a device.
pub(super) fn attach(
    object: &mut Object,
    device: &Device,
    link: LinkType,
    mode: TcMode,
) -> Result<Attachment, Error> {
    if mode == TcMode::Clsact {
        return attach_clsact(object, device, link);
    }
    match attach_both(object, device, link, &tcx) {
        Ok(links) => Ok(Attachment {
            hook: Hook::Tcx,
            programs: programs(link).to_vec(),
            links,
        }),
        // Of one that is gone the name may be another's by now.
        Err(error) if mode == TcMode::Auto && !error.is_gone() => {
            tracing::debug!(interface = device.name, error = %Chain(&error), "no TCX here, taking clsact");
            attach_clsact(object, device, link)
        }
        Err(error) => Err(error),
    }
}

fn attach_clsact(
    object: &mut Object,
    device: &Device,
    link: LinkType,
) -> Result<Attachment, Error> {
    let claim = clsact::claim(device)?;
    let mut links = attach_both(object, device, link, &netlink)?;
    // Last in the list, so that it is dropped when the filters are gone.
    links.push(AttachedLink::Clsact(claim));
    Ok(Attachment {
        hook: Hook::Clsact,
        programs: programs(link).to_vec(),
        links,
    })
}

/// The programs of both directions, for frames that begin so.
pub(crate) const fn programs(link: LinkType) -> [&'static str; 2] {
    match link {
        LinkType::Ethernet => [name::TC_INGRESS, name::TC_EGRESS],
        _ => [name::TC_INGRESS_IP, name::TC_EGRESS_IP],
    }
}

/// Behind the programs of others: what they drop was not let in.
fn tcx() -> TcAttachOptions {
    TcAttachOptions::TcxOrder(LinkOrder::default())
}

/// A priority of our own choosing could be somebody else's: the kernel picks a free one.
fn netlink() -> TcAttachOptions {
    TcAttachOptions::Netlink(NlOptions::default())
}

fn attach_both(
    object: &mut Object,
    device: &Device,
    link: LinkType,
    options: &dyn Fn() -> TcAttachOptions,
) -> Result<Vec<AttachedLink>, Error> {
    let [ingress, egress] = programs(link);
    let ingress = attach_one(object, device, (ingress, TcAttachType::Ingress), options())?;
    let egress = attach_one(object, device, (egress, TcAttachType::Egress), options())?;
    Ok(vec![AttachedLink::Tc(ingress), AttachedLink::Tc(egress)])
}

fn attach_one(
    object: &mut Object,
    device: &Device,
    (name, place): (&'static str, TcAttachType),
    options: TcAttachOptions,
) -> Result<SchedClassifierLink, Error> {
    let program = object.program(name, SchedClassifier::load)?;
    let attached = program
        .attach_with_options(&device.name, place, options)
        .and_then(|link| program.take_link(link));
    attached.map_err(|source| Error::Attach {
        interface: device.name.clone(),
        hook: "tc",
        source,
    })
}
