//! Every map and every read-only setting of the kernel programs.
//!
//! The statics are named as [`netweir_wire::name`] spells them. The sizes are defaults; the agent
//! sets the ones in force before it loads the object.

use core::sync::atomic::AtomicU64;

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, PerCpuArray, PerCpuHashMap},
};
use netweir_wire::{
    map::{
        FlowCounters, FlowKey, InterfaceCounters, InterfaceKey, PortClasses, SkbOffsets,
        StrayReason, Volume,
    },
    packet::{Headers, MAX_HEADER_BYTES},
    version,
};

/// Flows of even epochs.
#[map]
pub(crate) static FLOWS_EVEN: HashMap<FlowKey, FlowCounters> = HashMap::with_max_entries(65_536, 0);

/// Flows of odd epochs.
#[map]
pub(crate) static FLOWS_ODD: HashMap<FlowKey, FlowCounters> = HashMap::with_max_entries(65_536, 0);

/// The epoch: its lowest bit chooses between the two flow maps. Written by the agent alone.
#[map]
pub(crate) static EPOCH: Array<u32> = Array::with_max_entries(1, 0);

/// Counters of each interface and direction.
#[map]
pub(crate) static INTERFACES: PerCpuHashMap<InterfaceKey, InterfaceCounters> =
    PerCpuHashMap::with_max_entries(1024, 0);

/// What each port says of the application. Written by the agent alone.
#[map]
pub(crate) static PORTS: Array<PortClasses> = Array::with_max_entries(1, 0);

/// Flows opened since the start: tells the agent that a drain is worth its while.
#[map]
pub(crate) static OPENED: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Packets that could be charged to no interface, by [`StrayReason`].
#[map]
pub(crate) static STRAY: PerCpuArray<Volume> =
    PerCpuArray::with_max_entries(StrayReason::ALL.len() as u32, 0);

/// Bytes of headers that a program may copy, and the longest header read past the limit.
pub(crate) const COPIED_BYTES: usize = MAX_HEADER_BYTES + 64;

/// What a program works on: more than its stack of 512 bytes would hold.
#[repr(C)]
pub(crate) struct Work {
    /// Where the parser puts an offset that the verifier is to forget.
    pub(crate) offset: AtomicU64,
    /// The headers of the packet at hand.
    pub(crate) headers: Headers,
    /// Its flow.
    pub(crate) key: FlowKey,
    /// What it adds to its flow.
    pub(crate) more: FlowCounters,
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
pub(crate) static ABI_1: u32 = version::ABI;

const _: () = assert!(version::ABI == 1, "the name of ABI_1 says the number");

/// Inode number of the network namespace whose interfaces TC and XDP watch.
#[unsafe(no_mangle)]
pub(crate) static NETNS: u32 = 0;

/// 1 when the kernel has `bpf_ktime_get_coarse_ns`.
#[unsafe(no_mangle)]
pub(crate) static COARSE_CLOCK: u32 = 0;

/// 1 when the tracepoints count every interface, 0 when those with an entry in [`INTERFACES`].
#[unsafe(no_mangle)]
pub(crate) static TRACE_ANY: u32 = 0;

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
