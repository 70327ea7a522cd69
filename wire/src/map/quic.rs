//! What the kernel programs tell of QUIC, and what keeps it short.
//!
//! Datagrams between QUIC ports are looked at once they have been counted. Long headers go to user
//! space whole, as far as that is rare: each flow has an allowance, and so has each CPU. Short headers
//! stay in the kernel: their spin bit is timed, their connection IDs are counted by the backend and
//! the queue that they name, and one of them is told now and then, so that user space sees under
//! which ID a flow runs. What is not told is counted under its reason.

use core::ops::AddAssign;

use super::FlowKey;

/// Bytes of a datagram that an event has at most: what fits into an Ethernet frame, and some more.
pub const QUIC_CAPTURED_BYTES: usize = 2047;

/// The same of a datagram with a short header: a connection ID, and what tells other protocols.
pub const QUIC_SHORT_BYTES: usize = 64;

/// Flows that are remembered: a power of two.
pub const QUIC_PLACES: u32 = 1 << 14;

/// What an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum QuicEventKind {
    /// A datagram that begins with a long header.
    Long = 0,
    /// A datagram that begins with a short header, one of many.
    Short = 1,
    /// How the spin bit has turned since the last such event.
    Spin = 2,
}

impl QuicEventKind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 3] = [Self::Long, Self::Short, Self::Spin];
}

impl TryFrom<u8> for QuicEventKind {
    type Error = u8;

    fn try_from(number: u8) -> Result<Self, u8> {
        let found = Self::ALL.get(usize::from(number));
        found.copied().ok_or(number)
    }
}

/// How the spin bit of a flow turned (RFC 9000 section 17.4): the time between two turns is a
/// round-trip time, where both peers take part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SpinSums {
    /// Sum of the times between turns, nanoseconds.
    pub sum_ns: u64,
    /// The shortest of them, nanoseconds; 0 where there are none.
    pub min_ns: u64,
    /// The longest of them, nanoseconds.
    pub max_ns: u64,
    /// How many they are.
    pub turns: u32,
    /// Short headers meanwhile.
    pub packets: u32,
}

/// The head of an event in the ring; the first bytes of the datagram's payload follow it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct QuicEvent {
    /// The flow of the datagram.
    pub key: FlowKey,
    /// When it came, nanoseconds of `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    /// For [`QuicEventKind::Spin`].
    pub spin: SpinSums,
    /// Bytes of the UDP payload, which for a segment of an offloaded frame is the segment's.
    pub payload_bytes: u32,
    /// Bytes of it that follow.
    pub captured_bytes: u16,
    /// A [`QuicEventKind`].
    pub kind: u8,
    /// Always zero.
    pub reserved: u8,
}

/// What a program remembers of a flow, in a place that flows with equal hashes share: who comes
/// begins anew, except for the allowance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct QuicPlace {
    /// Hash of the flow; 0 for none yet.
    pub flow: u64,
    /// When the spin bit turned last, nanoseconds of `CLOCK_MONOTONIC`; 0 if it has not.
    pub turned_ns: u64,
    /// What has not been told of its turns.
    pub spin: SpinSums,
    /// The tick up to which the allowance has been granted.
    pub granted_tick: u32,
    /// Events that it may still have.
    pub allowance: u32,
    /// The tick of the last event of a short header.
    pub short_tick: u32,
    /// The tick of the last event of the spin bit.
    pub spin_tick: u32,
    /// The spin bit of the last short header: 0 or 1, or 2 for none yet.
    pub spin_bit: u32,
    /// One more than the backend that the last connection ID named; 0 for none, or for one that
    /// does not fit.
    pub backend: u32,
}

/// How much may be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct QuicLimits {
    /// Ticks of the programs' cheap clock in a second; 0 for no events at all.
    pub ticks_per_second: u32,
    /// Events of a flow in a second, and twice as many at once.
    pub of_flow: u32,
    /// Events of a CPU in a second, and as many at once.
    pub of_cpu: u32,
    /// Ticks between two events of short headers, or of the spin bit, of a flow.
    pub pause_ticks: u32,
}

/// Why an event is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum QuicLoss {
    /// The flow had more of them than it may have, or one of its frames did.
    FlowLimit = 0,
    /// The CPU had.
    CpuLimit = 1,
    /// The ring buffer was full.
    RingFull = 2,
    /// The datagram could not be read, or came behind too many others in one frame.
    Unreadable = 3,
}

impl QuicLoss {
    /// Every reason, in the order of its number.
    pub const ALL: [Self; 4] = [
        Self::FlowLimit,
        Self::CpuLimit,
        Self::RingFull,
        Self::Unreadable,
    ];

    /// The name that views, metrics and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FlowLimit => "flow_limit",
            Self::CpuLimit => "cpu_limit",
            Self::RingFull => "ring_full",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What a CPU counted of QUIC since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct QuicCounters {
    /// Datagrams between QUIC ports that begin with a long header, or that could not be read: each of
    /// them was told or is in `lost`.
    pub long: u64,
    /// The others.
    pub short: u64,
    /// Events told, by [`QuicEventKind`].
    pub told: [u64; 3],
    /// Long headers that were not told, by [`QuicLoss`].
    pub lost: [u64; 4],
    /// Short headers whose connection ID was counted by what it names. Where there are layouts, each
    /// short header is here, in `no_room` or in `undecoded`.
    pub decoded: u64,
    /// Those whose ID named something that the map of [`QuicBackendKey`]s had no room for, and those
    /// of offloaded frames with too many different IDs.
    pub no_room: u64,
    /// The others, by [`super::Undecoded`].
    pub undecoded: [u64; 8],
    /// The tick up to which the CPU's allowance has been granted.
    pub granted_tick: u32,
    /// Events that it may still have.
    pub allowance: u32,
}

impl AddAssign<&Self> for QuicCounters {
    /// Adds what another CPU, or other programs, counted; allowances are no counts.
    fn add_assign(&mut self, other: &Self) {
        self.long = self.long.wrapping_add(other.long);
        self.short = self.short.wrapping_add(other.short);
        self.decoded = self.decoded.wrapping_add(other.decoded);
        self.no_room = self.no_room.wrapping_add(other.no_room);
        let sums = self.told.iter_mut().chain(&mut self.lost);
        let more = other.told.iter().chain(&other.lost);
        for (sum, more) in sums.zip(more) {
            *sum = sum.wrapping_add(*more);
        }
        for (sum, more) in self.undecoded.iter_mut().zip(&other.undecoded) {
            *sum = sum.wrapping_add(*more);
        }
    }
}

/// What a connection ID names, by which datagrams and the bytes of their UDP payloads are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct QuicBackendKey {
    /// The backend; 0 if `named` says that there is none.
    pub backend: u64,
    /// The queue; 0 if `named` says that there is none.
    pub queue: u64,
    /// Number of the layout.
    pub layout: u32,
    /// Which of both the layout has: bit 0 the backend, bit 1 the queue.
    pub named: u32,
}
