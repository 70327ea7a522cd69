//! What is pinned beside the maps of the programs: what a later process has to know of them.
//!
//! User space alone makes and reads these; the programs know nothing of them.

use super::{Count, HeadCounters, InterfaceCounters, QuicCounters, StrayReason, Volume};

/// How far an attachment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Phase {
    /// It is being made, and nothing counts there: what is found so may be removed.
    Making = 0,
    /// It takes over from an older one, and may count already.
    Migrating = 1,
    /// It counts.
    Attached = 2,
}

impl TryFrom<u32> for Phase {
    type Error = u32;

    fn try_from(number: u32) -> Result<Self, u32> {
        let all = [Self::Making, Self::Migrating, Self::Attached];
        let found = all.into_iter().find(|phase| *phase as u32 == number);
        found.ok_or(number)
    }
}

/// Bytes of an interface's name, the closing zero included: `IFNAMSIZ`.
pub const INTERFACE_NAME_BYTES: usize = 16;

/// What is pinned, and what its programs were loaded with.
///
/// Every version reads this of every other one: fields are added at the end, and none is moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct About {
    /// The [`crate::version::ABI`] of the maps beside this one.
    pub abi: u32,
    /// A [`Phase`].
    pub phase: u32,
    /// When the interface was attached to, by whichever version: nanoseconds of `CLOCK_BOOTTIME`.
    pub attached_ns: u64,
    /// Nanoseconds in a tick of the programs' cheap clock.
    pub tick_ns: u64,
    /// Inode number of the interface's network namespace.
    pub netns: u32,
    /// Its index within that namespace.
    pub ifindex: u32,
    /// Its name when it was attached to, zeros behind it.
    pub interface: [u8; INTERFACE_NAME_BYTES],
    /// The hook: 0 TCX, 1 clsact, 2 native XDP, 3 generic XDP, 4 the inline path.
    pub hook: u8,
    /// The hook that was asked for: 0 whichever works, 1 TC, 2 XDP.
    pub asked: u8,
    /// The mode that was asked for: 0 whichever works, 1 TCX or native XDP, 2 clsact or generic XDP.
    pub mode: u8,
    /// 1 where the clsact qdisc was made for it.
    pub qdisc: u8,
    /// 1 when the programs ask [`crate::name::FILTER`].
    pub filters: u8,
    /// 1 when they ask [`crate::name::LAYOUT`].
    pub layouts: u8,
    /// Always zero.
    pub reserved: [u8; 6],
    /// One frame in so many is counted in its flow.
    pub sampling: u32,
    /// Heads of packets that rules may sample on each CPU in a second.
    pub heads_per_second: u32,
    /// Flows in a list of the cache; 0 for no cache.
    pub cache_flows: u32,
    /// CPUs that have lists in the cache.
    pub cache_cpus: u32,
    /// Bytes of the ring buffer for frames; 0 for none.
    pub ring_bytes: u32,
    /// Bytes of the ring buffer for QUIC; 0 for none.
    pub quic_bytes: u32,
    /// Bytes of the ring buffer for heads of packets; 0 for none.
    pub heads_bytes: u32,
    /// The sizes that were asked for: cache, flows, ring, QUIC, interfaces.
    pub sizes: [u32; 5],
    /// The ABI of the maps that this one took over from last; 0 for none.
    pub migrated_from: u32,
    /// Index of the interface that frames are sent on to; 0 for none.
    pub other: u32,
    /// 1 where the interface was made to take frames for others, which it had not before.
    pub promiscuous: u32,
}

/// What user space keeps of one number of counters: twice, and the lowest bit of the epochs that were
/// taken says which one holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Carried {
    /// Added to what the programs have counted: the classes of flows that were taken, and all that
    /// programs of an older ABI had counted.
    pub counters: InterfaceCounters,
    /// What was taken in flows.
    pub taken: Count,
}

/// What programs of an older ABI had counted of no interface in particular.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct CarriedSums {
    /// By [`StrayReason`].
    pub strays: [Volume; StrayReason::ALL.len()],
    /// Allowances in it mean nothing.
    pub quic: QuicCounters,
    /// The same.
    pub heads: HeadCounters,
}

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::About;

    /// Every version has to read what every other one has pinned: nothing here ever moves.
    #[test]
    fn no_field_moves() {
        let places = [
            offset_of!(About, abi),
            offset_of!(About, phase),
            offset_of!(About, attached_ns),
            offset_of!(About, tick_ns),
            offset_of!(About, netns),
            offset_of!(About, ifindex),
            offset_of!(About, interface),
            offset_of!(About, hook),
            offset_of!(About, asked),
            offset_of!(About, mode),
            offset_of!(About, qdisc),
            offset_of!(About, filters),
            offset_of!(About, layouts),
            offset_of!(About, reserved),
            offset_of!(About, sampling),
            offset_of!(About, heads_per_second),
            offset_of!(About, cache_flows),
            offset_of!(About, cache_cpus),
            offset_of!(About, ring_bytes),
            offset_of!(About, quic_bytes),
            offset_of!(About, heads_bytes),
            offset_of!(About, sizes),
            offset_of!(About, migrated_from),
            offset_of!(About, other),
            offset_of!(About, promiscuous),
        ];
        let expected = [
            0, 4, 8, 16, 24, 28, 32, 48, 49, 50, 51, 52, 53, 54, 60, 64, 68, 72, 76, 80, 84, 88,
            108, 112, 116,
        ];
        assert_eq!(places, expected);
    }
}
