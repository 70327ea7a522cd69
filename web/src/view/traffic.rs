//! How much and how fast, as JSON has it.
//!
//! Bytes are those of whole link-layer frames without checksum; packets are those of the wire,
//! frames those that the host handles. Counts are since the start, rates over the last tick.

use netweir_flow::Rate;
use netweir_wire::map;
use serde::Serialize;
use utoipa::ToSchema;

/// Packets, frames and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Count {
    /// Packets as the wire carries them: each segment of an offloaded frame counts.
    pub packets: u64,
    /// Frames as the host handles them.
    pub frames: u64,
    /// Bytes of whole frames as the wire carries them.
    pub bytes: u64,
}

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Volume {
    /// Packets as the wire carries them.
    pub packets: u64,
    /// Bytes of whole frames as the wire carries them.
    pub bytes: u64,
}

/// A difference of two volumes, negative where the second is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Difference {
    /// Packets.
    pub packets: i64,
    /// Bytes.
    pub bytes: i64,
}

/// How fast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Speed {
    /// Bits of whole frames in a second.
    pub bandwidth_bps: f64,
    /// Packets in a second.
    pub packets_per_sec: f64,
}

/// How much since the start, and how fast in the last tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Traffic {
    /// How much.
    #[serde(flatten)]
    pub count: Count,
    /// How fast.
    #[serde(flatten)]
    pub speed: Speed,
}

/// How much of one class since the start, and how fast in the last tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct ClassTraffic {
    /// How much.
    #[serde(flatten)]
    pub total: Volume,
    /// How fast.
    #[serde(flatten)]
    pub speed: Speed,
}

impl Traffic {
    /// Joins the two.
    pub fn new(count: map::Count, rate: Rate) -> Self {
        Self {
            count: count.into(),
            speed: rate.into(),
        }
    }
}

impl From<map::Count> for Count {
    fn from(count: map::Count) -> Self {
        Self {
            packets: count.packets,
            frames: count.frames,
            bytes: count.bytes,
        }
    }
}

impl From<map::Volume> for Volume {
    fn from(volume: map::Volume) -> Self {
        Self {
            packets: volume.packets,
            bytes: volume.bytes,
        }
    }
}

impl From<netweir_flow::Difference> for Difference {
    fn from(difference: netweir_flow::Difference) -> Self {
        Self {
            packets: difference.packets,
            bytes: difference.bytes,
        }
    }
}

impl From<Rate> for Speed {
    fn from(rate: Rate) -> Self {
        Self {
            bandwidth_bps: rate.bits_per_second(),
            packets_per_sec: rate.packets_per_second,
        }
    }
}
