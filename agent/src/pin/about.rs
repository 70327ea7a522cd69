//! What is said of pins beside them.

use netweir_flow::Hook;
use netweir_wire::map::{About, Direction, INTERFACE_NAME_BYTES, InterfaceKey, Phase};
use rustix::time::{ClockId, clock_gettime};

use crate::{
    Settings,
    attach::{HookChoice, MapSizes, Modes, Object, TcMode, Variant, XdpChoice},
    watch::Device,
};

/// Hooks by their number in [`About::hook`].
const HOOKS: [Hook; 5] = [
    Hook::Tcx,
    Hook::Clsact,
    Hook::XdpNative,
    Hook::XdpGeneric,
    Hook::Inline,
];

/// [`About::mode`] where frames go on in the driver, and behind it. (Older versions, which knew of the driver
/// alone, have other numbers.)
pub(super) const ON_NATIVE: u8 = 1;
pub(super) const ON_GENERIC: u8 = 3;

/// The hook that pins count at.
pub fn hook(about: &About) -> Hook {
    let hook = HOOKS.get(usize::from(about.hook)).copied();
    hook.unwrap_or(Hook::Unknown)
}

/// The number of a hook.
pub(super) fn hook_number(hook: Hook) -> u8 {
    let place = HOOKS.iter().position(|known| *known == hook);
    place.map_or(u8::MAX, |place| place as u8)
}

/// Nanoseconds of `CLOCK_BOOTTIME`, which goes on while the machine sleeps.
pub fn boot_ns() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// What is said of an interface that is to be pinned, before anything is.
pub fn pinned_about(
    (netns, device): (u32, &Device),
    settings: &Settings,
    choice: HookChoice,
    object: &Object,
) -> About {
    let mut interface = [0; INTERFACE_NAME_BYTES];
    let name = device.name.bytes().take(INTERFACE_NAME_BYTES - 1);
    interface
        .iter_mut()
        .zip(name)
        .for_each(|(to, byte)| *to = byte);
    let sizes = settings.maps;
    About {
        phase: Phase::Making as u32,
        attached_ns: boot_ns(),
        netns,
        ifindex: device.ifindex,
        interface,
        asked: asked(choice),
        mode: mode(choice, settings.modes),
        filters: settings.only.is_some().into(),
        layouts: settings.quic.layouts.is_some().into(),
        sampling: settings.sampling,
        heads_per_second: settings.rules.heads_per_second,
        sizes: [
            sizes.cache,
            sizes.flows,
            sizes.ring,
            sizes.quic,
            sizes.interfaces,
        ],
        ..of_object(About::default(), object)
    }
}

/// The same with what an object was loaded with.
pub(super) fn of_object(about: About, object: &Object) -> About {
    About {
        abi: object.abi,
        tick_ns: object.tick_ns,
        cache_flows: object.cache_flows,
        cache_cpus: object.cache_cpus,
        ring_bytes: object.ring_bytes,
        quic_bytes: object.quic_bytes,
        heads_bytes: object.heads_bytes,
        ..about
    }
}

const fn asked(choice: HookChoice) -> u8 {
    match choice {
        HookChoice::Auto | HookChoice::Tracepoint => 0,
        HookChoice::Tc => 1,
        HookChoice::Xdp => 2,
    }
}

/// Whether frames go on to another interface behind the driver.
pub fn is_generic(about: &About) -> bool {
    hook(about) == Hook::Inline && about.mode == ON_GENERIC
}

const fn mode(choice: HookChoice, modes: Modes) -> u8 {
    match (choice, modes.tc, modes.xdp) {
        (HookChoice::Xdp, _, XdpChoice::Native) => 1,
        (HookChoice::Xdp, _, XdpChoice::Generic) => 2,
        (HookChoice::Xdp, ..) => 0,
        (_, TcMode::Tcx, _) => 1,
        (_, TcMode::Clsact, _) => 2,
        _ => 0,
    }
}

/// What the programs do beside counting.
pub(super) const fn variant(about: &About) -> Variant {
    Variant {
        filters: about.filters != 0,
        sampling: about.sampling,
        layouts: about.layouts != 0,
        heads_per_second: about.heads_per_second,
    }
}

/// How large the maps were to be.
pub(super) const fn sizes(about: &About) -> MapSizes {
    let [cache, flows, ring, quic, interfaces] = about.sizes;
    MapSizes {
        cache,
        flows,
        ring,
        quic,
        interfaces,
    }
}

/// The keys of both directions.
pub(super) fn keys(about: &About) -> [InterfaceKey; 2] {
    [Direction::Ingress, Direction::Egress].map(|direction| InterfaceKey {
        netns: about.netns,
        ifindex: about.ifindex,
        direction: direction as u32,
    })
}
