//! The counters of an interface, independent of its flows.

use super::{Class, Count, Volume};
use crate::packet::Problem;

/// Which way a packet goes, seen from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Direction {
    /// Received by the interface.
    Ingress = 0,
    /// Sent by the interface.
    Egress = 1,
}

impl TryFrom<u8> for Direction {
    type Error = u8;

    fn try_from(value: u8) -> Result<Self, u8> {
        match value {
            0 => Ok(Self::Ingress),
            1 => Ok(Self::Egress),
            other => Err(other),
        }
    }
}

/// Why a packet that should be in a flow is in none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LossReason {
    /// The flow map had no room for a new flow.
    FlowMapFull = 0,
    /// The flow map refused the flow for another reason (its bucket was locked, no memory).
    FlowMapBusy = 1,
    /// The flow map refused the flow, and the ring buffer had no room either.
    RingFull = 2,
}

impl LossReason {
    /// Every reason, in the order of its number.
    pub const ALL: [Self; 3] = [Self::FlowMapFull, Self::FlowMapBusy, Self::RingFull];

    /// The name that views, metrics and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FlowMapFull => "flow_map_full",
            Self::FlowMapBusy => "flow_map_busy",
            Self::RingFull => "ring_full",
        }
    }
}

/// Why a packet could be charged to no interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum StrayReason {
    /// The interface map had no room for a new interface.
    InterfaceMapFull = 0,
    /// A field of the kernel's packet could not be read (tracepoint hook).
    Unreadable = 1,
}

impl StrayReason {
    /// Every reason, in the order of its number.
    pub const ALL: [Self; 2] = [Self::InterfaceMapFull, Self::Unreadable];

    /// The name that views, metrics and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InterfaceMapFull => "interface_map_full",
            Self::Unreadable => "unreadable",
        }
    }
}

/// One direction of one interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(C)]
pub struct InterfaceKey {
    /// Inode number of the network namespace.
    pub netns: u32,
    /// Interface index within that namespace.
    pub ifindex: u32,
    /// A [`Direction`].
    pub direction: u32,
}

/// Where the counters of one direction of an interface are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct InterfacePlace {
    /// For each of the two tables of rules, the number that it has for the interface; 0 where it names
    /// it nowhere.
    pub rules: [u32; 2],
    /// Which of the names that the filter asks for the interface has, as bits.
    pub names: u32,
    /// Number of the counters. (Last: the others are cleared with one instruction, which has to be
    /// aligned.)
    pub number: u32,
}

/// A place where programs look for an interface and direction first: [`near_place`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct NearInterface {
    /// Interface index within the namespace that the programs watch; 0 for none.
    pub ifindex: u32,
    /// Number of the counters.
    pub number: u32,
}

/// Places for interfaces, each direction counting as one.
pub const NEAR_PLACES: u32 = 4096;

/// Where an interface and direction is looked for first.
#[inline(always)]
pub const fn near_place(ifindex: u32, direction: u32) -> u32 {
    (ifindex << 1 | direction) & (NEAR_PLACES - 1)
}

/// Number of [`Class`]es.
pub const INTERFACE_CLASSES: usize = Class::ALL.len();

/// What one CPU counted at one direction of an interface since the start.
///
/// `short` is part of both `seen` and `counted`: the programs count what takes the short way once, and
/// user space adds it to both ([`InterfaceCounters::settled`]). After that,
/// `seen = counted + filtered + sampled + lost`, in packets and in bytes; each of them is added to by
/// its own code. In the kernel, classes are those of packets that are in no flow (and of later
/// fragments); user space adds the classes of the flows, and then they sum up to what was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct InterfaceCounters {
    /// All that came by the hook.
    pub seen: Count,
    /// What was added to a flow.
    pub counted: Count,
    /// What the filter did not admit.
    pub filtered: Volume,
    /// What sampling left out.
    pub sampled: Volume,
    /// What should have been added to a flow and was not, by [`LossReason`].
    pub lost: [Volume; LossReason::ALL.len()],
    /// What came by the hook and was added to a flow that the cache knew.
    pub short: Count,
    /// What was seen, by [`Class`].
    pub classes: [Volume; INTERFACE_CLASSES],
    /// Frames seen, by [`Problem`]; the first place stays 0.
    pub problems: [u64; Problem::ALL.len()],
    /// What was dropped because a rule says so. It is seen, and in a flow, as other packets are.
    pub dropped: Volume,
    /// What a rule says is to be dropped, at a hook that cannot.
    pub spared: Volume,
}

impl Default for InterfaceCounters {
    fn default() -> Self {
        Self::ZERO
    }
}

impl core::ops::AddAssign<&Self> for InterfaceCounters {
    /// Adds what another CPU counted.
    fn add_assign(&mut self, other: &Self) {
        self.seen += other.seen;
        self.counted += other.counted;
        self.short += other.short;
        self.filtered += other.filtered;
        self.sampled += other.sampled;
        self.dropped += other.dropped;
        self.spared += other.spared;
        for (sum, &more) in self.lost.iter_mut().zip(&other.lost) {
            *sum += more;
        }
        for (sum, &more) in self.classes.iter_mut().zip(&other.classes) {
            *sum += more;
        }
        for (sum, &more) in self.problems.iter_mut().zip(&other.problems) {
            *sum = sum.wrapping_add(more);
        }
    }
}

impl InterfaceCounters {
    /// With what took the short way in `seen` and in `counted`.
    #[must_use]
    pub fn settled(mut self) -> Self {
        let short = core::mem::take(&mut self.short);
        self.seen += short;
        self.counted += short;
        self
    }

    /// Adds to the classes of these numbers; to be in no class is not counted.
    pub fn add_classes(&mut self, numbers: [u8; 3], volume: Volume) {
        for number in numbers {
            let sum = self.classes.get_mut(usize::from(number));
            if let Some(sum) = sum
                && number != Class::None as u8
            {
                *sum += volume;
            }
        }
    }

    /// Nothing counted yet.
    pub const ZERO: Self = Self {
        seen: Count::ZERO,
        counted: Count::ZERO,
        short: Count::ZERO,
        filtered: Volume::ZERO,
        sampled: Volume::ZERO,
        lost: [Volume::ZERO; LossReason::ALL.len()],
        classes: [Volume::ZERO; INTERFACE_CLASSES],
        problems: [0; Problem::ALL.len()],
        dropped: Volume::ZERO,
        spared: Volume::ZERO,
    };

    /// All losses together.
    pub fn lost_total(&self) -> Volume {
        self.lost.iter().fold(Volume::default(), |mut sum, &lost| {
            sum += lost;
            sum
        })
    }

    /// What was seen of one class.
    pub const fn class(&self, class: Class) -> Volume {
        self.classes[class as usize]
    }
}
