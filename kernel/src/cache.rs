//! The flow cache: this CPU's list of the flows of this epoch.
//!
//! The list is written by this CPU's programs alone, and they do not interrupt one another; user
//! space reads it when the epoch has passed and no program can be writing any more.

use core::{mem::transmute, ptr};

use aya_ebpf::bindings::bpf_func_id::BPF_FUNC_get_smp_processor_id;
use netweir_wire::{
    map::{Bucket, CacheEntry, CacheState, FlowKey, IndexWord, KEY_WORDS},
    stand_in,
};

use crate::{
    setting::{below, hash, loaded, setting, sum, times},
    table,
};

/// Where a flow belongs in this CPU's list of an epoch.
#[derive(Clone, Copy)]
pub(crate) struct Home {
    epoch: u32,
    /// Number of the list.
    list: u64,
    hash: u64,
    /// Whether this CPU has lists. (Not an `Option` of the whole: older verifiers see what is not
    /// there being read.)
    exists: bool,
}

impl Home {
    /// The home of a flow with this key.
    #[inline(always)]
    pub(crate) fn of(key: &[u64; KEY_WORDS], epoch: u32) -> Self {
        let (cpu, cpus) = (this_cpu(), loaded::<{ stand_in::CACHE_CPUS }>());
        Self {
            epoch,
            list: sum(below(cpus, cpu) << 1, u64::from(epoch & 1)),
            hash: hash(key),
            exists: cpu < cpus,
        }
    }

    #[inline(always)]
    const fn mark(self) -> u64 {
        IndexWord::mark(self.hash, self.epoch)
    }

    #[inline(always)]
    fn bucket(self) -> Option<*mut Bucket> {
        if !self.exists {
            return None;
        }
        let buckets = loaded::<{ stand_in::CACHE_BUCKETS }>();
        // As `IndexWord::bucket` says.
        let number = times(self.hash >> 32, buckets) >> 32;
        table::CACHE_INDEX.get(sum(number, times(self.list, buckets)))
    }

    /// The entry at a place, counted from 1.
    ///
    /// The 0 of a word that was never written leads to an entry of the other side, whose epoch is
    /// another.
    #[inline(always)]
    fn entry(self, place: u32) -> Option<*mut CacheEntry> {
        let flows = loaded::<{ stand_in::CACHE_FLOWS }>();
        let place = u64::from(place);
        let before = times(self.list, flows);
        // No word names such a place, but the verifier does not know it.
        if place > flows {
            return None;
        }
        table::CACHE.get(sum(place, before))
    }
}

/// The number of this CPU.
#[inline(always)]
fn this_cpu() -> u64 {
    /// It returns 32 bits in a register of 64: knowing so saves clearing the upper half.
    type Helper = unsafe extern "C" fn() -> u64;
    // SAFETY: a helper's number in the place of its address is how the target calls helpers.
    let helper: Helper = unsafe { transmute(u64::from(BPF_FUNC_get_smp_processor_id)) };
    // SAFETY: the helper takes no arguments.
    unsafe { helper() }
}

/// The entry of a flow, if the list has it.
#[inline(always)]
pub(crate) fn find(home: Home, key: &[u64; KEY_WORDS]) -> Option<&'static mut CacheEntry> {
    let bucket = home.bucket()?;
    let mark = home.mark();
    // SAFETY: the list is this CPU's own (see above).
    let words = unsafe { &*bucket };
    let word = words.iter().find(|&&word| IndexWord(word).has(mark))?;
    let entry = home.entry(IndexWord(*word).place())?;
    // SAFETY: as above.
    let entry = unsafe { &mut *entry };
    (entry.epoch == home.epoch && is_same(&entry.key, key)).then_some(entry)
}

/// Whether a key consists of these words.
#[inline(always)]
fn is_same(known: &FlowKey, key: &[u64; KEY_WORDS]) -> bool {
    let known = ptr::from_ref(known).cast::<[u64; KEY_WORDS]>();
    // SAFETY: a key consists of so many words and is aligned as they are.
    let known = unsafe { &*known };
    let difference = |word: usize| known[word] ^ key[word];
    // One by one: the compiler would make a loop of it.
    difference(0)
        | difference(1)
        | difference(2)
        | difference(3)
        | difference(4)
        | difference(5)
        | difference(6)
        == 0
}

/// Puts an entry that the list does not have into it, if there is room; its epoch is set.
#[inline(always)]
pub(crate) fn insert(home: Home, entry: &mut CacheEntry, state: &mut CacheState) -> bool {
    let side = (home.epoch & 1) as usize;
    let Some((epoch, used)) = state.epoch.get_mut(side).zip(state.used.get_mut(side)) else {
        return false;
    };
    if *epoch != home.epoch {
        *epoch = home.epoch;
        *used = 0;
    }
    if *used >= setting::<{ stand_in::CACHE_FLOWS }>() {
        return false;
    }
    let place = *used + 1;
    let (Some(bucket), Some(known)) = (home.bucket(), home.entry(place)) else {
        return false;
    };
    let mark = home.mark();
    // SAFETY: the list is this CPU's own (see above).
    let words = unsafe { &mut *bucket };
    // Behind a word that looks alike it would never be found, and be put there again and again.
    let looks_alike = |&word: &u64| IndexWord(word).has(mark) && IndexWord(word).is_taken(mark);
    if words.iter().any(looks_alike) {
        return false;
    }
    let Some(word) = words
        .iter_mut()
        .find(|word| !IndexWord(**word).is_taken(mark))
    else {
        return false;
    };
    entry.epoch = home.epoch;
    // SAFETY: as above.
    unsafe { *known = *entry };
    *word = IndexWord::new(mark, place).0;
    *used = place;
    true
}
