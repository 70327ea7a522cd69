//! From a hash to the number of an entry.
//!
//! Numbers alone are kept, in many small tables: each grows by itself, so that no step of growing
//! takes long or much memory. Keys come from the network, so hashes are keyed at random.

use foldhash::{SharedSeed, quality::SeedableRandomState};
use hashbrown::HashTable;
use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
};

/// Spreads a hash over 64 bits; its upper bits depend on all of it.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash, and two bits that tell entries of the same hash apart.
///
/// What has the same hash stands side by side, whatever the two bits are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hash {
    pub(crate) bits: u32,
    pub(crate) side: u8,
}

impl Hash {
    const fn shard(self) -> usize {
        ((self.bits as u64 * Index::SHARDS as u64) >> u32::BITS) as usize
    }

    /// As a table takes it: the lower bits choose a place, the upper ones tell entries apart.
    const fn spread(self) -> u64 {
        (self.bits as u64).wrapping_mul(SPREAD) ^ (self.side as u64) << 62
    }
}

/// Makes hashes that nobody outside can foresee.
#[derive(Clone, Debug)]
pub(crate) struct Key(SeedableRandomState);

impl Key {
    pub(crate) fn random() -> Self {
        let seed = RandomState::new().build_hasher().finish();
        let shared = SharedSeed::global_random();
        Self(SeedableRandomState::with_seed(seed, shared))
    }

    pub(crate) fn hash(&self, bytes: &[u8]) -> u32 {
        let mut hasher = self.0.build_hasher();
        hasher.write(bytes);
        let hash = hasher.finish();
        (hash ^ hash >> 32) as u32
    }
}

/// Numbers of entries by the hashes of their keys.
#[derive(Debug)]
pub(crate) struct Index {
    shards: Box<[HashTable<u32>]>,
}

impl Index {
    /// Number of small tables. Tables double when they are full to seven eighths; with so many of
    /// them, a million entries fill them to three quarters.
    pub(crate) const SHARDS: u32 = 320;

    pub(crate) fn new() -> Self {
        Self {
            shards: (0..Self::SHARDS).map(|_| HashTable::new()).collect(),
        }
    }

    /// The number of the entry that has this hash and is the one.
    pub(crate) fn find(&self, hash: Hash, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let shard = &self.shards[hash.shard()];
        shard.find(hash.spread(), |&id| is_it(id)).copied()
    }

    /// A number that stands where [`Self::find`] looks first: mostly the one that it finds.
    pub(crate) fn guess(&self, hash: Hash) -> Option<u32> {
        self.find(hash, |_| true)
    }

    /// Adds an entry that is not there yet. `rehash` tells the hash of any other.
    pub(crate) fn insert(&mut self, hash: Hash, id: u32, rehash: impl Fn(u32) -> Hash) {
        let shard = &mut self.shards[hash.shard()];
        shard.insert_unique(hash.spread(), id, |&other| rehash(other).spread());
    }

    pub(crate) fn remove(&mut self, hash: Hash, id: u32) {
        let shard = &mut self.shards[hash.shard()];
        if let Ok(entry) = shard.find_entry(hash.spread(), |&other| other == id) {
            entry.remove();
        }
    }

    /// The numbers in one of the small tables.
    pub(crate) fn of_shard(&self, shard: u32) -> impl Iterator<Item = u32> {
        self.shards
            .get(shard as usize)
            .into_iter()
            .flatten()
            .copied()
    }
}
