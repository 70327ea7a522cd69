//! The inline path: two interfaces, of each of which all frames go on to the other one.

use netweir_flow::Hook;
use netweir_wire::{map::Phase, version};

use super::{
    Folder, Pins, Places,
    about::is_generic,
    attach::{Wish, attach_as},
    detach, hook,
};
use crate::{
    Error, Netns, Settings,
    attach::{XdpChoice, link_type},
    error::{Chain, Doing},
    ioctl,
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
    let ways = ways(folder, netns, ends, settings.modes.xdp)?;
    let mut last = None;
    for xdp in ways {
        if let Some(error) = &last {
            tracing::warn!(error = %Chain(error), "frames cannot cross in the drivers, so it is tried behind them");
        }
        if xdp == XdpChoice::Generic {
            expect_unmerged(netns, ends)?;
        }
        let mut settings = settings.clone();
        settings.modes.xdp = xdp;
        match attach_both(folder, netns, ends, (&settings, closed)) {
            Err(error) if error.is_of_hook() => last = Some(error),
            done => return done,
        }
    }
    Err(last.unwrap_or(Error::NotPinnable))
}

/// The ways that come into question: in the drivers of both, or behind them.
fn ways(
    folder: &Folder,
    netns: &Netns,
    ends: [&Device; 2],
    asked: XdpChoice,
) -> Result<Vec<XdpChoice>, Error> {
    // What is there already goes on as it is.
    for device in ends {
        let Some(pins) = inline_of(folder, netns, device) else {
            continue;
        };
        let (there, what) = match is_generic(&pins.about()?) {
            true => (XdpChoice::Generic, "xdp = generic"),
            false => (XdpChoice::Native, "xdp = native"),
        };
        if asked != XdpChoice::Auto && asked != there {
            return Err(Error::PinnedOtherwise {
                interface: pins.interface().to_owned(),
                what: what.to_owned(),
            });
        }
        return Ok(vec![there]);
    }
    let is_veth = |device: &&Device| {
        let driver = netns.enter(|| ioctl::driver(&device.name));
        driver.is_ok_and(|driver| driver.is_ok_and(|driver| driver == "veth"))
    };
    Ok(match asked {
        // The driver copies each frame that a program of this host sends before it shows it to XDP.
        XdpChoice::Auto if ends.iter().any(is_veth) => vec![XdpChoice::Generic],
        XdpChoice::Auto => vec![XdpChoice::Native, XdpChoice::Generic],
        one => vec![one],
    })
}

/// That no interface merges what it receives: behind the driver the kernel sends nothing on that is longer than
/// the MTU.
fn expect_unmerged(netns: &Netns, ends: [&Device; 2]) -> Result<(), Error> {
    for device in ends {
        let merges = netns.enter(|| ioctl::merges(&device.name))?;
        if merges.doing("ask whether an interface merges packets")? {
            return Err(Error::Merges {
                interface: device.name.clone(),
            });
        }
    }
    Ok(())
}

/// The same in one way.
fn attach_both(
    folder: &Folder,
    netns: &Netns,
    ends: [&Device; 2],
    (settings, closed): (&Settings, bool),
) -> Result<bool, Error> {
    let mut made = Vec::new();
    for (device, other) in [(ends[0], ends[1]), (ends[1], ends[0])] {
        if is_there(folder, netns, (device, other)) {
            continue;
        }
        let wish = Wish::Inline(other, closed);
        if let Err(error) = attach_as(folder, (netns, device), settings, wish) {
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

/// Whether frames of an interface go on to another one behind its driver.
pub fn is_inline_generic(folder: &Folder, netns: &Netns, device: &Device) -> bool {
    let about = inline_of(folder, netns, device).map(|pins| pins.about());
    matches!(about, Some(Ok(about)) if is_generic(&about))
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
