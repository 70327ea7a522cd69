//! The signal that the meter has ticked.
//!
//! Whoever ticks the meter holds the [`Ticker`] and calls it after each tick, from any thread;
//! the [`Ticks`] go to the state of the server. Streams are driven by it, and health is told by
//! the time since the last one.

use std::time::Duration;
use tokio::{sync::watch, time::Instant};

/// So many intervals without a tick, and what is shown is stale.
const STALE_INTERVALS: u32 = 3;

/// The last tick.
#[derive(Clone, Copy, Debug)]
struct Tick {
    number: u64,
    at: Instant,
}

/// Makes both ends of a signal that is to come every `interval`.
pub fn ticker(interval: Duration) -> (Ticker, Ticks) {
    let (sender, receiver) = watch::channel(Tick {
        number: 0,
        at: Instant::now(),
    });
    (Ticker { sender }, Ticks { receiver, interval })
}

/// The end that tells. Streams end when it is dropped.
#[derive(Debug)]
pub struct Ticker {
    sender: watch::Sender<Tick>,
}

impl Ticker {
    /// Tells that the meter has ticked. Never waits.
    pub fn tick(&self) {
        self.sender.send_modify(|tick| {
            *tick = Tick {
                number: tick.number + 1,
                at: Instant::now(),
            };
        });
    }
}

/// The end that is told.
#[derive(Clone, Debug)]
pub struct Ticks {
    receiver: watch::Receiver<Tick>,
    interval: Duration,
}

impl Ticks {
    /// Whether ticks fail to come: none for three intervals, or nobody is there to tell.
    pub fn is_stale(&self) -> bool {
        let is_alone = self.receiver.has_changed().is_err();
        is_alone || self.receiver.borrow().at.elapsed() >= self.stale_after()
    }

    fn stale_after(&self) -> Duration {
        self.interval.saturating_mul(STALE_INTERVALS)
    }

    /// The same signal, from the next tick on.
    pub(crate) fn after_now(&self) -> Self {
        let mut ticks = self.clone();
        ticks.receiver.mark_unchanged();
        ticks
    }

    /// Waits for a tick, and passes over those that came meanwhile; none when none will come.
    pub(crate) async fn next(&mut self) -> Option<u64> {
        self.receiver.changed().await.ok()?;
        Some(self.receiver.borrow_and_update().number)
    }
}
