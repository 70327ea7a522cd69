//! The maps of the kernel programs.
//!
//! The statics are named as [`netweir_wire::name`] spells them. The sizes are defaults; the agent
//! sets the ones in force before it loads the object.

use core::{ffi::c_void, mem::offset_of, ptr, sync::atomic::AtomicU64};

use aya_ebpf::{
    helpers::generated::bpf_map_lookup_elem,
    macros::map,
    maps::{Array, HashMap, PerCpuArray, Queue, RingBuf},
};
use netweir_wire::{
    map::{
        CacheEntry, CacheState, FilterProgram, FlowKey, FlowValue, HeadCounters, InterfaceCounters,
        InterfaceKey, InterfacePlace, LayoutProgram, NEAR_PLACES, NearInterface, PortClasses,
        QUIC_PLACES, QuicBackendKey, QuicCounters, QuicPlace, RULE_NUMBERS, RULE_TREES, RuleFacts,
        RuleTable, SkbOffsets, StrayReason, Volume,
    },
    packet::{Headers, MAX_HEADER_BYTES},
    version,
};

use crate::{quic::QuicWork, rule::HeadWork};

/// A map whose values have numbers.
pub(crate) trait Numbered<T> {
    /// Where it is.
    fn map(&self) -> *mut c_void;

    /// The value of a number.
    #[inline(always)]
    fn place(&self, number: u32) -> Option<*mut T> {
        // SAFETY: it is a map of such values.
        unsafe { look_up(self.map(), u64::from(number)) }
    }

    /// The same, where user space alone writes it.
    #[inline(always)]
    fn value(&self, number: u32) -> Option<&T> {
        // SAFETY: a value lasts as long as its map.
        self.place(number).map(|value| unsafe { &*value })
    }
}

/// The value of a number in a map; the upper half of the number is not asked for.
///
/// # Safety
/// It is a map whose keys are numbers of 32 bits and whose values are of this type.
#[inline(always)]
pub(crate) unsafe fn look_up<T>(map: *mut c_void, number: u64) -> Option<*mut T> {
    let mut key = 0;
    // Eight bytes, though the kernel reads four: of a place on the stack that is written in part the
    // verifier keeps the rest, and so tells ways apart that differ in nothing else.
    // SAFETY: it is a place of that size.
    unsafe { (&raw mut key).write_volatile(number) };
    // SAFETY: the key begins with the number.
    let value = unsafe { bpf_map_lookup_elem(map, (&raw const key).cast()) };
    (!value.is_null()).then_some(value.cast())
}

const _: () = assert!(
    cfg!(target_endian = "little"),
    "the lower half of eight bytes comes first"
);

impl<T> Numbered<T> for Array<T> {
    #[inline(always)]
    fn map(&self) -> *mut c_void {
        ptr::from_ref(self).cast_mut().cast()
    }
}

impl<T> Numbered<T> for PerCpuArray<T> {
    #[inline(always)]
    fn map(&self) -> *mut c_void {
        ptr::from_ref(self).cast_mut().cast()
    }
}

/// Flows of even epochs that did not fit into the cache.
#[map]
pub(crate) static FLOWS_EVEN: HashMap<FlowKey, FlowValue> = HashMap::with_max_entries(65_536, 0);

/// Flows of odd epochs that did not fit into the cache.
#[map]
pub(crate) static FLOWS_ODD: HashMap<FlowKey, FlowValue> = HashMap::with_max_entries(65_536, 0);

/// What fitted into neither: one [`CacheEntry`] for each frame.
#[map]
pub(crate) static OVERFLOW: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

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

/// Short headers of even epochs by the backend and queue that their connection IDs name.
#[map]
pub(crate) static BACKENDS_EVEN: HashMap<QuicBackendKey, Volume> =
    HashMap::with_max_entries(16_384, 0);

/// Short headers of odd epochs by the backend and queue that their connection IDs name.
#[map]
pub(crate) static BACKENDS_ODD: HashMap<QuicBackendKey, Volume> =
    HashMap::with_max_entries(16_384, 0);

/// How connection IDs are read. Written by the agent alone, before programs are attached.
#[map]
pub(crate) static LAYOUT: Array<LayoutProgram> = Array::with_max_entries(1, 0);

/// Working memory of whoever looks at QUIC on this CPU.
#[map]
pub(crate) static QUIC_WORK: PerCpuArray<QuicWork> = PerCpuArray::with_max_entries(1, 0);

/// The rules: by the lowest bit of the generation, one of two tables. Written by user space alone, in
/// the table that is not in force.
#[map]
pub(crate) static RULES: Array<RuleTable> = Array::with_max_entries(2, 0);

/// One in how many frames a rule samples, by its number. Written by user space alone, before the rule
/// is in force.
#[map]
pub(crate) static RULE_RATES: Array<u32> = Array::with_max_entries(RULE_NUMBERS as u32, 0);

/// Heads of packets that rules sample.
#[map]
pub(crate) static HEADS: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// What was counted of them.
#[map]
pub(crate) static HEAD_COUNTERS: PerCpuArray<HeadCounters> = PerCpuArray::with_max_entries(1, 0);

/// Working memory of whoever tells a head on this CPU.
#[map]
pub(crate) static HEAD_WORK: PerCpuArray<HeadWork> = PerCpuArray::with_max_entries(1, 0);

/// What is known of an interface.
#[inline(always)]
pub(crate) fn interface(key: InterfaceKey) -> Option<*const InterfacePlace> {
    const {
        assert!(
            offset_of!(InterfaceKey, netns) == 0
                && offset_of!(InterfaceKey, ifindex) == 4
                && offset_of!(InterfaceKey, direction) == 8
                && size_of::<InterfaceKey>() == 12
        );
    }
    let mut words = [0; 2];
    let both = u64::from(key.netns) | u64::from(key.ifindex) << 32;
    // As in `look_up`.
    // SAFETY: it is a place of that size.
    unsafe { (&raw mut words).write_volatile([both, u64::from(key.direction)]) };
    let map = ptr::from_ref(&INTERFACES).cast_mut().cast();
    // SAFETY: the words begin with the key.
    let place = unsafe { bpf_map_lookup_elem(map, (&raw const words).cast()) };
    (!place.is_null()).then_some(place.cast_const().cast())
}

/// Bytes of headers that a program may copy, and the longest header read past the limit.
pub(crate) const COPIED_BYTES: usize = MAX_HEADER_BYTES + 64;

/// What a program works on: more than its stack of 512 bytes would hold.
#[repr(C)]
pub(crate) struct Work {
    /// Where the parser puts an offset that the verifier is to forget.
    pub(crate) offset: AtomicU64,
    /// Where the bytes of the frame at hand are, at the tracepoints.
    pub(crate) frame: KernelFrame,
    /// The headers of the packet at hand.
    pub(crate) headers: Headers,
    /// What it adds to its flow.
    pub(crate) entry: CacheEntry,
    /// What rules can ask about it.
    pub(crate) facts: RuleFacts,
    /// The first row of the rules that it was found to match.
    pub(crate) row: u32,
    /// Where each tree of rules begins for it.
    pub(crate) begun: [u32; RULE_TREES],
    /// Headers that do not lie in one piece, copied. Twice the size that is used: the verifier
    /// bounds position and length apart.
    pub(crate) copied: [u8; 2 * COPIED_BYTES],
}

/// A frame in kernel memory.
#[repr(C)]
pub(crate) struct KernelFrame {
    /// Address of its first byte.
    pub(crate) start: u64,
    /// Bytes between that and the data pointer of its skb.
    pub(crate) pulled: u32,
    /// Bytes that lie one behind the other.
    pub(crate) linear: u32,
    /// Bytes in all.
    pub(crate) bytes: u32,
    /// Bytes of each datagram of an offloaded frame; 0 for others.
    pub(crate) segment: u32,
}

/// Working memory of the program that runs on this CPU.
#[map]
static WORK: PerCpuArray<Work> = PerCpuArray::with_max_entries(1, 0);

/// The working memory of this CPU; `None` never happens, but the verifier wants it handled.
#[inline(always)]
pub(crate) fn work() -> Option<&'static mut Work> {
    // SAFETY: programs run with softirqs off and do not interrupt one another on a CPU, each takes
    // the memory once, and all bytes that it ever holds are zero or written by these programs.
    WORK.place(0).map(|work| unsafe { &mut *work })
}

/// The number of the layouts that this object was built with: the agent asks for it by this name,
/// and so refuses an object of another number.
#[unsafe(no_mangle)]
pub(crate) static ABI_5: u32 = version::ABI;

const _: () = assert!(version::ABI == 5, "the name of ABI_5 says the number");

/// Where the running kernel keeps the fields of a packet.
#[unsafe(no_mangle)]
static SKB_OFFSETS: SkbOffsets = SkbOffsets {
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

/// Where the running kernel keeps the fields of a packet, as the agent wrote it into the object: so
/// the compiler must not take the zeros above for granted.
#[inline(always)]
pub(crate) fn skb_offsets() -> SkbOffsets {
    // SAFETY: a reference is valid for reads.
    unsafe { ptr::read_volatile(&raw const SKB_OFFSETS) }
}
