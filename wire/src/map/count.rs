//! How much: packets, frames and bytes, and how offloaded frames are counted.

use core::ops::{Add, AddAssign, Sub};

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Volume {
    /// Packets as the wire carries them (segments of an offloaded frame each count).
    pub packets: u64,
    /// Bytes of whole link-layer frames without checksum, as the wire carries them.
    pub bytes: u64,
}

/// Packets, frames and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Count {
    /// Packets as the wire carries them (segments of an offloaded frame each count).
    pub packets: u64,
    /// Frames as the host handles them: one for each skb or XDP buffer.
    pub frames: u64,
    /// Bytes of whole link-layer frames without checksum, as the wire carries them.
    pub bytes: u64,
}

impl Volume {
    /// Nothing.
    pub const ZERO: Self = Self {
        packets: 0,
        bytes: 0,
    };
}

impl Count {
    /// Nothing.
    pub const ZERO: Self = Self {
        packets: 0,
        frames: 0,
        bytes: 0,
    };

    /// Packets and bytes without the frames.
    pub const fn volume(self) -> Volume {
        Volume {
            packets: self.packets,
            bytes: self.bytes,
        }
    }
}

impl AddAssign for Volume {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        self.packets = self.packets.wrapping_add(other.packets);
        self.bytes = self.bytes.wrapping_add(other.bytes);
    }
}

impl AddAssign for Count {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        self.packets = self.packets.wrapping_add(other.packets);
        self.frames = self.frames.wrapping_add(other.frames);
        self.bytes = self.bytes.wrapping_add(other.bytes);
    }
}

impl Add for Count {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl Sub for Volume {
    type Output = Self;

    /// What was added since `earlier`; nothing where a counter began anew.
    fn sub(self, earlier: Self) -> Self {
        Self {
            packets: self.packets.saturating_sub(earlier.packets),
            bytes: self.bytes.saturating_sub(earlier.bytes),
        }
    }
}

impl Sub for Count {
    type Output = Self;

    /// What was added since `earlier`; nothing where a counter began anew.
    fn sub(self, earlier: Self) -> Self {
        Self {
            packets: self.packets.saturating_sub(earlier.packets),
            frames: self.frames.saturating_sub(earlier.frames),
            bytes: self.bytes.saturating_sub(earlier.bytes),
        }
    }
}

/// The number of packets that a frame of `frame_bytes` becomes on the wire.
///
/// `gso_segments` and `gso_size` are those of the skb. A sender outside the kernel (a guest, a tun
/// device) may leave the number of segments 0; then the payload behind `header_bytes` tells.
#[inline(always)]
pub const fn segments(
    frame_bytes: u32,
    header_bytes: u32,
    gso_segments: u32,
    gso_size: u32,
) -> u32 {
    if gso_size == 0 {
        return 1;
    }
    if gso_segments != 0 {
        return gso_segments;
    }
    let payload = frame_bytes.saturating_sub(header_bytes);
    if payload == 0 {
        1
    } else {
        payload.div_ceil(gso_size)
    }
}

/// The bytes that a frame becomes on the wire: every segment repeats the headers.
#[inline(always)]
pub const fn wire_bytes(frame_bytes: u32, header_bytes: u32, segments: u32) -> u64 {
    frame_bytes as u64 + segments.saturating_sub(1) as u64 * header_bytes as u64
}

#[cfg(test)]
mod tests {
    use super::{segments, wire_bytes};

    #[test]
    fn a_frame_without_offload_is_one_packet() {
        assert_eq!(segments(1514, 54, 0, 0), 1);
        // A number of segments without their size is left over from something else.
        assert_eq!(segments(1514, 54, 3, 0), 1);
        assert_eq!(wire_bytes(1514, 54, 1), 1514);
    }

    #[test]
    fn the_number_of_segments_is_believed_where_it_is_given() {
        assert_eq!(segments(54 + 3 * 1448, 54, 3, 1448), 3);
        assert_eq!(segments(54 + 3 * 1448, 54, 2, 1448), 2);
    }

    #[test]
    fn the_payload_tells_the_number_that_is_not_given() {
        for (payload, expected) in [(0, 1), (1, 1), (1448, 1), (1449, 2), (2896, 2), (2897, 3)] {
            assert_eq!(segments(54 + payload, 54, 0, 1448), expected, "{payload}");
        }
        assert_eq!(segments(40, 54, 0, 1448), 1);
        assert_eq!(segments(u32::MAX, 0, 0, 1), u32::MAX);
    }

    #[test]
    fn every_segment_repeats_the_headers() {
        assert_eq!(wire_bytes(54 + 2897, 54, 3), 3 * 54 + 2897);
        assert_eq!(wire_bytes(60, 54, 0), 60);
        let most = u64::from(u32::MAX);
        assert_eq!(
            wire_bytes(u32::MAX, u32::MAX, u32::MAX),
            most + (most - 1) * most
        );
    }
}
