//! The maps that the agent makes before it loads the programs, to write their addresses into the
//! instructions.
//!
//! So a program reaches them without a lookup, where the kernel takes a value as large as a whole
//! table. Looking a place up instead costs a dozen instructions more, even though the kernel puts
//! them into the program itself.

use core::{ffi::c_void, marker::PhantomData, ptr};

use aya_ebpf::helpers::generated::bpf_map_lookup_elem;
use netweir_wire::{
    map::{Bucket, CacheEntry, Epoch},
    stand_in,
};

use crate::setting::{loaded, setting};

/// The flow cache: for each CPU a list of flows for even and one for odd epochs.
pub(crate) const CACHE: Table<CacheEntry, { stand_in::CACHE_ADDRESS }, { stand_in::CACHE }> =
    Table(PhantomData);

/// For each list of [`CACHE`] the index that finds a flow in it.
pub(crate) const CACHE_INDEX: Table<
    Bucket,
    { stand_in::CACHE_INDEX_ADDRESS },
    { stand_in::CACHE_INDEX },
> = Table(PhantomData);

/// The epoch: its lowest bit chooses between two of everything that flows are counted in. Written
/// by the agent alone.
#[inline(always)]
pub(crate) fn epoch() -> u32 {
    let epoch = loaded::<{ stand_in::EPOCH_ADDRESS }>() as *const Epoch;
    // SAFETY: the address is that of a map's only value when the program is loaded; the verifier
    // looks at that.
    unsafe { ptr::read_volatile(&raw const (*epoch).current) }
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
        let map = loaded::<MAP>() as *mut c_void;
        let place = place as u32;
        // SAFETY: the stand-in is a map with such a key when the program is loaded.
        let value = unsafe { bpf_map_lookup_elem(map, (&raw const place).cast()) };
        (!value.is_null()).then_some(value.cast())
    }
}
