//! Entries by number.
//!
//! They lie in pieces of a fixed size, so that growing neither copies what is there nor needs
//! twice the memory for a moment. A number that was given back is given out again.

use std::{
    iter,
    ops::{Index, IndexMut, Range},
};

/// Entries of a piece, as a power of two.
const PIECE_BITS: u32 = 12;
const PIECE: usize = 1 << PIECE_BITS;
/// Numbers are below this, so that one bit is left to whoever keeps them.
pub(crate) const MAX_ENTRIES: usize = 1 << 31;

/// Entries by number. Which ones are vacant, they say themselves.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    pieces: Vec<Vec<T>>,
    vacant: Vec<u32>,
}

impl<T: Default> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self {
            pieces: Vec::new(),
            vacant: Vec::new(),
        }
    }

    /// Keeps an entry, and tells its number. Whoever calls sees to it that there are fewer than
    /// [`MAX_ENTRIES`].
    pub(crate) fn insert(&mut self, entry: T) -> u32 {
        if let Some(id) = self.vacant.pop() {
            self[id] = entry;
            return id;
        }
        let id = self.end();
        match self.pieces.last_mut().filter(|last| last.len() < PIECE) {
            Some(last) => last.push(entry),
            None => {
                let mut piece = Vec::with_capacity(PIECE);
                piece.push(entry);
                self.pieces.push(piece);
            }
        }
        id
    }

    /// Takes an entry out; its place is vacant then.
    pub(crate) fn remove(&mut self, id: u32) -> T {
        self.vacant.push(id);
        std::mem::take(&mut self[id])
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.end() as usize - self.vacant.len()
    }

    /// All numbers that were ever given out are below this one.
    pub(crate) fn end(&self) -> u32 {
        let last = self.pieces.last().map_or(PIECE, Vec::len);
        (self.pieces.len() * PIECE + last - PIECE) as u32
    }

    /// Entries with their numbers, vacant ones too.
    pub(crate) fn range(&self, range: Range<u32>) -> impl Iterator<Item = (u32, &T)> {
        let pieces = self.pieces.iter().zip((0..).step_by(PIECE));
        let first = range.start as usize / PIECE;
        pieces
            .skip(first)
            .take_while(move |&(_, begin)| begin < range.end)
            .flat_map(|(piece, begin)| iter::zip(begin.., piece))
            .filter(move |(id, _)| range.contains(id))
    }
}

impl<T> Index<u32> for Slab<T> {
    type Output = T;

    fn index(&self, id: u32) -> &T {
        &self.pieces[id as usize >> PIECE_BITS][id as usize % PIECE]
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, id: u32) -> &mut T {
        &mut self.pieces[id as usize >> PIECE_BITS][id as usize % PIECE]
    }
}
