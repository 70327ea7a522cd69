//! The inline path: XDP that sends frames on to another interface, and the maps that only it has.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use aya::{
    Btf,
    programs::{BtfTracePoint, Xdp, XdpMode, links::FdLink},
};
use netweir_flow::Hook;
use netweir_wire::{
    map::{InlineCounters, TAP_QUEUES, TapSlots},
    name, stand_in,
};

use super::{
    AttachedLink, Attachment,
    object::Object,
    patch::{Loaded, Patch},
    tracepoint,
};
use crate::{
    Error,
    error::Doing,
    sys::{self, MapKind, NewMap},
    watch::Device,
};

/// Names of the maps.
pub(crate) const MAP_NAMES: [&str; 4] = [
    name::INLINE_WAY,
    name::TAP_SOCKETS,
    name::TAP_SLOTS,
    name::INLINE_COUNTERS,
];

/// The maps of the inline path, as they stand in [`MAP_NAMES`].
pub(crate) struct InlineMaps([OwnedFd; 4]);

impl InlineMaps {
    /// Makes them.
    pub(super) fn new() -> Result<Self, Error> {
        let index = size_of::<u32>();
        let kinds = [
            (MapKind::Devices, index, 1),
            (MapKind::Sockets, index, TAP_QUEUES),
            (MapKind::MappableArray, size_of::<TapSlots>(), 1),
            (MapKind::PerCpuArray, size_of::<InlineCounters>(), 1),
        ];
        let mut made = MAP_NAMES.into_iter().zip(kinds).map(create);
        let mut next = || made.next().unwrap_or(Err(Error::Broken));
        Ok(Self([next()?, next()?, next()?, next()?]))
    }

    /// Every map by its name.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = (&'static str, BorrowedFd<'_>)> {
        MAP_NAMES.into_iter().zip(self.0.iter().map(AsFd::as_fd))
    }
}

fn create(
    (name, (kind, bytes, entries)): (&'static str, (MapKind<'static>, usize, usize)),
) -> Result<OwnedFd, Error> {
    let map = NewMap {
        name,
        kind,
        value_bytes: bytes as u32,
        entries: entries as u32,
    };
    sys::create_map(&map)
        .doing("create a kernel map for the inline path (its sockets need CONFIG_XDP_SOCKETS)")
}

/// The way of frames.
#[derive(Clone, Copy, Default)]
pub(super) struct Way {
    /// Index of the interface that they come by, and of the one that they go on to.
    pub(super) ifindex: u32,
    pub(super) other: u32,
    /// Whether they go on behind the driver.
    pub(super) generic: bool,
}

/// Puts the maps and the way into the programs of an object; where there are no maps its programs for the inline
/// path cannot be loaded, and are not needed.
pub(super) fn put_into(maps: Option<&InlineMaps>, way: Way, object: &mut Patch<'_>) {
    let all = [
        stand_in::INLINE_WAY,
        stand_in::TAP_SOCKETS,
        stand_in::TAP_SLOTS_ADDRESS,
        stand_in::INLINE_COUNTERS,
    ];
    for (place, stand_in) in all.into_iter().enumerate() {
        let loaded = match maps.map(|InlineMaps(maps)| maps[place].as_fd()) {
            None => Loaded::Number(0),
            Some(map) if stand_in == stand_in::TAP_SLOTS_ADDRESS => Loaded::AddressOf(map),
            Some(map) => Loaded::Map(map),
        };
        object.load(stand_in, loaded);
    }
    for (stand_in, number) in [
        (stand_in::INLINE_IFINDEX, way.ifindex),
        (stand_in::INLINE_OTHER, way.other),
        (stand_in::INLINE_GENERIC, way.generic.into()),
    ] {
        object.load(stand_in, Loaded::Number(number.into()));
    }
}

/// Attaches to a device in its driver, or behind it, so that its frames go on; the tracepoints that tell what
/// became of them come first.
pub(crate) fn attach(
    object: &mut Object,
    device: &Device,
    generic: bool,
) -> Result<Attachment, Error> {
    const REFUSED: &str = "xdp_redirect_err";
    let types = tracepoint::kernel_types()?;
    let mut trace = |name, tracepoint| trace(object, &types, (name, tracepoint));
    let sent = match generic {
        true => trace(name::INLINE_UNSENT, "xdp_exception")?,
        false => trace(name::INLINE_SENT, "xdp_devmap_xmit")?,
    };
    // The kernel refuses a program that reads more than the tracepoint tells.
    let refused = trace(name::INLINE_REFUSED, REFUSED)
        .or_else(|_| trace(name::INLINE_REFUSED_BY, REFUSED))?;
    let traces = [sent, refused];
    let mut last = Error::Missing { name: name::INLINE };
    for name in [name::INLINE, name::INLINE_LINEAR] {
        match attach_one(object, device, (name, generic)) {
            Ok(link) => {
                let mut links = vec![AttachedLink::Xdp(link)];
                links.extend(traces.into_iter().map(AttachedLink::Trace));
                return Ok(Attachment {
                    hook: Hook::Inline,
                    programs: vec![name],
                    links,
                });
            }
            // The other one could not even be loaded: a map of devices is for programs of one kind.
            Err(error @ Error::Attach { .. }) => return Err(error),
            Err(error) => last = error,
        }
        tracing::debug!(interface = device.name, program = name, error = %crate::error::Chain(&last), "not so");
    }
    Err(last)
}

fn attach_one(
    object: &mut Object,
    device: &Device,
    (name, generic): (&'static str, bool),
) -> Result<aya::programs::xdp::XdpLink, Error> {
    let (mode, hook) = match generic {
        true => (XdpMode::Skb, "xdp behind its driver"),
        false => (XdpMode::Driver, "xdp in its driver"),
    };
    let program = object.program(name, Xdp::load)?;
    let attached = program
        .attach_to_if_index(device.ifindex, mode)
        .and_then(|link| program.take_link(link));
    attached.map_err(|source| Error::Attach {
        interface: device.name.clone(),
        hook,
        source,
    })
}

fn trace(
    object: &mut Object,
    types: &Btf,
    (name, tracepoint): (&'static str, &str),
) -> Result<FdLink, Error> {
    let failed = |source| Error::Program {
        program: name,
        source,
    };
    let program = object.program(name, |program: &mut BtfTracePoint| {
        program.load(tracepoint, types)
    })?;
    let link = program.attach().map_err(failed)?;
    let link = program.take_link(link).map_err(failed)?;
    Ok(FdLink::from(link))
}
