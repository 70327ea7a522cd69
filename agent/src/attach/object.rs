//! The compiled kernel programs: preparing the object for the running kernel, and loading it.

use std::io::ErrorKind;

use aya::{
    Ebpf, EbpfError, EbpfLoader, GlobalData, include_bytes_aligned,
    maps::Map,
    programs::{ProgramError, ProgramFd},
};
use netweir_wire::{
    map::{CacheSeed, Epoch, FLOWS_PER_BUCKET, QuicLimits, SkbOffsets},
    name, stand_in, version,
};

use super::{
    btf::KernelTypes,
    clock::{has_jiffies, tick_ns},
    inline::{self, InlineMaps, Way},
    layout::Layout,
    patch::{Loaded, Patch},
    purpose::{Purpose, Variant},
    size::{MapSizes, page_bytes},
    table::Tables,
};
use crate::{Cpus, Error, error::Doing};

/// The object as it is committed; `make build-ebpf` builds it.
static OBJECT: &[u8] = include_bytes_aligned!("../../../kernel/netweir.bpf.o");

/// What was built of some version's sources.
#[derive(Clone, Copy)]
pub struct Build<'a> {
    /// The object.
    pub object: &'a [u8],
    /// The number of its layouts.
    pub abi: u32,
    /// Bytes of its [`netweir_wire::map::Epoch`].
    pub epoch_bytes: u32,
}

impl<'a> Build<'a> {
    /// An object of these sources.
    pub const fn current(object: &'a [u8]) -> Self {
        Self {
            object,
            abi: version::ABI,
            epoch_bytes: size_of::<Epoch>() as u32,
        }
    }
}

/// Bytes of the ring buffer for heads of packets: a power of two.
const HEADS_RING_BYTES: u32 = 1 << 18;
/// Events of a QUIC flow in a second: a handshake has a dozen long headers.
const QUIC_EVENTS_OF_FLOW: u32 = 64;
/// Events of all QUIC flows of a CPU in a second.
const QUIC_EVENTS_OF_CPU: u32 = 20_000;
/// How often a flow's short headers, and its spin bit, are told in a second.
const QUIC_TOLD_PER_SECOND: u32 = 4;

/// A loaded object: its maps exist, its programs are loaded when they are first attached.
pub struct Object {
    pub(crate) ebpf: Ebpf,
    /// The maps that were there before, until they are taken out.
    tables: Vec<(&'static str, Map)>,
    /// The maps of the inline path, if it is loaded for that.
    pub(crate) inline: Option<InlineMaps>,
    /// Whether the programs that read paged data can be loaded.
    pub(super) paged: bool,
    /// Flows in a list of the cache; 0 for no cache.
    pub(crate) cache_flows: u32,
    /// CPUs that have lists in the cache.
    pub(crate) cache_cpus: u32,
    /// Bytes of the ring buffer; 0 for none.
    pub(crate) ring_bytes: u32,
    /// Bytes of the ring buffer for QUIC; 0 for none.
    pub(crate) quic_bytes: u32,
    /// Bytes of the ring buffer for heads of packets; 0 for none.
    pub(crate) heads_bytes: u32,
    /// Nanoseconds in a tick of the programs' cheap clock.
    pub(crate) tick_ns: u64,
    /// The number of its layouts.
    pub(crate) abi: u32,
}

impl Object {
    /// Creates the maps and prepares the programs.
    ///
    /// # Errors
    /// [`Error::Load`] and [`Error::NotPermitted`] where the kernel refuses, [`Error::Btf`] where
    /// the tracepoints lack what they need.
    pub fn load(purpose: &Purpose, sizes: MapSizes) -> Result<Self, Error> {
        Self::load_variant(purpose, sizes, Variant::default())
    }

    /// As [`Self::load`], with programs that do not just count.
    ///
    /// # Errors
    /// As of [`Self::load`].
    pub fn load_variant(
        purpose: &Purpose,
        sizes: MapSizes,
        variant: Variant,
    ) -> Result<Self, Error> {
        Self::load_build(Build::current(OBJECT), purpose, sizes, variant)
    }

    /// As [`Self::load`], from another object than the one that is built in.
    ///
    /// # Errors
    /// As of [`Self::load`], and [`Error::Abi`] for an object of other layouts.
    pub fn load_from(
        object: &[u8],
        purpose: &Purpose,
        sizes: MapSizes,
        variant: Variant,
    ) -> Result<Self, Error> {
        Self::load_build(Build::current(object), purpose, sizes, variant)
    }

    /// As [`Self::load`], from an object of whichever version: who loads one of an older version has to
    /// know its layouts.
    ///
    /// # Errors
    /// As of [`Self::load_from`].
    pub fn load_build(
        build: Build<'_>,
        purpose: &Purpose,
        sizes: MapSizes,
        variant: Variant,
    ) -> Result<Self, Error> {
        let (types, offsets) = kernel(purpose)?;
        let (netns, any) = match purpose {
            Purpose::Interfaces { netns } | Purpose::Inline { netns, .. } => (*netns, false),
            Purpose::Tracepoints { any } => (0, *any),
        };
        let mut object = build.object.to_vec();
        let mut patch = Patch(&mut object);
        let paged = put_kernel_into(&mut patch, types.as_ref());
        let cpus = Cpus::of_machine()?;
        let cache_flows = sizes.cache_flows(&cpus);
        let cache_buckets = cache_flows.div_ceil(FLOWS_PER_BUCKET);
        let lists = 2 * cpus.present();
        let tables = Tables::new((lists, cache_flows, cache_buckets), build.epoch_bytes)?;
        tables.put_into(&mut patch);
        let inline = put_inline_into(&mut patch, purpose)?;
        let jiffies = has_jiffies();
        let tick_ns = tick_ns();
        let quic = quic_limits(sizes, tick_ns);
        let (heads_bytes, head_ticks) = heads(variant, tick_ns);
        for (stand_in, setting) in [
            (stand_in::CACHE_CPUS, cpus.present()),
            (stand_in::CACHE_FLOWS, cache_flows),
            (stand_in::CACHE_BUCKETS, cache_buckets),
            (stand_in::NETNS, netns),
            (stand_in::JIFFIES, jiffies.into()),
            (stand_in::RING, (sizes.ring != 0).into()),
            (stand_in::FILTERS, variant.filters.into()),
            (stand_in::SAMPLING, variant.sampling),
            (stand_in::LAYOUTS, variant.layouts.into()),
            (stand_in::TRACE_ANY, any.into()),
            (stand_in::QUIC_TICKS, quic.ticks_per_second),
            (stand_in::QUIC_OF_FLOW, quic.of_flow),
            (stand_in::QUIC_OF_CPU, quic.of_cpu),
            (stand_in::QUIC_PAUSE, quic.pause_ticks),
            (stand_in::HEAD_TICKS, head_ticks),
            (stand_in::HEADS_OF_CPU, variant.heads_per_second),
        ] {
            patch.load(stand_in, Loaded::Number(setting.into()));
        }
        for (stand_in, word) in stand_in::CACHE_SEED.into_iter().zip(seed()?.words) {
            patch.load(stand_in, Loaded::Number(word));
        }
        if patch.is_incomplete() {
            return Err(Error::Abi { wanted: build.abi });
        }
        Ok(Self {
            abi: build.abi,
            ebpf: load((&object, build.abi), (sizes, heads_bytes), &Layout(offsets))?,
            tables: tables.into_maps()?,
            inline,
            paged,
            cache_flows,
            cache_cpus: cpus.present(),
            ring_bytes: sizes.ring_bytes(),
            quic_bytes: sizes.quic_bytes(),
            heads_bytes,
            tick_ns,
        })
    }

    /// The number of its layouts.
    pub const fn abi(&self) -> u32 {
        self.abi
    }

    /// A descriptor of a program that was loaded before.
    pub(crate) fn loaded(&self, name: &'static str) -> Result<&ProgramFd, Error> {
        let program = self.ebpf.program(name).ok_or(Error::Missing { name })?;
        program.fd().map_err(|source| Error::Program {
            program: name,
            source,
        })
    }

    /// Takes a map out of the object without looking at what it is.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn take_raw(&mut self, name: &'static str) -> Result<Map, Error> {
        if let Some(place) = self.tables.iter().position(|(of, _)| *of == name) {
            return Ok(self.tables.swap_remove(place).1);
        }
        self.ebpf.take_map(name).ok_or(Error::Missing { name })
    }

    /// A program of the object, loaded into the kernel if it is not yet.
    pub fn program<'a, P>(
        &'a mut self,
        name: &'static str,
        load: impl FnOnce(&mut P) -> Result<(), ProgramError>,
    ) -> Result<&'a mut P, Error>
    where
        &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = ProgramError>,
    {
        let program = self.ebpf.program_mut(name).ok_or(Error::Missing { name })?;
        let loaded = program.fd().is_ok();
        let program: &'a mut P = program.try_into().map_err(|source| Error::Program {
            program: name,
            source,
        })?;
        if !loaded {
            load(program).map_err(|source| Error::Program {
                program: name,
                source,
            })?;
        }
        Ok(program)
    }
}

/// The running kernel's types, which have to be there for purposes that have tracepoints, and what the
/// tracepoint hook needs of them.
fn kernel(purpose: &Purpose) -> Result<(Option<KernelTypes>, SkbOffsets), Error> {
    let types = KernelTypes::of_running_kernel();
    match purpose {
        Purpose::Interfaces { .. } => Ok((types.ok(), SkbOffsets::default())),
        Purpose::Inline { .. } => Ok((Some(types?), SkbOffsets::default())),
        Purpose::Tracepoints { .. } => {
            let types = types?;
            let offsets = types.skb_offsets()?;
            Ok((Some(types), offsets))
        }
    }
}

/// Puts what the programs use of the running kernel into an object; says whether the tracepoints can
/// read paged data. A program in which something is missing cannot be loaded, and is not needed then.
fn put_kernel_into(patch: &mut Patch<'_>, types: Option<&KernelTypes>) -> bool {
    let Some(types) = types else {
        return false;
    };
    if let Some(function) = types.function("bpf_cast_to_kern_ctx") {
        patch.call(stand_in::CAST_TO_KERN_CTX, function);
    }
    let members = [
        (stand_in::XDP_FLAGS, "xdp_buff", "flags"),
        (stand_in::DEVICE_IFINDEX, "net_device", "ifindex"),
        (stand_in::DEVICE_NETNS, "net_device", "nd_net.net"),
        (stand_in::NETNS_INODE, "net", "ns.inum"),
        (stand_in::MAP_KIND, "bpf_map", "map_type"),
    ];
    for (stand_in, structure, path) in members {
        if let Ok(offset) = types.offset(structure, path) {
            patch.add(stand_in, offset);
        }
    }
    let Some(function) = types.function("bpf_dynptr_from_skb") else {
        return false;
    };
    patch.call(stand_in::DYNPTR_FROM_SKB, function);
    true
}

/// Makes the maps of the inline path where that is what the object is loaded for.
fn put_inline_into(patch: &mut Patch<'_>, purpose: &Purpose) -> Result<Option<InlineMaps>, Error> {
    let (maps, way) = match purpose {
        &Purpose::Inline {
            ifindex,
            other,
            generic,
            ..
        } => {
            let way = Way {
                ifindex,
                other,
                generic,
            };
            (Some(InlineMaps::new()?), way)
        }
        Purpose::Interfaces { .. } | Purpose::Tracepoints { .. } => (None, Way::default()),
    };
    inline::put_into(maps.as_ref(), way, patch);
    Ok(maps)
}

/// How much the programs tell of QUIC.
fn quic_limits(sizes: MapSizes, tick_ns: u64) -> QuicLimits {
    if sizes.quic == 0 {
        return QuicLimits::default();
    }
    let ticks_per_second = (1_000_000_000 / tick_ns.max(1)) as u32;
    QuicLimits {
        ticks_per_second,
        of_flow: QUIC_EVENTS_OF_FLOW,
        of_cpu: QUIC_EVENTS_OF_CPU,
        pause_ticks: ticks_per_second / QUIC_TOLD_PER_SECOND,
    }
}

/// Bytes of the ring buffer for heads of packets, and ticks in a second; nothing where there are none.
fn heads(variant: Variant, tick_ns: u64) -> (u32, u32) {
    if variant.heads_per_second == 0 {
        return (0, 0);
    }
    let ticks = (1_000_000_000 / tick_ns.max(1)) as u32;
    (HEADS_RING_BYTES.max(page_bytes()), ticks)
}

/// Creates the other maps of an object, with these sizes.
fn load(
    (object, number): (&[u8], u32),
    (sizes, heads_bytes): (MapSizes, u32),
    offsets: &Layout<SkbOffsets>,
) -> Result<Ebpf, Error> {
    let abi = format!("ABI_{number}");
    EbpfLoader::new()
        .override_global(&abi, &number, true)
        .override_global(name::SKB_OFFSETS, GlobalData::from(offsets), true)
        .map_max_entries(name::FLOWS_EVEN, sizes.flows)
        .map_max_entries(name::FLOWS_ODD, sizes.flows)
        .map_max_entries(name::OVERFLOW, sizes.ring_bytes().max(page_bytes()))
        .map_max_entries(name::QUIC_EVENTS, sizes.quic_bytes().max(page_bytes()))
        .map_max_entries(name::HEADS, heads_bytes.max(page_bytes()))
        .map_max_entries(name::QUIC_PLACE, sizes.quic_places())
        .map_max_entries(name::BACKENDS_EVEN, sizes.quic_backends())
        .map_max_entries(name::BACKENDS_ODD, sizes.quic_backends())
        .map_max_entries(name::INTERFACES, sizes.interfaces)
        .map_max_entries(name::COUNTERS, sizes.interfaces)
        .map_max_entries(name::FREE_COUNTERS, sizes.interfaces)
        .load(object)
        .map_err(|source| {
            let known = permission(&source).or_else(|| other_abi(&source, (&abi, number)));
            known.unwrap_or(Error::Load { source })
        })
}

/// Random numbers for the hash of the cache.
fn seed() -> Result<CacheSeed, Error> {
    let mut seed = CacheSeed::default();
    for word in &mut seed.words {
        let mut bytes = [0; 8];
        rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
            .doing("get random numbers")?;
        // Odd numbers lose nothing in a product.
        *word = u64::from_ne_bytes(bytes) | 1;
    }
    Ok(seed)
}

/// The plain answer where the object has other layouts: it lacks the symbol that names ours.
fn other_abi(error: &EbpfError, (symbol, wanted): (&str, u32)) -> Option<Error> {
    // The loader does not export the type of this cause; that it names the symbol tells enough.
    let EbpfError::ParseError(cause) = error else {
        return None;
    };
    let is_missing = cause.to_string().contains(symbol);
    is_missing.then_some(Error::Abi { wanted })
}

/// The plain answer where the kernel did not permit what was asked.
fn permission(error: &EbpfError) -> Option<Error> {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let denied = error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == ErrorKind::PermissionDenied);
        if denied {
            return Some(Error::NotPermitted);
        }
        cause = error.source();
    }
    None
}
