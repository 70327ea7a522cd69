//! Memory that is shared with the kernel: kernel maps, the rings of sockets, and frames.

use std::{
    os::fd::AsFd,
    ptr, slice,
    sync::atomic::{AtomicU32, AtomicU64},
};

use netweir_wire::map::Pod;
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

use crate::{Error, error::Doing};

/// Memory that is shared with the kernel.
pub(crate) struct Memory {
    start: *mut u8,
    bytes: usize,
}

// SAFETY: the memory is shared with the kernel anyway; it belongs to whoever owns this.
unsafe impl Send for Memory {}

impl Memory {
    /// The bytes of a map that begin at `from`, a multiple of the size of a page.
    pub(crate) fn map(
        map: impl AsFd,
        access: ProtFlags,
        (from, bytes): (u64, usize),
    ) -> Result<Self, Error> {
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start = unsafe { mmap(ptr::null_mut(), bytes, access, MapFlags::SHARED, map, from) };
        let start = start.doing("map a kernel map into memory")?.cast();
        Ok(Self { start, bytes })
    }

    /// Memory of its own, of so many bytes.
    pub(crate) fn anonymous(bytes: usize) -> Result<Self, Error> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), bytes, access, MapFlags::PRIVATE) };
        let start = start.doing("get memory for frames")?.cast();
        Ok(Self { start, bytes })
    }

    /// Where it begins, and how many bytes it has.
    pub(crate) fn extent(&self) -> (u64, u64) {
        (self.start as u64, self.bytes as u64)
    }

    /// A number that others write to.
    pub(crate) fn word(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: as `place` sees to; the kernel changes such numbers by whole stores.
        unsafe { AtomicU64::from_ptr(self.place(offset)) }
    }

    /// A number that others write to.
    pub(crate) fn half_word(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr(self.place(offset)) }
    }

    /// A value that nobody writes to any more.
    ///
    /// # Safety
    /// Any bytes have to be a `T`.
    pub(crate) unsafe fn value<T: Copy>(&self, offset: usize) -> T {
        // SAFETY: as `place` sees to, and by the caller's word.
        unsafe { self.place::<T>(offset).read() }
    }

    /// Writes a value that nobody else reads or writes meanwhile.
    ///
    /// # Safety
    /// Any bytes have to be a `T`, and the memory may be written to.
    pub(crate) unsafe fn set<T: Copy>(&self, offset: usize, value: T) {
        // SAFETY: as `place` sees to, and by the caller's word.
        unsafe { self.place::<T>(offset).write(value) }
    }

    /// Bytes that nobody writes to any more; `None` where the memory does not have so many.
    ///
    /// # Safety
    /// Nobody may write to them as long as they are borrowed.
    pub(crate) unsafe fn bytes(&self, offset: usize, length: usize) -> Option<&[u8]> {
        let end = offset.checked_add(length)?;
        if end > self.bytes {
            return None;
        }
        // SAFETY: they are within the mapping, and by the caller's word.
        Some(unsafe { slice::from_raw_parts(self.start.byte_add(offset), length) })
    }

    /// Where a `T` is.
    ///
    /// # Panics
    /// It is not within the memory, or not aligned.
    fn place<T>(&self, offset: usize) -> *mut T {
        assert!(offset + size_of::<T>() <= self.bytes && offset.is_multiple_of(align_of::<T>()));
        // SAFETY: it is within the mapping, which is aligned to pages.
        unsafe { self.start.byte_add(offset).cast() }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` and nothing refers to it any more.
        if let Err(error) = unsafe { munmap(self.start.cast(), self.bytes) } {
            tracing::debug!(%error, "cannot unmap a kernel map");
        }
    }
}

/// The value that bytes begin with, and those behind it; `None` where they are too few.
pub(crate) fn split_value<T: Pod>(bytes: &[u8]) -> Option<(T, &[u8])> {
    let (value, rest) = bytes.split_at_checked(size_of::<T>())?;
    // SAFETY: there are so many bytes, and any are such a value.
    Some((unsafe { value.as_ptr().cast::<T>().read_unaligned() }, rest))
}

/// The bytes of a value.
pub(crate) const fn bytes_of<T: Pod>(value: &T) -> &[u8] {
    // SAFETY: it consists of numbers, without padding.
    unsafe { slice::from_raw_parts(ptr::from_ref(value).cast(), size_of::<T>()) }
}
