//! A flow in the kernel: its key and its counters.

use core::{mem::offset_of, ops::Range};

use super::InterfaceKey;
use crate::packet::{Headers, Usual};

/// Set in [`FlowCounters::marks`] when a first fragment was counted.
pub const FLOW_FIRST_FRAGMENT: u8 = 1;
/// Set in [`FlowCounters::marks`] when a later fragment was counted: its ports are not known.
pub const FLOW_LATER_FRAGMENT: u8 = 2;

/// One direction of a 5-tuple on an interface.
///
/// A frame that is not IP has its MACs in the first six bytes of the addresses, no protocol and no
/// ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(C, align(8))]
pub struct FlowKey {
    /// Inode number of the interface's network namespace, as in `/proc/self/ns/net`.
    pub netns: u32,
    /// Interface index within that namespace.
    pub ifindex: u32,
    /// Source address, IPv4 as v4-mapped.
    pub source: [u8; 16],
    /// Destination address, IPv4 as v4-mapped.
    pub destination: [u8; 16],
    /// Source port, network order.
    pub source_port: [u8; 2],
    /// Destination port, network order; for ICMP type and code.
    pub destination_port: [u8; 2],
    /// Ethertype behind the VLAN tags, or of the tag at which reading ended, network order; 0 for
    /// IEEE 802.3 and where it is not known.
    pub ethertype: [u8; 2],
    /// VLAN identifier of the outermost tag, network order; 0 for none and for a priority tag.
    pub outer_vlan: [u8; 2],
    /// VLAN identifier of the second tag, network order; 0 for none and for a priority tag.
    pub inner_vlan: [u8; 2],
    /// IP protocol behind the extension headers.
    pub protocol: u8,
    /// A [`super::Direction`].
    pub direction: u8,
    /// Always zero.
    pub reserved: [u8; 4],
}

impl FlowKey {
    /// The words of memory that a usual packet's key consists of.
    #[inline(always)]
    pub fn words(interface: InterfaceKey, usual: &Usual) -> [u64; KEY_WORDS] {
        let [outer, inner] = usual.vlans;
        let [protocol, direction] = [usual.protocol.into(), interface.direction];
        [
            join(interface.netns, interface.ifindex),
            usual.source[0],
            usual.source[1],
            usual.destination[0],
            usual.destination[1],
            join(usual.ports, pair(usual.ethertype, outer)),
            join(pair(inner, pair_of_bytes(protocol, direction)), 0),
        ]
    }

    /// The words of memory that it consists of.
    pub fn to_words(&self) -> [u64; KEY_WORDS] {
        let [ports, tags] = [
            [self.source_port, self.destination_port],
            [self.ethertype, self.outer_vlan],
        ]
        .map(|[first, second]| [first[0], first[1], second[0], second[1]]);
        let address = |bytes: [u8; 16]| {
            let bytes = u128::from_le_bytes(bytes).to_le();
            let halves = bytes.to_ne_bytes();
            let half = |from: usize| {
                let mut word = [0; 8];
                word.copy_from_slice(&halves[from..from + 8]);
                u64::from_ne_bytes(word)
            };
            [half(0), half(8)]
        };
        let [source, destination] = [self.source, self.destination].map(address);
        let rest = u32::from_ne_bytes([
            self.inner_vlan[0],
            self.inner_vlan[1],
            self.protocol,
            self.direction,
        ]);
        [
            join(self.netns, self.ifindex),
            source[0],
            source[1],
            destination[0],
            destination[1],
            join(u32::from_ne_bytes(ports), u32::from_ne_bytes(tags)),
            join(rest, u32::from_ne_bytes(self.reserved)),
        ]
    }

    /// The flow that a packet with `headers` belongs to.
    #[inline(always)]
    pub fn new(interface: InterfaceKey, headers: &Headers) -> Self {
        // As numbers: the kernel programs would copy them byte by byte otherwise.
        let (source, destination) = if headers.is_ip {
            (
                u128::from_ne_bytes(headers.source),
                u128::from_ne_bytes(headers.destination),
            )
        } else {
            (
                widened(headers.source_mac),
                widened(headers.destination_mac),
            )
        };
        Self {
            netns: interface.netns,
            ifindex: interface.ifindex,
            source: source.to_ne_bytes(),
            destination: destination.to_ne_bytes(),
            source_port: headers.source_port.to_be_bytes(),
            destination_port: headers.destination_port.to_be_bytes(),
            ethertype: headers.ethertype.to_be_bytes(),
            outer_vlan: headers.tags[0].vlan().to_be_bytes(),
            inner_vlan: headers.tags[1].vlan().to_be_bytes(),
            protocol: headers.protocol,
            direction: interface.direction as u8,
            reserved: [0; 4],
        }
    }
}

/// Words of memory in a [`FlowKey`].
pub const KEY_WORDS: usize = size_of::<FlowKey>() / 8;

/// Which of its words the addresses are.
pub(super) const ADDRESS_WORDS: Range<usize> =
    offset_of!(FlowKey, source) / 8..offset_of!(FlowKey, source_port) / 8;

/// Two numbers as they follow each other in memory.
#[inline(always)]
const fn join(first: u32, second: u32) -> u64 {
    if cfg!(target_endian = "little") {
        first as u64 | (second as u64) << 32
    } else {
        (first as u64) << 32 | second as u64
    }
}

/// Two numbers as they follow each other in memory.
#[inline(always)]
const fn pair(first: u16, second: u16) -> u32 {
    if cfg!(target_endian = "little") {
        first as u32 | (second as u32) << 16
    } else {
        (first as u32) << 16 | second as u32
    }
}

/// Two numbers of one byte each as they follow each other in memory.
#[inline(always)]
const fn pair_of_bytes(first: u32, second: u32) -> u16 {
    if cfg!(target_endian = "little") {
        (first | second << 8) as u16
    } else {
        (first << 8 | second) as u16
    }
}

/// A MAC in the place of an address.
#[inline(always)]
const fn widened([a, b, c, d, e, f]: [u8; 6]) -> u128 {
    u128::from_ne_bytes([a, b, c, d, e, f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
}

/// What the kernel counted of a flow since it was last handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FlowCounters {
    /// Packets as the wire carries them.
    pub packets: u64,
    /// Frames as the host handles them.
    pub frames: u64,
    /// Bytes of whole frames as the wire carries them.
    pub bytes: u64,
    /// Time of the first packet, nanoseconds of `CLOCK_MONOTONIC`.
    pub first_ns: u64,
    /// Time of the last packet, nanoseconds of `CLOCK_MONOTONIC`.
    pub last_ns: u64,
    /// Source MAC of the first packet.
    pub source_mac: [u8; 6],
    /// Destination MAC of the first packet.
    pub destination_mac: [u8; 6],
    /// All TCP flags seen, host order.
    pub tcp_flags: u16,
    /// Type of service or traffic class of the last packet.
    pub traffic_class: u8,
    /// `FLOW_*` bits.
    pub marks: u8,
}

impl FlowCounters {
    /// Nothing counted yet.
    pub const ZERO: Self = Self {
        packets: 0,
        frames: 0,
        bytes: 0,
        first_ns: 0,
        last_ns: 0,
        source_mac: [0; 6],
        destination_mac: [0; 6],
        tcp_flags: 0,
        traffic_class: 0,
        marks: 0,
    };

    /// The counters of a flow whose only packet so far has `headers`.
    #[inline(always)]
    pub fn new(headers: &Headers, count: super::Count, now_ns: u64) -> Self {
        Self {
            packets: count.packets,
            frames: count.frames,
            bytes: count.bytes,
            first_ns: now_ns,
            last_ns: now_ns,
            source_mac: headers.source_mac,
            destination_mac: headers.destination_mac,
            tcp_flags: headers.tcp_flags,
            traffic_class: headers.traffic_class,
            marks: headers.fragment.marks(),
        }
    }

    /// Adds what was counted later: what the kernel programs do to an entry of their map.
    pub fn merge(&mut self, more: &Self) {
        self.packets = self.packets.wrapping_add(more.packets);
        self.frames = self.frames.wrapping_add(more.frames);
        self.bytes = self.bytes.wrapping_add(more.bytes);
        self.first_ns = self.first_ns.min(more.first_ns);
        self.last_ns = self.last_ns.max(more.last_ns);
        self.traffic_class = more.traffic_class;
        self.tcp_flags |= more.tcp_flags;
        self.marks |= more.marks;
    }

    /// Packets, frames and bytes.
    pub const fn count(&self) -> super::Count {
        super::Count {
            packets: self.packets,
            frames: self.frames,
            bytes: self.bytes,
        }
    }
}
