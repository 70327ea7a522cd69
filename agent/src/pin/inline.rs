//! The inline path: two interfaces, of each of which all frames go on to the other one.

use netweir_flow::Hook;
use netweir_wire::{map::Phase, version};

use super::{
    Folder, Pins, Places,
    attach::{Wish, attach_as},
    detach, hook,
};
use crate::{
    Error, Netns, Settings,
    attach::link_type,
    error::Chain,
    watch::{Device, default_route},
};

/// Lets all frames of each of two interfaces go on to the other one, where they do not already; says
/// whether anything was to be done. `closed` says that tapped frames are not to pass before there is a
/// [`crate::inline::Tap`].
///
/// # Errors
/// One of them is the interface of the default route, has pins of another kind, or the kernel refuses: then
/// nothing is attached that was not before.
pub fn attach_inline(
    folder: &Folder,
    netns: &Netns,
    ends: [&Device; 2],
    (settings, closed): (&Settings, bool),
) -> Result<bool, Error> {
    let default = default_route(netns)?;
    for device in ends {
        link_type(device)?;
        if default == Some(device.ifindex) {
            return Err(Error::InlineDefault {
                interface: device.name.clone(),
            });
        }
    }
    let mut made = Vec::new();
    for (device, other) in [(ends[0], ends[1]), (ends[1], ends[0])] {
        if is_there(folder, netns, (device, other)) {
            continue;
        }
        if let Err(error) = attach_as(
            folder,
            (netns, device),
            settings,
            Wish::Inline(other, closed),
        ) {
            made.into_iter()
                .for_each(|device| remove(folder, netns, device));
            return Err(error);
        }
        made.push(device);
    }
    Ok(!made.is_empty())
}

fn remove(folder: &Folder, netns: &Netns, device: &Device) {
    let places = Places {
        known: std::slice::from_ref(netns),
        others_are_gone: false,
    };
    if let Err(error) = detach(folder, &device.name, places) {
        tracing::warn!(interface = device.name, error = %Chain(&error), "a part of what was made is left behind");
    }
}

fn is_there(folder: &Folder, netns: &Netns, (device, other): (&Device, &Device)) -> bool {
    let Some(pins) = inline_of(folder, netns, device) else {
        return false;
    };
    let about = pins.about();
    about.is_ok_and(|about| {
        let hangs = pins.is_hanging(&about, Some(netns)) == Some(true);
        hangs && pins.missing(&about).is_empty() && about.other == other.ifindex
    })
}

/// The name under which it is pinned that frames of an interface go on to another one, if it is.
pub fn inline_name(folder: &Folder, netns: &Netns, device: &Device) -> Option<String> {
    let pins = inline_of(folder, netns, device)?;
    Some(pins.interface().to_owned())
}

/// The pins by which frames of an interface go on to another one, if there are such.
pub(crate) fn inline_of(folder: &Folder, netns: &Netns, device: &Device) -> Option<Pins> {
    let name = super::held::name_of(folder, netns, device)?;
    let all = folder.pins(&name).ok()?;
    all.into_iter().find(|pins| {
        let about = pins.about();
        pins.abi() == version::ABI
            && about.is_ok_and(|about| {
                let is_it = (about.netns, about.ifindex) == (netns.inode(), device.ifindex);
                is_it && about.phase == Phase::Attached as u32 && hook(&about) == Hook::Inline
            })
    })
}
