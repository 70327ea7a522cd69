//! Numbers in the kernel programs that stand for what only the agent knows, when it has looked at the
//! running kernel and made the first maps: it writes that into the programs' instructions before it
//! loads them.
//!
//! So a program has its settings and the addresses of its maps at hand, without reading memory, and
//! the kernel leaves out of it what they rule out.

use crate::map::KEY_WORDS;

/// The numbers are of no other use: each instruction that has one was meant.
const MARK: u64 = 0x4e57_0000;

/// A stand-in of 64 bits, which is loaded into a register.
const fn loaded(number: u64) -> u64 {
    (MARK | number) << 32 | MARK | number
}

/// Is called in the place of the kernel's `bpf_dynptr_from_skb`, of which the running kernel has the
/// number.
pub const DYNPTR_FROM_SKB: u64 = MARK | 1;
/// The same for `bpf_cast_to_kern_ctx`.
pub const CAST_TO_KERN_CTX: u64 = MARK | 2;
/// Is added in the place of the offset of `xdp_buff.flags`.
pub const XDP_FLAGS: u64 = MARK | 3;
/// The same for `net_device.ifindex`.
pub const DEVICE_IFINDEX: u64 = MARK | 4;
/// The same for `net_device.nd_net.net`.
pub const DEVICE_NETNS: u64 = MARK | 5;
/// The same for `net.ns.inum`.
pub const NETNS_INODE: u64 = MARK | 6;
/// The same for `bpf_map.map_type`.
pub const MAP_KIND: u64 = MARK | 7;

/// Address of the only value of [`EPOCH`](crate::name::EPOCH).
pub const EPOCH_ADDRESS: u64 = loaded(0x10);
/// Address of the only value of [`CACHE`](crate::name::CACHE), if [`DIRECT`] is 1.
pub const CACHE_ADDRESS: u64 = loaded(0x11);
/// Address of the only value of [`CACHE_INDEX`](crate::name::CACHE_INDEX), if [`DIRECT`] is 1.
pub const CACHE_INDEX_ADDRESS: u64 = loaded(0x12);
/// [`CACHE`](crate::name::CACHE) itself, to look a place up in it.
pub const CACHE: u64 = loaded(0x13);
/// [`CACHE_INDEX`](crate::name::CACHE_INDEX) itself, to look a place up in it.
pub const CACHE_INDEX: u64 = loaded(0x14);

/// 1 where the programs reach the cache by its addresses, 0 where they look places up in it.
pub const DIRECT: u64 = loaded(0x20);
/// CPUs that have lists in the cache.
pub const CACHE_CPUS: u64 = loaded(0x21);
/// Flows in a list of the cache; 0 for no cache.
pub const CACHE_FLOWS: u64 = loaded(0x22);
/// Buckets in the index of a list.
pub const CACHE_BUCKETS: u64 = loaded(0x23);
/// Inode number of the network namespace whose interfaces TC and XDP watch.
pub const NETNS: u64 = loaded(0x24);
/// 1 when the kernel has `bpf_jiffies64`, which costs next to nothing.
pub const JIFFIES: u64 = loaded(0x25);
/// 1 when [`OVERFLOW`](crate::name::OVERFLOW) is to be used.
pub const RING: u64 = loaded(0x26);
/// 1 when [`FILTER`](crate::name::FILTER) is to be asked.
pub const FILTERS: u64 = loaded(0x27);
/// One frame in so many is counted in its flow; 1 for every frame.
pub const SAMPLING: u64 = loaded(0x28);
/// 1 when the tracepoints count every interface, 0 when only those that have an entry in
/// [`INTERFACES`](crate::name::INTERFACES).
pub const TRACE_ANY: u64 = loaded(0x29);

/// 1 when [`LAYOUT`](crate::name::LAYOUT) is to be asked.
pub const LAYOUTS: u64 = loaded(0x2a);
/// [`QuicLimits::ticks_per_second`](crate::map::QuicLimits::ticks_per_second).
pub const QUIC_TICKS: u64 = loaded(0x2b);
/// [`QuicLimits::of_flow`](crate::map::QuicLimits::of_flow).
pub const QUIC_OF_FLOW: u64 = loaded(0x2c);
/// [`QuicLimits::of_cpu`](crate::map::QuicLimits::of_cpu).
pub const QUIC_OF_CPU: u64 = loaded(0x2d);
/// [`QuicLimits::pause_ticks`](crate::map::QuicLimits::pause_ticks).
pub const QUIC_PAUSE: u64 = loaded(0x2e);

/// Ticks of the cheap clock in a second; 0 where no heads are told.
pub const HEAD_TICKS: u64 = loaded(0x40);
/// Heads that a CPU may tell in a second.
pub const HEADS_OF_CPU: u64 = loaded(0x41);

/// [`INLINE_WAY`](crate::name::INLINE_WAY).
pub const INLINE_WAY: u64 = loaded(0x50);
/// [`TAP_SOCKETS`](crate::name::TAP_SOCKETS).
pub const TAP_SOCKETS: u64 = loaded(0x51);
/// Address of the only value of [`TAP_SLOTS`](crate::name::TAP_SLOTS).
pub const TAP_SLOTS_ADDRESS: u64 = loaded(0x52);
/// [`INLINE_COUNTERS`](crate::name::INLINE_COUNTERS).
pub const INLINE_COUNTERS: u64 = loaded(0x53);
/// Index of the interface whose frames are sent on.
pub const INLINE_IFINDEX: u64 = loaded(0x54);
/// Index of the interface that they are sent on to.
pub const INLINE_OTHER: u64 = loaded(0x55);
/// 1 where they are sent on behind the driver (generic XDP), which the kernel tells nothing of but errors.
pub const INLINE_GENERIC: u64 = loaded(0x56);

/// The words of a [`CacheSeed`](crate::map::CacheSeed).
pub const CACHE_SEED: [u64; KEY_WORDS] = {
    let mut words = [0; KEY_WORDS];
    let mut place = 0;
    while place < KEY_WORDS {
        words[place] = loaded(0x30 + place as u64);
        place += 1;
    }
    words
};
