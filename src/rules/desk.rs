//! Where the API changes the rules, and learns that the agent has put them in force.
//!
//! Both sides go through the file: the API writes it as the commands do, wakes the agent, and waits a
//! moment for its answer. Where no agent answers the change lasts all the same.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use netweir_flow::rule::Numbered;
use netweir_web::{Changed, KnownRules, RuleBook, RuleOrder, RuleRefusal};
use rustix::event::{EventfdFlags, eventfd};

use super::{Book, Store, WontDo, store::Stamp};

/// How long the agent may take to put a change in force before the answer is that it has not.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the API and the agent share.
#[derive(Debug)]
pub(crate) struct Desk {
    store: Store,
    /// Becomes readable when the API has written the file.
    wake: OwnedFd,
    asked: Mutex<Asked>,
    answered: Condvar,
    /// The rules as they were read last, and what the file was like then.
    read: Mutex<Option<(Stamp, Arc<KnownRules>)>>,
}

/// Questions to the agent whether the file is in force, and its answer.
#[derive(Debug, Default)]
struct Asked {
    /// How many were asked.
    count: u64,
    /// How many of them are answered.
    answered: u64,
    /// Whether the file was in force at the last answer.
    in_force: bool,
}

impl Desk {
    /// A desk at which nobody has asked.
    pub(crate) fn new(store: Store) -> std::io::Result<Self> {
        Ok(Self {
            store,
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            asked: Mutex::default(),
            answered: Condvar::new(),
            read: Mutex::default(),
        })
    }

    /// How many have asked so far; from now on the wake-up is for others. What they have written is in
    /// the file.
    pub(crate) fn questions(&self) -> u64 {
        // Nobody has asked where it cannot be read.
        let _empty = rustix::io::read(&self.wake, &mut [0; 8]);
        lock(&self.asked).count
    }

    /// Answers so many questions.
    pub(crate) fn answer(&self, questions: u64, in_force: bool) {
        let mut asked = lock(&self.asked);
        asked.answered = questions;
        asked.in_force = in_force;
        self.answered.notify_all();
    }

    /// Wakes the agent; whether it says within a moment that the file is in force.
    fn ask(&self) -> bool {
        let mut asked = lock(&self.asked);
        asked.count += 1;
        let mine = asked.count;
        // It is full only where the agent has been woken and has not come yet.
        let _written = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
        let is_waiting = |asked: &mut Asked| asked.answered < mine;
        let waited = self
            .answered
            .wait_timeout_while(asked, PATIENCE, is_waiting);
        let (asked, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        !waited.timed_out() && asked.in_force
    }
}

impl AsFd for Desk {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

impl RuleBook for Desk {
    fn known(&self) -> Result<Arc<KnownRules>, RuleRefusal> {
        let mut read = lock(&self.read);
        // Before it is read: what changes meanwhile is read again.
        let stamp = self.store.stamp();
        if let Some((_, known)) = read.as_ref().filter(|(before, _)| *before == stamp) {
            return Ok(Arc::clone(known));
        }
        let book = self.store.read().map_err(|error| refusal(&error))?;
        let known = Arc::new(book.known());
        *read = Some((stamp, Arc::clone(&known)));
        Ok(known)
    }

    fn change(&self, order: RuleOrder) -> Result<Changed, RuleRefusal> {
        let changed = self.store.change(|book| {
            let rules = carry_out(book, order)?;
            Ok((rules, book.known()))
        });
        let (rules, known) = changed.map_err(|error| refusal(&error))?;
        tracing::info!(
            rules = known.set.rules().len(),
            "the rules were changed over the API"
        );
        Ok(Changed {
            rules,
            known: Arc::new(known),
            in_force: self.ask(),
        })
    }
}

/// Changes the rules; tells those that are concerned.
fn carry_out(book: &mut Book, order: RuleOrder) -> anyhow::Result<Vec<Numbered>> {
    match order {
        RuleOrder::Add(rule) => {
            let number = book.add(*rule)?;
            let is_it = |known: &&Numbered| known.number == number;
            Ok(book.rules().iter().filter(is_it).cloned().collect())
        }
        RuleOrder::Replace(rules) => {
            book.replace(rules)?;
            Ok(book.rules().to_vec())
        }
        RuleOrder::Remove(number) => {
            let removed = book.remove(|known| known.number == number);
            if removed.is_empty() {
                return Err(WontDo::Unknown(number).into());
            }
            Ok(removed)
        }
    }
}

fn refusal(error: &anyhow::Error) -> RuleRefusal {
    match error.downcast_ref() {
        Some(WontDo::Unknown(number)) => RuleRefusal::Unknown(*number),
        Some(WontDo::Untakeable(_)) => RuleRefusal::Untakeable(format!("{error:#}")),
        None => {
            tracing::error!(error = %format!("{error:#}"), "the rules cannot be told or changed");
            RuleRefusal::File(format!("{error:#}"))
        }
    }
}

/// A counter and a copy of what stands in a file are right whoever panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
