//! Following the file of the rules while the agent runs.

use std::sync::Arc;

use anyhow::Context;
use netweir_flow::rule::CompiledRules;

use super::{Book, Store, store::Stamp};

/// What was read of the file, and what it was like then.
#[derive(Debug)]
pub(crate) struct Follower {
    store: Store,
    stamp: Stamp,
}

impl Follower {
    /// Reads the rules as they are now.
    ///
    /// # Errors
    /// The file cannot be read, or says something wrong.
    pub(crate) fn start(store: Store) -> anyhow::Result<(Self, Book, Arc<CompiledRules>)> {
        // Before it is read: what changes meanwhile is read again.
        let stamp = store.stamp();
        let (book, rules) = read(&store)?;
        Ok((Self { store, stamp }, book, rules))
    }

    /// The rules, if the file has changed since they were read.
    ///
    /// # Errors
    /// There is something wrong with the file. It is said once: until the file changes again it counts
    /// as one that has not changed.
    pub(crate) fn changed(&mut self) -> anyhow::Result<Option<(Book, Arc<CompiledRules>)>> {
        let stamp = self.store.stamp();
        if stamp == self.stamp {
            return Ok(None);
        }
        self.stamp = stamp;
        read(&self.store).map(Some)
    }
}

fn read(store: &Store) -> anyhow::Result<(Book, Arc<CompiledRules>)> {
    let book = store.read()?;
    let rules = book.set().compile();
    let rules = rules.with_context(|| store.path().display().to_string())?;
    Ok((book, Arc::new(rules)))
}
