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
    table::{self, Era},
};

/// Where a flow belongs in this CPU's list of an epoch.
#[derive(Clone, Copy)]
pub(crate) struct Home {
    era: Era,
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
    pub(crate) fn of(key: &[u64; KEY_WORDS], era: Era) -> Self {
        Self::of_hash(hash(key), era)
    }

    /// The home of a flow whose key has this hash.
    #[inline(always)]
    pub(crate) fn of_hash(hash: u64, era: Era) -> Self {
        let (cpu, cpus) = (this_cpu(), loaded::<{ stand_in::CACHE_CPUS }>());
        Self {
            era,
            list: sum(below(cpus, cpu) << 1, u64::from(era.epoch() & 1)),
            hash,
            exists: cpu < cpus,
        }
    }

    /// When the packet at hand came.
    #[inline(always)]
    pub(crate) const fn era(self) -> Era {
        self.era
    }

    /// The hash of the flow's key.
    #[inline(always)]
    pub(crate) const fn hash(self) -> u64 {
        self.hash
    }

    #[inline(always)]
    const fn mark(self) -> u64 {
        IndexWord::mark(self.hash, self.era.epoch())
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

/// The entry of a flow, if the list has it and the rules in force have decided about it.
#[inline(always)]
pub(crate) fn find(home: Home, key: &[u64; KEY_WORDS]) -> Option<&'static mut CacheEntry> {
    let (_, entry) = look_up(home, key)?;
    (Era::of(entry) == home.era).then_some(entry)
}

/// The entry of a flow with its place, if the list has it, whatever rules have decided about it.
#[inline(always)]
pub(crate) fn find_any(
    home: Home,
    key: &[u64; KEY_WORDS],
) -> Option<(u32, &'static mut CacheEntry)> {
    look_up(home, key).filter(|(_, entry)| entry.epoch == home.era.epoch())
}

/// The entry at a place that was found before; none at 0.
#[inline(always)]
pub(crate) fn find_again(home: Home, place: u32) -> Option<&'static mut CacheEntry> {
    if place == 0 || !home.exists {
        return None;
    }
    // SAFETY: the list is this CPU's own (see above).
    home.entry(place).map(|entry| unsafe { &mut *entry })
}

/// Lets the rules decide anew about a flow, if the list has it.
#[inline(always)]
pub(crate) fn outdate(key: &[u64; KEY_WORDS]) {
    if let Some((_, entry)) = find_any(Home::of(key, Era::now()), key) {
        entry.generation = entry.generation.wrapping_sub(1);
    }
}

/// An entry with this key, which may be one of long ago, and its place.
#[inline(always)]
fn look_up(home: Home, key: &[u64; KEY_WORDS]) -> Option<(u32, &'static mut CacheEntry)> {
    let bucket = home.bucket()?;
    let mark = home.mark();
    // SAFETY: the list is this CPU's own (see above).
    let words = unsafe { &*bucket };
    let word = words.iter().find(|&&word| IndexWord(word).has(mark))?;
    let place = IndexWord(*word).place();
    let entry = home.entry(place)?;
    // SAFETY: as above.
    let entry = unsafe { &mut *entry };
    is_same(&entry.key, key).then_some((place, entry))
}

/// The words that a key consists of.
#[inline(always)]
pub(crate) fn words(key: &FlowKey) -> &[u64; KEY_WORDS] {
    let words = ptr::from_ref(key).cast::<[u64; KEY_WORDS]>();
    // SAFETY: a key consists of so many words and is aligned as they are.
    unsafe { &*words }
}

/// Whether a key consists of these words.
#[inline(always)]
fn is_same(known: &FlowKey, key: &[u64; KEY_WORDS]) -> bool {
    let known = words(known);
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
    let epoch_now = home.era.epoch();
    let side = (epoch_now & 1) as usize;
    let Some((epoch, used)) = state.epoch.get_mut(side).zip(state.used.get_mut(side)) else {
        return false;
    };
    if *epoch != epoch_now {
        *epoch = epoch_now;
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
    entry.epoch = epoch_now;
    entry.generation = home.era.generation();
    // SAFETY: as above.
    unsafe { *known = *entry };
    *word = IndexWord::new(mark, place).0;
    *used = place;
    true
}
