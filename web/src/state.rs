//! What all requests share, and the one way to the meter.

use crate::{Changed, KnownRules, RuleBook, RuleOrder, Ticks, Token, json::Json, problem::Problem};
use axum::http::StatusCode;
use netweir_flow::Meter;
use serde::Serialize;
use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};

/// Requests that look into the meter at the same time; more of them wait for one another, so
/// that they take neither all cores nor the meter from those who feed it.
const MAX_READERS: usize = 2;

/// What may be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names, besides `localhost` and all IP addresses, that a request may be addressed to.
    /// Without ports; in any case.
    pub allowed_hosts: Vec<String>,
    /// Simultaneous streams at most.
    pub max_streams: usize,
    /// Who keeps the rules; without anybody there are none.
    pub rules: Option<Arc<dyn RuleBook>>,
    /// What a request has to bear to change them; without it, nobody may.
    pub token: Option<Token>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allowed_hosts: Vec::new(),
            max_streams: 64,
            rules: None,
            token: None,
        }
    }
}

/// How many streams there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streams {
    /// Open ones.
    pub open: usize,
    /// Open ones at most.
    pub max: usize,
    /// How many were refused since the start, for want of room.
    pub refused: u64,
}

/// What all requests share. Clones are the same state.
#[derive(Clone, Debug)]
pub struct State(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    meter: Arc<RwLock<Meter>>,
    ticks: Ticks,
    allowed_hosts: Vec<String>,
    max_streams: usize,
    started: Instant,
    readers: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    streams_refused: AtomicU64,
    closing: watch::Sender<bool>,
    rules: Option<Arc<dyn RuleBook>>,
    token: Option<Token>,
}

impl State {
    /// A state of which nothing has been asked yet. `ticks` tell when `meter` has ticked.
    ///
    /// Whoever writes to the meter waits for two requests at most, and for each of them no longer
    /// than it takes to find and copy what it asks for, or a slice of a list.
    pub fn new(meter: Arc<RwLock<Meter>>, ticks: Ticks, settings: Settings) -> Self {
        let max_streams = settings.max_streams.min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Shared {
            meter,
            ticks,
            allowed_hosts: settings.allowed_hosts,
            max_streams,
            started: Instant::now(),
            readers: Arc::new(Semaphore::new(MAX_READERS)),
            streams: Arc::new(Semaphore::new(max_streams)),
            streams_refused: AtomicU64::new(0),
            closing: watch::Sender::new(false),
            rules: settings.rules,
            token: settings.token,
        }))
    }

    /// How many streams there are.
    pub fn streams(&self) -> Streams {
        Streams {
            open: self.0.max_streams - self.0.streams.available_permits(),
            max: self.0.max_streams,
            refused: self.0.streams_refused.load(Ordering::Relaxed),
        }
    }

    /// The signal that the meter has ticked.
    pub(crate) fn ticks(&self) -> &Ticks {
        &self.0.ticks
    }

    /// Names that a request may be addressed to.
    pub(crate) fn allowed_hosts(&self) -> &[String] {
        &self.0.allowed_hosts
    }

    /// What a request has to bear to change something.
    pub(crate) fn token(&self) -> Option<&Token> {
        self.0.token.as_ref()
    }

    /// Time since the state was made.
    pub(crate) fn uptime(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// A place for a stream, free again when it is dropped; none when all are taken.
    pub(crate) fn open_stream(&self) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.0.streams).try_acquire_owned().ok();
        if place.is_none() {
            self.0.streams_refused.fetch_add(1, Ordering::Relaxed);
        }
        place
    }

    /// Ends all streams, those that are still to come included.
    pub(crate) fn close(&self) {
        self.0.closing.send_replace(true);
    }

    /// Waits until streams are to end.
    pub(crate) async fn closed(&self) {
        let mut closing = self.0.closing.subscribe();
        // The sender is held by `self`, so that the wait cannot fail.
        closing.wait_for(|&is_closing| is_closing).await.ok();
    }

    /// Takes something from the meter and makes JSON of it.
    ///
    /// The lock is held for `take` alone; `tell` comes after it. Both run where they may take
    /// their time, on a thread for what blocks; no answer is awaited while the lock is held.
    pub(crate) async fn read<T, V: Serialize>(
        &self,
        take: impl FnOnce(&Meter) -> Result<T, Problem> + Send + 'static,
        tell: impl FnOnce(T) -> V + Send + 'static,
    ) -> Result<Json, Problem> {
        self.look(|access| access.with(take), tell).await
    }

    /// Makes JSON of what the rules are.
    pub(crate) async fn read_rules<V: Serialize>(
        &self,
        tell: impl FnOnce(&KnownRules, &Access) -> Result<V, Problem> + Send + 'static,
    ) -> Result<Json, Problem> {
        let readers = Arc::clone(&self.0.readers);
        let permit = readers.acquire_owned().await;
        let rules = self.0.rules.clone();
        let access = Access(Arc::clone(&self.0.meter));
        blocking(move || {
            let _permit = permit;
            let known = rules.map_or_else(|| Ok(Arc::default()), |rules| rules.known())?;
            Json::new(&tell(&known, &access)?)
        })
        .await
    }

    /// Changes the rules.
    pub(crate) async fn change_rules(&self, order: RuleOrder) -> Result<Changed, Problem> {
        let Some(rules) = self.0.rules.clone() else {
            let detail = "there are no rules here";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        };
        blocking(move || Ok(rules.change(order)?)).await
    }

    /// The same for what is taken in slices: the lock is held for each by itself, and whoever
    /// writes to the meter gets in between.
    pub(crate) async fn look<T, V: Serialize>(
        &self,
        take: impl FnOnce(&Access) -> Result<T, Problem> + Send + 'static,
        tell: impl FnOnce(T) -> V + Send + 'static,
    ) -> Result<Json, Problem> {
        let readers = Arc::clone(&self.0.readers);
        let permit = readers.acquire_owned().await;
        let access = Access(Arc::clone(&self.0.meter));
        let look = move || {
            let _permit = permit;
            let taken = take(&access)?;
            Json::new(&tell(taken))
        };
        blocking(look).await
    }
}

/// Does what may take its time on a thread for what blocks.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let answer = tokio::task::spawn_blocking(work).await;
    answer.unwrap_or_else(|error| Err(Problem::internal(&error)))
}

/// The meter, for one look after the other.
pub(crate) struct Access(Arc<RwLock<Meter>>);

impl Access {
    /// Holds the lock for one look.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&Meter) -> T) -> T {
        // A meter whose keeper has panicked is shown as it was left: it does not tick any
        // more, and health says so.
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}
