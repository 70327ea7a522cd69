//! The compiled kernel programs: preparing the object for the running kernel, and loading it.

use aya::{
    Ebpf, EbpfError, EbpfLoader, GlobalData, include_bytes_aligned,
    maps::Map,
    programs::{ProgramError, ProgramType},
    sys::{BpfHelper, is_helper_supported},
};
use netweir_wire::{
    map::{
        Bucket, CacheEntry, CacheSeed, FLOWS_PER_BUCKET, FlowKey, FlowValue, InterfaceCounters,
        InterfaceKey, InterfacePlace, MAX_CACHED_FLOWS, QUIC_PLACES, QuicBackendKey, QuicLimits,
        QuicPlace, SkbOffsets, Volume,
    },
    name, version,
};
use rustix::time::{ClockId, clock_getres};

use super::{btf::KernelTypes, layout::Layout};
use crate::{Error, error::Doing};

/// The object as it is committed; `make build-ebpf` builds it.
static OBJECT: &[u8] = include_bytes_aligned!("../../../kernel/netweir.bpf.o");

/// How large the kernel maps are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapSizes {
    /// Flows that the caches of all CPUs can hold together between two drains; 0 for no cache.
    pub cache: u32,
    /// Flows beyond the cache that each of the two flow maps can hold between two drains.
    pub flows: u32,
    /// Bytes of the ring buffer for frames that find no room there either; 0 for none.
    pub ring: u32,
    /// Bytes of the ring buffer for what is told of QUIC; 0 for not looking at QUIC.
    pub quic: u32,
    /// Interfaces, each direction counting as one.
    pub interfaces: u32,
}

/// Events of a QUIC flow in a second: a handshake has a dozen long headers.
const QUIC_EVENTS_OF_FLOW: u32 = 64;
/// Events of all QUIC flows of a CPU in a second.
const QUIC_EVENTS_OF_CPU: u32 = 20_000;
/// How often a flow's short headers, and its spin bit, are told in a second.
const QUIC_TOLD_PER_SECOND: u32 = 4;
/// Backends and queues that are told apart.
const QUIC_BACKENDS: u32 = 1 << 14;

/// A smaller list would do nothing.
const LEAST_CACHED_FLOWS: u32 = 16;

/// Bytes that the kernel keeps beside key and value of a hash map's entry.
const ENTRY_OVERHEAD_BYTES: u64 = 48;

impl MapSizes {
    /// Flows in the list of one of so many CPUs; 0 for no cache.
    pub fn cache_flows(self, cpus: u32) -> u32 {
        match self.cache {
            0 => 0,
            flows => flows
                .div_ceil(cpus.max(1))
                .clamp(LEAST_CACHED_FLOWS, MAX_CACHED_FLOWS),
        }
    }

    /// Bytes of the ring buffer for frames; 0 for none.
    fn ring_bytes(self) -> u32 {
        ring_bytes(self.ring)
    }

    /// Bytes of the ring buffer for QUIC; 0 for none.
    fn quic_bytes(self) -> u32 {
        ring_bytes(self.quic)
    }

    /// Places for QUIC flows: a power of two.
    fn quic_places(self) -> u32 {
        if self.quic == 0 { 1 } else { QUIC_PLACES }
    }

    fn quic_backends(self) -> u32 {
        if self.quic == 0 { 1 } else { QUIC_BACKENDS }
    }

    fn quic_kernel_bytes(self) -> u64 {
        let backend =
            size_of::<QuicBackendKey>() + size_of::<Volume>() + ENTRY_OVERHEAD_BYTES as usize + 16;
        u64::from(self.quic_bytes())
            + u64::from(self.quic_places()) * size_of::<QuicPlace>() as u64
            + u64::from(self.quic_backends()) * backend as u64
    }

    /// Kernel memory in bytes that the maps take, whether they are full or empty.
    pub fn kernel_bytes(self, cpus: u32) -> u64 {
        let entry = |key: usize, value: usize| {
            (key.next_multiple_of(8) + value.next_multiple_of(8)) as u64 + ENTRY_OVERHEAD_BYTES
        };
        let buckets = |entries: u32| u64::from(entries.next_power_of_two()) * 16;
        let flow = entry(size_of::<FlowKey>(), size_of::<FlowValue>());
        let interface = entry(size_of::<InterfaceKey>(), size_of::<InterfacePlace>());
        let cached = size_of::<CacheEntry>() as u64
            + size_of::<Bucket>() as u64 / u64::from(FLOWS_PER_BUCKET);
        u64::from(2 * cpus) * u64::from(self.cache_flows(cpus)) * cached
            + 2 * (u64::from(self.flows) * flow + buckets(self.flows))
            + u64::from(self.ring_bytes())
            + self.quic_kernel_bytes()
            + u64::from(self.interfaces)
                * (interface + u64::from(cpus) * size_of::<InterfaceCounters>() as u64)
            + buckets(self.interfaces)
    }
}

/// Bytes of a ring buffer as the kernel wants them: a power of two, a page at least.
fn ring_bytes(wanted: u32) -> u32 {
    match wanted {
        0 => 0,
        bytes => bytes.clamp(page_bytes(), 1 << 30).next_power_of_two(),
    }
}

fn page_bytes() -> u32 {
    rustix::param::page_size() as u32
}

/// Which packets a load of the object is for.
pub enum Purpose {
    /// TC and XDP on interfaces of the namespace with this inode number.
    Interfaces {
        /// Inode number of the namespace.
        netns: u32,
    },
    /// The tracepoints, for every interface or for those that are watched.
    Tracepoints {
        /// Whether every interface of every namespace is counted.
        any: bool,
    },
}

/// What the programs do beside counting all that they see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Whether the filter is asked that [`Collector::set_filter`](crate::collect::Collector) sets.
    pub filters: bool,
    /// One frame in so many is counted; 1 for every frame.
    pub sampling: u32,
    /// Whether QUIC connection IDs are read by the layouts that
    /// [`Collector::set_layouts`](crate::collect::Collector::set_layouts) sets.
    pub layouts: bool,
}

impl Default for Variant {
    /// Nothing.
    fn default() -> Self {
        Self {
            filters: false,
            sampling: 1,
            layouts: false,
        }
    }
}

/// A loaded object: its maps exist, its programs are loaded when they are first attached.
pub struct Object {
    pub(crate) ebpf: Ebpf,
    /// Whether the programs that read paged data can be loaded.
    pub(super) paged: bool,
    /// Flows in a list of the cache; 0 for no cache.
    pub(crate) cache_flows: u32,
    /// Bytes of the ring buffer; 0 for none.
    pub(crate) ring_bytes: u32,
    /// Bytes of the ring buffer for QUIC; 0 for none.
    pub(crate) quic_bytes: u32,
    /// Nanoseconds in a tick of the programs' cheap clock.
    pub(crate) tick_ns: u64,
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
        Self::load_from(OBJECT, purpose, sizes, variant)
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
        let types = KernelTypes::of_running_kernel();
        let (netns, any, offsets) = match (purpose, &types) {
            (Purpose::Interfaces { netns }, _) => (*netns, false, SkbOffsets::default()),
            (Purpose::Tracepoints { any }, Ok(types)) => (0, *any, types.skb_offsets()?),
            (Purpose::Tracepoints { .. }, Err(_)) => {
                return Err(types.err().unwrap_or(Error::Broken));
            }
        };
        let mut object = object.to_vec();
        let mut call = |stand_in, function| {
            let function = types.as_ref().ok()?.function(function)?;
            call_kernel_function(&mut object, stand_in, function);
            Some(())
        };
        let paged = call(name::KFUNC_DYNPTR_FROM_SKB, "bpf_dynptr_from_skb").is_some();
        let casts = call(name::KFUNC_CAST_TO_KERN_CTX, "bpf_cast_to_kern_ctx").is_some();
        let xdp_flags = match &types {
            Ok(types) if casts => types.offset("xdp_buff", "flags").unwrap_or(0),
            _ => 0,
        };
        let cpus = possible_cpus()?;
        let jiffies = has_jiffies();
        let tick_ns = if jiffies { jiffy_ns() } else { 1 << 20 };
        let globals = Globals {
            netns,
            any: any.into(),
            jiffies: jiffies.into(),
            variant,
            cache_flows: sizes.cache_flows(cpus),
            ring: (sizes.ring != 0).into(),
            quic: Layout(quic_limits(sizes, tick_ns)),
            seed: Layout(seed()?),
            xdp_flags,
            offsets: Layout(offsets),
        };
        Ok(Self {
            ebpf: globals.load(&object, sizes, cpus)?,
            paged,
            cache_flows: globals.cache_flows,
            ring_bytes: sizes.ring_bytes(),
            quic_bytes: sizes.quic_bytes(),
            tick_ns,
        })
    }

    /// Takes a map out of the object without looking at what it is.
    pub(crate) fn take_raw(&mut self, name: &'static str) -> Result<Map, Error> {
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

/// Puts the running kernel's number of a function where the object calls its stand-in.
fn call_kernel_function(object: &mut [u8], stand_in: u64, number: u32) {
    /// `BPF_JMP | BPF_CALL` of a helper, without registers and offset.
    const HELPER: [u8; 4] = [0x85, 0, 0, 0];
    /// The same of a kernel function: `BPF_PSEUDO_KFUNC_CALL` as the source register.
    const FUNCTION: [u8; 4] = [0x85, 0x20, 0, 0];
    let stand_in = (stand_in as u32).to_le_bytes();
    let (instructions, _) = object.as_chunks_mut::<8>();
    for instruction in instructions {
        if instruction[..4] == HELPER && instruction[4..] == stand_in {
            instruction[..4].copy_from_slice(&FUNCTION);
            instruction[4..].copy_from_slice(&number.to_le_bytes());
        }
    }
}

/// What the programs read as constants.
struct Globals {
    variant: Variant,
    netns: u32,
    any: u32,
    jiffies: u32,
    cache_flows: u32,
    ring: u32,
    quic: Layout<QuicLimits>,
    seed: Layout<CacheSeed>,
    xdp_flags: u32,
    offsets: Layout<SkbOffsets>,
}

impl Globals {
    /// Creates the maps of an object, with these constants and these sizes.
    fn load(&self, object: &[u8], sizes: MapSizes, cpus: u32) -> Result<Ebpf, Error> {
        let abi = format!("ABI_{}", version::ABI);
        let buckets = self.cache_flows.div_ceil(FLOWS_PER_BUCKET);
        let filters = u32::from(self.variant.filters);
        let layouts = u32::from(self.variant.layouts);
        EbpfLoader::new()
            .override_global(&abi, &version::ABI, true)
            .override_global(name::NETNS, &self.netns, true)
            .override_global(name::JIFFIES, &self.jiffies, true)
            .override_global(name::TRACE_ANY, &self.any, true)
            .override_global(name::CACHE_FLOWS, &self.cache_flows, true)
            .override_global(name::CACHE_BUCKETS, &buckets, true)
            .override_global(name::RING, &self.ring, true)
            .override_global(name::FILTERS, &filters, true)
            .override_global(name::SAMPLING, &self.variant.sampling, true)
            .override_global(name::LAYOUTS, &layouts, true)
            .override_global(name::QUIC_LIMITS, GlobalData::from(&self.quic), true)
            .override_global(name::CACHE_SEED, GlobalData::from(&self.seed), true)
            .override_global(name::XDP_FLAGS, &self.xdp_flags, true)
            .override_global(name::SKB_OFFSETS, GlobalData::from(&self.offsets), true)
            .map_max_entries(name::CACHE, 2 * cpus * self.cache_flows + 1)
            .map_max_entries(name::CACHE_INDEX, (2 * cpus * buckets).max(1))
            .map_max_entries(name::FLOWS_EVEN, sizes.flows)
            .map_max_entries(name::FLOWS_ODD, sizes.flows)
            .map_max_entries(name::OVERFLOW, sizes.ring_bytes().max(page_bytes()))
            .map_max_entries(name::QUIC_EVENTS, sizes.quic_bytes().max(page_bytes()))
            .map_max_entries(name::QUIC_PLACE, sizes.quic_places())
            .map_max_entries(name::QUIC_BACKENDS, sizes.quic_backends())
            .map_max_entries(name::INTERFACES, sizes.interfaces)
            .map_max_entries(name::COUNTERS, sizes.interfaces)
            .map_max_entries(name::FREE_COUNTERS, sizes.interfaces)
            .load(object)
            .map_err(|source| {
                let known = permission(&source).or_else(|| other_abi(&source, &abi));
                known.unwrap_or(Error::Load { source })
            })
    }
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

/// Number of CPUs that there are or could be: each has a part of the maps.
///
/// # Errors
/// The kernel does not tell.
pub fn possible_cpus() -> Result<u32, Error> {
    let cpus = aya::util::nr_cpus().map_err(|(_, source)| Error::System {
        action: "count the CPUs",
        source,
    })?;
    Ok(cpus as u32)
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

/// Whether the kernel has the cheap clock (Linux 5.6).
fn has_jiffies() -> bool {
    let helper = BpfHelper::BPF_FUNC_jiffies64;
    is_helper_supported(ProgramType::SchedClassifier, helper).unwrap_or(false)
}

/// Nanoseconds in a jiffy: what the coarse clock advances by.
fn jiffy_ns() -> u64 {
    let resolution = clock_getres(ClockId::MonotonicCoarse);
    resolution.tv_nsec.unsigned_abs()
}

/// The plain answer where the object has other layouts: it lacks the symbol that names ours.
fn other_abi(error: &EbpfError, symbol: &str) -> Option<Error> {
    // The loader does not export the type of this cause; that it names the symbol tells enough.
    let EbpfError::ParseError(cause) = error else {
        return None;
    };
    cause.to_string().contains(symbol).then_some(Error::Abi {
        wanted: version::ABI,
    })
}

/// The plain answer where the kernel did not permit what was asked.
fn permission(error: &EbpfError) -> Option<Error> {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let denied = error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied);
        if denied {
            return Some(Error::NotPermitted);
        }
        cause = error.source();
    }
    None
}
