//! Attaching for good.
//!
//! What is being made says so until all of it is there: whoever finds it half made may remove it, since
//! nobody makes it who does not hold the lock.

use std::{
    os::fd::{AsFd, OwnedFd},
    slice,
};

use aya::programs::SchedClassifier;
use netweir_flow::Hook;
use netweir_wire::map::{About, Phase};

use super::{
    Claim, Folder, Pins, Places, State,
    about::{ON_GENERIC, ON_NATIVE, hook_number, keys, pinned_about},
    detach::{detach_links, remove_half},
    filter,
    held::name_of,
};
use crate::{
    Error, Netns, Settings,
    attach::{
        Attachment, HookChoice, MapSizes, Modes, Object, Purpose, TcMode, XdpChoice, attach_inline,
        link_type, tc_programs,
    },
    collect::Collector,
    error::{Chain, Doing},
    inline::Slots,
    ioctl, sys,
    watch::Device,
};

/// Interfaces that a load for a single one has room for, each direction counting as one.
const INTERFACES: u32 = 16;

/// What is to be made.
#[derive(Clone, Copy)]
pub(super) enum Wish<'a> {
    /// What only counts.
    Count(HookChoice),
    /// What sends frames on to this interface; tapped ones too, or (closed) not before there is a process. In the
    /// driver, or (generic XDP is asked for) behind it.
    Inline(&'a Device, bool),
}

/// Attaches to an interface and pins all that counting takes; says which hook was taken.
///
/// # Errors
/// [`Error::Pinned`] and others where there are pins already; whatever keeps an agent from attaching, too.
/// What was made until then is removed.
pub fn attach(
    folder: &Folder,
    (netns, device): (&Netns, &Device),
    settings: &Settings,
    choice: HookChoice,
) -> Result<Hook, Error> {
    if choice == HookChoice::Tracepoint {
        return Err(Error::NotPinnable);
    }
    link_type(device)?;
    attach_as(folder, (netns, device), settings, Wish::Count(choice))
}

/// Attaches and pins what is wished for.
pub(super) fn attach_as(
    folder: &Folder,
    (netns, device): (&Netns, &Device),
    settings: &Settings,
    wish: Wish<'_>,
) -> Result<Hook, Error> {
    // It may have had another name then.
    let pinned = name_of(folder, netns, device);
    if let Some(interface) = pinned.filter(|name| *name != device.name) {
        return Err(Error::Pinned { interface });
    }
    let claim = folder.claim_new(&device.name)?;
    match claim.state(slice::from_ref(netns)) {
        Ok(State::Free) => {}
        Ok(State::Older(pins, _)) => {
            return Err(Error::OlderPins {
                interface: device.name.clone(),
                abi: pins.abi(),
            });
        }
        Ok(State::Attached(pins)) => {
            let about = pins.about()?;
            let is_it = (about.netns, about.ifindex) == (netns.inode(), device.ifindex);
            if !is_it || pins.is_hanging(&about, Some(netns)) == Some(false) {
                return Err(other_pins(&device.name, &about, netns));
            }
            return Err(Error::Pinned {
                interface: device.name.clone(),
            });
        }
        Err(error) => return Err(error),
    }
    let made = make(&claim, (netns, device), settings, wish);
    if made.is_err() {
        // It says why itself, and leaves nothing of others.
        let _kept = claim.remove();
    }
    made
}

/// Why pins of that name are not those of an interface.
pub(super) fn other_pins(interface: &str, about: &About, netns: &Netns) -> Error {
    let of = if about.netns == netns.inode() {
        "an interface that is gone".to_owned()
    } else {
        format!("one of the network namespace {}", about.netns)
    };
    Error::OtherPins {
        interface: interface.to_owned(),
        of,
    }
}

/// Makes everything, or nothing.
fn make(
    claim: &Claim,
    (netns, device): (&Netns, &Device),
    settings: &Settings,
    wish: Wish<'_>,
) -> Result<Hook, Error> {
    let (purpose, choice, other) = purpose((netns, device), settings, wish);
    let sizes = MapSizes {
        interfaces: settings.maps.interfaces.min(INTERFACES),
        ..settings.maps
    };
    let (mut object, mut collector) = settings.load_sized(&purpose, sizes)?;
    let about = About {
        sizes: [
            sizes.cache,
            sizes.flows,
            sizes.ring,
            sizes.quic,
            sizes.interfaces,
        ],
        other,
        ..pinned_about((netns.inode(), device), settings, choice, &object)
    };
    let about = About {
        mode: match purpose {
            Purpose::Inline { generic: true, .. } => ON_GENERIC,
            Purpose::Inline { .. } => ON_NATIVE,
            Purpose::Interfaces { .. } | Purpose::Tracepoints { .. } => about.mode,
        },
        ..about
    };
    let pins = claim.make(about.abi)?;
    let made = pin_maps(&pins, &about, &collector).and_then(|()| {
        let names = settings.names(&device.name);
        for key in keys(&about) {
            collector.add_named_interface(key, names)?;
        }
        let hook = netns.enter(|| match wish {
            Wish::Count(choice) => hang(&pins, (&mut object, device), settings.modes, choice),
            Wish::Inline(other, closed) => {
                let generic = settings.modes.xdp == XdpChoice::Generic;
                let wish = (other, closed, generic);
                hang_inline(&pins, (&mut object, device), wish)
            }
        })??;
        let about = pins.about()?;
        pins.set_about(&About {
            hook: hook_number(hook),
            phase: Phase::Attached as u32,
            ..about
        })?;
        Ok(hook)
    });
    made.inspect_err(|_| {
        let places = Places {
            known: slice::from_ref(netns),
            others_are_gone: false,
        };
        detach_links(&pins);
        if let Err(error) = remove_half(&pins, Some(&about), places) {
            tracing::warn!(error = %Chain(&error), "a part of what was made is left behind");
        }
    })
}

/// What the object is loaded for, the hook, and the interface that frames go on to.
fn purpose(
    (netns, device): (&Netns, &Device),
    settings: &Settings,
    wish: Wish<'_>,
) -> (Purpose, HookChoice, u32) {
    match wish {
        Wish::Count(choice) => {
            let netns = netns.inode();
            (Purpose::Interfaces { netns }, choice, 0)
        }
        Wish::Inline(other, _) => {
            let purpose = Purpose::Inline {
                netns: netns.inode(),
                ifindex: device.ifindex,
                other: other.ifindex,
                generic: settings.modes.xdp == XdpChoice::Generic,
            };
            (purpose, HookChoice::Xdp, other.ifindex)
        }
    }
}

/// Pins the maps, and says what they are.
pub(super) fn pin_maps(pins: &Pins, about: &About, collector: &Collector) -> Result<(), Error> {
    pins.make_array(netweir_wire::name::ABOUT, size_of::<About>(), 1)?;
    pins.set_about(about)?;
    for (name, map) in collector.maps().descriptors() {
        pins.pin(name, map)?;
    }
    let [.., interfaces] = about.sizes;
    pins.make_kept(interfaces)
}

/// Attaches, and pins programs and links; from inside the namespace.
fn hang(
    pins: &Pins,
    (object, device): (&mut Object, &Device),
    modes: Modes,
    choice: HookChoice,
) -> Result<Hook, Error> {
    if choice == HookChoice::Xdp {
        let ways: &[XdpChoice] = match modes.xdp {
            XdpChoice::Auto => &[XdpChoice::Native, XdpChoice::Generic],
            XdpChoice::Native => &[XdpChoice::Native],
            XdpChoice::Generic => &[XdpChoice::Generic],
        };
        let mut last = Error::NotPinnable;
        for &xdp in ways {
            let modes = Modes { xdp, ..modes };
            match Attachment::new(object, device, choice, modes) {
                Ok(attachment) => return hang_links(pins, object, attachment),
                Err(error) => last = error,
            }
        }
        if modes.xdp != XdpChoice::Auto {
            return Err(last);
        }
        tracing::warn!(interface = device.name, error = %Chain(&last), "XDP cannot be attached, taking TC");
    }
    if modes.tc == TcMode::Clsact {
        return hang_filters(pins, object, device);
    }
    // Filters of clsact last by themselves, and are told apart from those of agents.
    let links = Modes {
        tc: TcMode::Tcx,
        ..modes
    };
    match Attachment::new(object, device, HookChoice::Tc, links) {
        Ok(attachment) => hang_links(pins, object, attachment),
        Err(error) if modes.tc == TcMode::Auto && !error.is_gone() => {
            tracing::debug!(interface = device.name, error = %Chain(&error), "no TCX here, taking clsact");
            hang_filters(pins, object, device)
        }
        Err(error) => Err(error),
    }
}

/// The same for frames that go on to another interface; from inside the namespace.
fn hang_inline(
    pins: &Pins,
    (object, device): (&mut Object, &Device),
    (other, closed, generic): (&Device, bool, bool),
) -> Result<Hook, Error> {
    let maps = object.inline.as_ref().ok_or(Error::Broken)?;
    for (name, map) in maps.descriptors() {
        pins.pin(name, map)?;
        if name == netweir_wire::name::INLINE_WAY {
            let set = sys::set_target(map, 0, other.ifindex);
            set.doing("tell the kernel where frames go on to")?;
        }
        if name == netweir_wire::name::TAP_SLOTS {
            let slots = Slots::new(map)?;
            slots.set_closed(closed);
            slots.set_dropped_before(other.statistics.sent_dropped);
        }
    }
    let attachment = attach_inline(object, device, generic)?;
    let doing = "let an interface take frames for others";
    if !ioctl::is_promiscuous(&device.name).doing(doing)? {
        let about = pins.about()?;
        // Said before it is so: whoever removes this sets it back.
        pins.set_about(&About {
            promiscuous: 1,
            ..about
        })?;
        ioctl::set_promiscuous(&device.name, true).doing(doing)?;
    }
    hang_links(pins, object, attachment)
}

/// Pins what was attached.
fn hang_links(pins: &Pins, object: &Object, attachment: Attachment) -> Result<Hook, Error> {
    let hook = attachment.hook;
    for name in &attachment.programs {
        pins.pin(name, program(object, name)?.as_fd())?;
    }
    attachment.pin(&pins.links(hook))?;
    Ok(hook)
}

/// The same with filters of clsact.
fn hang_filters(pins: &Pins, object: &mut Object, device: &Device) -> Result<Hook, Error> {
    let names = tc_programs(link_type(device)?);
    let mut programs = Vec::new();
    for name in names {
        object.program(name, SchedClassifier::load)?;
        let program = program(object, name)?;
        pins.pin(name, program.as_fd())?;
        programs.push(program);
    }
    let about = pins.about()?;
    // Said before it is so: whoever goes on with this removes the qdisc only where it is empty.
    let mut about = About {
        hook: hook_number(Hook::Clsact),
        qdisc: (!filter::has_qdisc(device.ifindex)?).into(),
        ..about
    };
    pins.set_about(&about)?;
    if !filter::add_qdisc(device.ifindex)? && about.qdisc != 0 {
        // Somebody else was quicker.
        about.qdisc = 0;
        pins.set_about(&about)?;
    }
    let programs = programs.try_into().map_err(|_| Error::Broken)?;
    filter::add(device.ifindex, &programs)?;
    Ok(Hook::Clsact)
}

/// A descriptor of a program that is loaded.
pub(super) fn program(object: &Object, name: &'static str) -> Result<OwnedFd, Error> {
    let program = object.loaded(name)?;
    program
        .as_fd()
        .try_clone_to_owned()
        .doing("share a program")
}
