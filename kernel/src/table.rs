//! The maps that the agent makes before it loads the programs, to write their addresses into the
//! instructions.
//!
//! So a program reaches them without a lookup, where the kernel takes a value as large as a whole
//! table. Looking a place up instead costs a dozen instructions more, even though the kernel puts
//! them into the program itself.

use core::{ffi::c_void, marker::PhantomData, mem::offset_of, ptr};

use netweir_wire::{
    map::{Bucket, CacheEntry, Epoch},
    stand_in,
};

use crate::{
    map,
    setting::{loaded, setting},
};

/// The flow cache: for each CPU a list of flows for even and one for odd epochs.
pub(crate) const CACHE: Table<CacheEntry, { stand_in::CACHE_ADDRESS }, { stand_in::CACHE }> =
    Table(PhantomData);

/// For each list of [`CACHE`] the index that finds a flow in it.
pub(crate) const CACHE_INDEX: Table<
    Bucket,
    { stand_in::CACHE_INDEX_ADDRESS },
    { stand_in::CACHE_INDEX },
> = Table(PhantomData);

/// The epoch, whose lowest bit chooses between two of everything that flows are counted in, and the
/// generation of the rules, whose lowest bit chooses between two tables: as they stand in memory side
/// by side.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Era(pub(crate) u64);

impl Era {
    /// What it is now. Written by user space alone.
    #[inline(always)]
    pub(crate) fn now() -> Self {
        const { assert!(offset_of!(Epoch, current) == 0 && offset_of!(Epoch, generation) == 4) };
        let epoch = loaded::<{ stand_in::EPOCH_ADDRESS }>() as *const u64;
        // SAFETY: the address is that of a map's only value when the program is loaded; the verifier
        // looks at that.
        Self(unsafe { ptr::read_volatile(epoch) })
    }

    /// The era of an entry.
    #[inline(always)]
    pub(crate) fn of(entry: &CacheEntry) -> Self {
        const {
            assert!(offset_of!(CacheEntry, generation) == offset_of!(CacheEntry, epoch) + 4);
            assert!(offset_of!(CacheEntry, epoch) % 8 == 0 && cfg!(target_endian = "little"));
        };
        let entry = ptr::from_ref(entry).cast::<u64>();
        // SAFETY: the two numbers stand side by side within the entry.
        Self(unsafe { *entry.add(offset_of!(CacheEntry, epoch) / 8) })
    }

    #[inline(always)]
    pub(crate) const fn epoch(self) -> u32 {
        self.0 as u32
    }

    #[inline(always)]
    pub(crate) const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// A table of values, known to the agent by the two numbers.
pub(crate) struct Table<T, const ADDRESS: u64, const MAP: u64>(PhantomData<T>);

impl<T, const ADDRESS: u64, const MAP: u64> Table<T, ADDRESS, MAP> {
    /// The value at a place.
    ///
    /// By its address only where the verifier can follow that the place is within the table.
    #[inline(always)]
    pub(crate) fn get(&self, place: u64) -> Option<*mut T> {
        if setting::<{ stand_in::DIRECT }>() == 1 {
            return Some((loaded::<ADDRESS>() + place * size_of::<T>() as u64) as *mut T);
        }
        // SAFETY: the stand-in is a map of such values when the program is loaded.
        unsafe { map::look_up(loaded::<MAP>() as *mut c_void, place) }
    }
}
