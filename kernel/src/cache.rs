//! The flow cache: this CPU's list of the flows of this epoch.
//!
//! The list is written by this CPU's programs alone, and they do not interrupt one another; user
//! space reads it when the epoch has passed and no program can be writing any more.

use core::ptr;

use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use netweir_wire::map::{Bucket, CacheEntry, CacheState, FlowKey, IndexWord, KEY_WORDS};

use crate::map::{self, setting};

/// Where a flow belongs in this CPU's list of an epoch.
#[derive(Clone, Copy)]
pub(crate) struct Home {
    epoch: u32,
    /// Number of the list.
    list: u32,
    hash: u64,
}

impl Home {
    /// The home of a flow with this key, at this moment.
    #[inline(always)]
    pub(crate) fn of(key: &[u64; KEY_WORDS]) -> Self {
        // An epoch that cannot be read is epoch 0: the map exists as long as the program.
        let epoch = map::EPOCH.get(0).map_or(0, |epoch| epoch.current);
        // SAFETY: the helper takes no arguments.
        let cpu = unsafe { bpf_get_smp_processor_id() };
        Self {
            epoch,
            list: cpu << 1 | epoch & 1,
            hash: map::hash(key),
        }
    }

    /// The epoch at the moment when this was made.
    #[inline(always)]
    pub(crate) const fn epoch(self) -> u32 {
        self.epoch
    }

    #[inline(always)]
    const fn mark(self) -> u64 {
        IndexWord::mark(self.hash, self.epoch)
    }

    #[inline(always)]
    fn bucket(self) -> Option<*mut Bucket> {
        let buckets = setting(&map::CACHE_BUCKETS);
        let number = IndexWord::bucket(self.hash, buckets);
        map::CACHE_INDEX.get_ptr_mut(self.list * buckets + number)
    }

    /// The entry at a place, counted from 1.
    ///
    /// Places are not compared with the length of the list: no word names one past it. The 0 of a
    /// word that was never written leads to an entry of the other side, whose epoch is another.
    #[inline(always)]
    fn entry(self, place: u32) -> Option<*mut CacheEntry> {
        map::CACHE.get_ptr_mut(self.list * setting(&map::CACHE_FLOWS) + place)
    }
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

/// Without branches: nearly always all words are the same.
#[inline(always)]
fn is_same(known: &FlowKey, key: &[u64; KEY_WORDS]) -> bool {
    let known = ptr::from_ref(known).cast::<[u64; KEY_WORDS]>();
    // SAFETY: a key consists of so many words and is aligned as they are.
    let known = unsafe { &*known };
    let pairs = known.iter().zip(key);
    pairs.fold(0, |difference, (known, word)| difference | known ^ word) == 0
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
    if *used >= setting(&map::CACHE_FLOWS) {
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
