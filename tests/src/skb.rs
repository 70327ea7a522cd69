//! The context that a TC program is run with: `struct __sk_buff` of `linux/bpf.h`, as bytes.

/// Fields that the kernel takes from a context; everything else stays 0.
#[derive(Clone, Copy, Debug)]
pub struct SkbContext([u8; 192]);

impl SkbContext {
    /// A frame that is no offloaded one.
    pub const fn new() -> Self {
        Self([0; 192])
    }

    /// With the length on the wire; 0 for that of the frame.
    #[must_use]
    pub fn wire_bytes(self, bytes: u32) -> Self {
        self.with(160, bytes)
    }

    /// With the number of segments.
    #[must_use]
    pub fn segments(self, segments: u32) -> Self {
        self.with(164, segments)
    }

    /// With the payload of a segment.
    #[must_use]
    pub fn segment_bytes(self, bytes: u32) -> Self {
        self.with(176, bytes)
    }

    /// The context as the kernel takes it.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn with(mut self, offset: usize, value: u32) -> Self {
        self.0[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
        self
    }
}

impl Default for SkbContext {
    fn default() -> Self {
        Self::new()
    }
}
