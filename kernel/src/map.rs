//! Every map and every read-only setting of the kernel programs.
//!
//! The statics are named as [`netweir_wire::name`] spells them. The sizes are defaults; the agent
//! sets the ones in force before it loads the object.

use core::sync::atomic::AtomicU64;

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    macros::map,
    maps::{Array, HashMap, PerCpuArray, Queue, RingBuf},
};
use netweir_wire::{
    map::{
        Bucket, CacheEntry, CacheSeed, CacheState, Epoch, FilterProgram, FlowKey, FlowValue,
        InterfaceCounters, InterfaceKey, InterfacePlace, KEY_WORDS, LayoutProgram, NEAR_PLACES,
        NearInterface, PortClasses, QUIC_CAPTURED_BYTES, QUIC_PLACES, QuicBackendKey, QuicCounters,
        QuicEvent, QuicLimits, QuicPlace, SkbOffsets, StrayReason, Volume,
    },
    packet::{Headers, MAX_HEADER_BYTES},
    version,
};

use crate::quic::{Found, Head};

/// Flows of even epochs that did not fit into the cache.
#[map]
pub(crate) static FLOWS_EVEN: HashMap<FlowKey, FlowValue> = HashMap::with_max_entries(65_536, 0);

/// Flows of odd epochs that did not fit into the cache.
#[map]
pub(crate) static FLOWS_ODD: HashMap<FlowKey, FlowValue> = HashMap::with_max_entries(65_536, 0);

/// What fitted into neither: one [`CacheEntry`] for each frame.
#[map]
pub(crate) static OVERFLOW: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// The epoch: its lowest bit chooses between two of everything that flows are counted in. Written
/// by the agent alone.
#[map]
pub(crate) static EPOCH: Array<Epoch> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// The flow cache: for each CPU a list of flows for even and one for odd epochs.
#[map]
pub(crate) static CACHE: Array<CacheEntry> = Array::with_max_entries(1, 0);

/// For each list of [`CACHE`] the index that finds a flow in it.
#[map]
pub(crate) static CACHE_INDEX: Array<Bucket> = Array::with_max_entries(1, 0);

/// How far the lists of each CPU are filled.
#[map]
pub(crate) static CACHE_STATE: PerCpuArray<CacheState> = PerCpuArray::with_max_entries(1, 0);

/// Where the counters of each interface and direction are.
#[map]
pub(crate) static INTERFACES: HashMap<InterfaceKey, InterfacePlace> =
    HashMap::with_max_entries(1024, 0);

/// The same for the usual case: interfaces of the namespace that TC and XDP watch, each looked for
/// in one place. Written by the agent alone.
#[map]
pub(crate) static NEAR: Array<NearInterface> = Array::with_max_entries(NEAR_PLACES, 0);

/// Counters of interfaces, by the number that [`INTERFACES`] tells.
#[map]
pub(crate) static COUNTERS: PerCpuArray<InterfaceCounters> = PerCpuArray::with_max_entries(1024, 0);

/// Numbers of counters that no interface has. Filled by the agent; programs take from it only for
/// interfaces that nobody told them of.
#[map]
pub(crate) static FREE_COUNTERS: Queue<u32> = Queue::with_max_entries(1024, 0);

/// Which flows are counted. Written by the agent alone, before programs are attached.
#[map]
pub(crate) static FILTER: Array<FilterProgram> = Array::with_max_entries(1, 0);

/// What each port says of the application. Written by the agent alone.
#[map]
pub(crate) static PORTS: Array<PortClasses> = Array::with_max_entries(1, 0);

/// Packets that could be charged to no interface, by [`StrayReason`].
#[map]
pub(crate) static STRAY: PerCpuArray<Volume> =
    PerCpuArray::with_max_entries(StrayReason::ALL.len() as u32, 0);

/// What user space is told of QUIC.
#[map]
pub(crate) static QUIC_EVENTS: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// What is remembered of QUIC flows, by their hash.
#[map]
pub(crate) static QUIC_PLACE: Array<QuicPlace> = Array::with_max_entries(QUIC_PLACES, 0);

/// What was counted of QUIC.
#[map]
pub(crate) static QUIC_COUNTERS: PerCpuArray<QuicCounters> = PerCpuArray::with_max_entries(1, 0);

/// Short headers by the backend and queue that their connection IDs name.
#[map]
pub(crate) static QUIC_BACKENDS: HashMap<QuicBackendKey, Volume> =
    HashMap::with_max_entries(16_384, 0);

/// How connection IDs are read. Written by the agent alone, before programs are attached.
#[map]
pub(crate) static LAYOUT: Array<LayoutProgram> = Array::with_max_entries(1, 0);

/// An event as it is put together.
#[repr(C)]
pub(crate) struct QuicWork {
    /// Where a number is put that the verifier is to forget.
    pub(crate) number: AtomicU64,
    /// What was noted of a frame.
    pub(crate) found: Found,
    /// The first bytes of a datagram.
    pub(crate) head: Head,
    /// The head of the event.
    pub(crate) event: QuicEvent,
    /// The bytes of the datagram.
    pub(crate) bytes: [u8; QUIC_CAPTURED_BYTES + 1],
}

/// Working memory of whoever looks at QUIC on this CPU.
#[map]
pub(crate) static QUIC_WORK: PerCpuArray<QuicWork> = PerCpuArray::with_max_entries(1, 0);

/// Bytes of headers that a program may copy, and the longest header read past the limit.
pub(crate) const COPIED_BYTES: usize = MAX_HEADER_BYTES + 64;

/// What a program works on: more than its stack of 512 bytes would hold.
#[repr(C)]
pub(crate) struct Work {
    /// Where the parser puts an offset that the verifier is to forget.
    pub(crate) offset: AtomicU64,
    /// The headers of the packet at hand.
    pub(crate) headers: Headers,
    /// What it adds to its flow.
    pub(crate) entry: CacheEntry,
    /// Headers that do not lie in one piece, copied. Twice the size that is used: the verifier
    /// bounds position and length apart.
    pub(crate) copied: [u8; 2 * COPIED_BYTES],
}

/// Working memory of the program that runs on this CPU.
#[map]
static WORK: PerCpuArray<Work> = PerCpuArray::with_max_entries(1, 0);

/// The working memory of this CPU; `None` never happens, but the verifier wants it handled.
#[inline(always)]
pub(crate) fn work() -> Option<&'static mut Work> {
    // SAFETY: programs run with softirqs off and do not interrupt one another on a CPU, each takes
    // the memory once, and all bytes that it ever holds are zero or written by these programs.
    WORK.get_ptr_mut(0).map(|work| unsafe { &mut *work })
}

/// The number of the layouts that this object was built with: the agent asks for it by this name,
/// and so refuses an object of another number.
#[unsafe(no_mangle)]
pub(crate) static ABI_2: u32 = version::ABI;

const _: () = assert!(version::ABI == 2, "the name of ABI_2 says the number");

/// Inode number of the network namespace whose interfaces TC and XDP watch.
#[unsafe(no_mangle)]
pub(crate) static NETNS: u32 = 0;

/// 1 when the kernel has `bpf_jiffies64`, which costs next to nothing.
#[unsafe(no_mangle)]
pub(crate) static JIFFIES: u32 = 0;

/// 1 when [`OVERFLOW`] is to be used.
#[unsafe(no_mangle)]
pub(crate) static RING: u32 = 0;

/// Flows in a list of [`CACHE`]; 0 for no cache.
#[unsafe(no_mangle)]
pub(crate) static CACHE_FLOWS: u32 = 0;

/// Buckets in the index of a list.
#[unsafe(no_mangle)]
pub(crate) static CACHE_BUCKETS: u32 = 0;

/// What makes the places of flows in the cache unpredictable.
#[unsafe(no_mangle)]
pub(crate) static CACHE_SEED: CacheSeed = CacheSeed {
    words: [0; KEY_WORDS],
};

/// 1 when [`FILTER`] is to be asked.
#[unsafe(no_mangle)]
pub(crate) static FILTERS: u32 = 0;

/// One frame in so many is counted in its flow; 1 for every frame.
#[unsafe(no_mangle)]
pub(crate) static SAMPLING: u32 = 1;

/// How much is told of QUIC; nothing is looked at where `ticks_per_second` is 0.
#[unsafe(no_mangle)]
pub(crate) static QUIC_LIMITS: QuicLimits = QuicLimits {
    ticks_per_second: 0,
    of_flow: 0,
    of_cpu: 0,
    pause_ticks: 0,
};

/// 1 when [`LAYOUT`] is to be asked.
#[unsafe(no_mangle)]
pub(crate) static LAYOUTS: u32 = 0;

/// 1 when the tracepoints count every interface, 0 when those with an entry in [`INTERFACES`].
#[unsafe(no_mangle)]
pub(crate) static TRACE_ANY: u32 = 0;

/// Offset of `xdp_buff.flags`; 0 where programs cannot read it.
#[unsafe(no_mangle)]
pub(crate) static XDP_FLAGS: u32 = 0;

/// Where the running kernel keeps the fields of a packet.
#[unsafe(no_mangle)]
pub(crate) static SKB_OFFSETS: SkbOffsets = SkbOffsets {
    dev: 0,
    len: 0,
    data_len: 0,
    mac_header: 0,
    head: 0,
    data: 0,
    end: 0,
    vlan: 0,
    gso_size: 0,
    ifindex: 0,
    kind: 0,
    netns: 0,
    netns_inode: 0,
};

/// The value of a setting. The agent writes it into the object before the object is loaded, so
/// the compiler must not take the value that stands here for granted.
#[inline(always)]
pub(crate) fn setting<T: Copy>(place: &'static T) -> T {
    // SAFETY: a reference is valid for reads.
    unsafe { core::ptr::read_volatile(place) }
}

/// The hash of a key. (The words of the seed are read where they are needed: there are too few
/// registers for all of them at once.)
#[inline(always)]
pub(crate) fn hash(key: &[u64; KEY_WORDS]) -> u64 {
    CacheSeed::sum(key, CACHE_SEED.words.iter().map(setting))
}
