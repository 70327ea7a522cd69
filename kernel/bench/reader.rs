//! Access to the linear part of a packet, as directly as it goes.

/// The bytes between the two pointers that the verifier watches over.
#[derive(Clone, Copy)]
pub(crate) struct Linear {
    /// Address of the first byte.
    pub(crate) start: usize,
    /// Address behind the last byte.
    pub(crate) end: usize,
}

impl Linear {
    /// What lies at `offset`, in the byte order of the packet.
    #[inline(always)]
    pub(crate) fn read<T: Copy>(self, offset: usize) -> Option<T> {
        self.place(offset).map(|place: *mut T| {
            // SAFETY: the place is within the packet; the target reads at any address.
            unsafe { place.read_unaligned() }
        })
    }

    /// Puts a value there, if the packet is so long.
    #[inline(always)]
    pub(crate) fn write<T: Copy>(self, offset: usize, value: T) {
        if let Some(place) = self.place(offset) {
            // SAFETY: the place is within the packet; the target writes at any address.
            unsafe { core::ptr::write_unaligned(place, value) }
        }
    }

    #[inline(always)]
    fn place<T>(self, offset: usize) -> Option<*mut T> {
        let from = self.start + offset;
        (from + size_of::<T>() <= self.end).then_some(from as *mut T)
    }
}
