//! Removing exactly what was attached.

use std::os::fd::AsFd;

use netweir_wire::{
    map::{About, Phase},
    version,
};

use super::{Folder, Pins, filter, pins::LINKS};
use crate::{
    Error, Netns,
    error::{Chain, Doing},
    ioctl, netns, sys, watch,
};

/// Where filters of clsact may be, which no pin holds; links are found anywhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places<'a> {
    /// Namespaces beside the own one and those that have a name or a process.
    pub known: &'a [Netns],
    /// Whether those that are not among them are gone.
    pub others_are_gone: bool,
}

/// Detaches from an interface, which may be gone, and removes its pins; whatever else lies there stays.
/// What an attachment that was killed has left is removed as well.
///
/// # Errors
/// [`Error::NotPinned`], [`Error::PinsBusy`], or the pins were made by a newer version.
/// [`Error::ForeignFiles`] where all is detached, and files of others stay.
pub fn detach(folder: &Folder, interface: &str, places: Places<'_>) -> Result<(), Error> {
    let missing = || Error::NotPinned {
        interface: interface.to_owned(),
    };
    let claim = folder.claim(interface)?.ok_or_else(missing)?;
    let all = claim.pins()?;
    // Newer ones may have something that is not known here: then nothing is touched.
    if let Some(newer) = all.iter().find(|pins| pins.abi() > version::ABI) {
        return Err(Error::UnknownPins {
            interface: interface.to_owned(),
            abi: newer.abi(),
            wanted: version::ABI,
        });
    }
    let (mut result, mut foreign) = (Ok(()), Ok(()));
    for pins in &all {
        let about = pins.about().ok();
        detach_links(pins);
        match remove_half(pins, about.as_ref(), places) {
            left @ Err(Error::ForeignFiles { .. }) => foreign = left,
            removed => result = result.and(removed),
        }
    }
    result.and(foreign)?;
    let removed = claim.remove();
    if all.is_empty() {
        return Err(missing());
    }
    removed
}

/// Takes the programs out of the links at once. Not where other pins go on with the same links.
pub(super) fn detach_links(pins: &Pins) {
    for link in LINKS {
        let Ok(link) = pins.open(link) else { continue };
        // Whoever finds a part of it is to go on with this.
        let _without = pins.set_phase(Phase::Making);
        // One whose interface is gone has no program any more.
        if let Err(error) = sys::detach_link(link.as_fd()) {
            tracing::debug!(interface = pins.interface(), %error, "the link is let go by its pin alone");
        }
    }
}

/// Removes pins, and the filters that no pin holds.
pub(super) fn remove_half(
    pins: &Pins,
    about: Option<&About>,
    places: Places<'_>,
) -> Result<(), Error> {
    if let Some(about) = about {
        remove_filters(pins, about, places)?;
        take_own_alone(about, places);
    }
    pins.remove()
}

/// Removes the filters that have the programs of these pins, if the interface has any.
fn remove_filters(pins: &Pins, about: &About, places: Places<'_>) -> Result<(), Error> {
    let ids: Vec<u32> = pins
        .programs()
        .filter_map(|name| filter::id(&pins.path_of(name)))
        .collect();
    if super::hook(about) != netweir_flow::Hook::Clsact {
        return Ok(());
    }
    let [ingress, egress] = match ids.as_slice() {
        [ingress, egress] => [*ingress, *egress],
        [only] => [*only; 2],
        _ => return Ok(()),
    };
    let remove = || {
        // Whoever finds a part of it is to go on with this.
        pins.set_phase(Phase::Making)?;
        filter::remove(about.ifindex, [ingress, egress], about.qdisc != 0)
    };
    let mut known = places.known.iter();
    if let Some(netns) = known.find(|netns| netns.inode() == about.netns) {
        return netns.enter(remove)?;
    }
    match netns_of(about)? {
        Some(netns) => netns.enter(remove)?,
        // With a namespace its filters go.
        None if places.others_are_gone => Ok(()),
        None => Err(Error::LostNamespace {
            interface: pins.interface().to_owned(),
            netns: about.netns,
        }),
    }
}

/// Lets an interface take no frames for others any more, as it was before.
fn take_own_alone(about: &About, places: Places<'_>) {
    if about.promiscuous == 0 {
        return;
    }
    let set = || {
        // What is gone takes none.
        let name = watch::name_of(about.ifindex);
        let set = name.map_or(Ok(()), |name| ioctl::set_promiscuous(&name, false));
        set.doing("let an interface take its own frames alone")
    };
    let mut known = places.known.iter();
    let entered = match known.find(|netns| netns.inode() == about.netns) {
        Some(netns) => netns.enter(set),
        None => match netns_of(about) {
            Ok(Some(netns)) => netns.enter(set),
            // With a namespace its interfaces go.
            Ok(None) => return,
            Err(error) => Err(error),
        },
    };
    if let Err(error) = entered.flatten() {
        tracing::warn!(ifindex = about.ifindex, error = %Chain(&error), "the interface still takes frames for others");
    }
}

fn netns_of(about: &About) -> Result<Option<Netns>, Error> {
    let own = Netns::current()?;
    if own.inode() == about.netns {
        return Ok(Some(own));
    }
    Ok(netns::find(about.netns))
}
