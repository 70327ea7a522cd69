//! What many flows have in common, kept once.

use crate::{
    index::{Hash, Index, Key},
    slab::Slab,
};

/// What can be kept once.
pub(crate) trait Share: Copy + Default + PartialEq {
    /// Hashes what makes it what it is.
    fn hash(&self, key: &Key) -> u32;
}

/// A flow's address that is no host.
impl Share for [u8; 16] {
    fn hash(&self, key: &Key) -> u32 {
        key.hash(self)
    }
}

/// Values by number, each kept as long as someone holds it.
#[derive(Debug)]
pub(crate) struct Shared<T> {
    values: Slab<(T, u32)>,
    index: Index,
    key: Key,
}

impl<T: Share> Shared<T> {
    pub(crate) fn new() -> Self {
        Self {
            values: Slab::new(),
            index: Index::new(),
            key: Key::random(),
        }
    }

    /// Holds a value; its number is good until it is let go as often as it was held.
    pub(crate) fn hold(&mut self, value: T) -> u32 {
        let Self { values, index, key } = self;
        let hash = hash(key, &value);
        if let Some(id) = index.find(hash, |id| values[id].0 == value) {
            values[id].1 += 1;
            return id;
        }
        let id = values.insert((value, 1));
        index.insert(hash, id, |other| self::hash(key, &values[other].0));
        id
    }

    pub(crate) fn let_go(&mut self, id: u32) {
        let (value, holders) = &mut self.values[id];
        *holders -= 1;
        if *holders == 0 {
            let hash = hash(&self.key, value);
            self.index.remove(hash, id);
            self.values.remove(id);
        }
    }

    pub(crate) fn get(&self, id: u32) -> &T {
        &self.values[id].0
    }

    /// Number of values.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

fn hash<T: Share>(key: &Key, value: &T) -> Hash {
    Hash {
        bits: value.hash(key),
        side: 0,
    }
}
