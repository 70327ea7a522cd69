//! The agent as a whole: what is attached, and the drain.

use std::{
    sync::{Arc, PoisonError, RwLock, RwLockWriteGuard},
    time::Duration,
};

use netweir_flow::{Batch, Meter, Sample, rule::CompiledRules};
use netweir_wire::map::QuicEvent;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::BorrowedFd,
    time::{ClockId, clock_gettime},
};

use crate::{
    Error, Netns, Settings,
    collect::Collector,
    error::{Chain, Doing},
    pin::{self, Folder},
    place::{Context, Place},
    tracer::Tracer,
};

/// Programs attached to interfaces, and the way of what they count into a meter.
pub struct Agent {
    settings: Settings,
    places: Vec<Place>,
    tracer: Option<Tracer>,
    meter: Arc<RwLock<Meter>>,
}

impl Agent {
    /// Attaches to all interfaces that are wanted.
    ///
    /// # Errors
    /// An interface that was named does not exist, none at all could be attached to, or the kernel
    /// refused the programs. One interface of several that fails is logged and left out.
    pub fn start(
        settings: Settings,
        namespaces: Vec<Netns>,
        meter: Arc<RwLock<Meter>>,
    ) -> Result<Self, Error> {
        let mut agent = Self {
            settings,
            places: Vec::new(),
            tracer: None,
            meter,
        };
        for netns in namespaces {
            let meter = Arc::clone(&agent.meter);
            let mut context = Context {
                settings: &agent.settings,
                tracer: &mut agent.tracer,
                meter: &mut lock(&meter),
            };
            agent.places.push(Place::open(netns, &mut context)?);
        }
        Ok(agent)
    }

    /// Waits for `timeout`, or until an interface came or went, or until one of `others` can be read.
    ///
    /// # Errors
    /// [`Error::System`] where the kernel cannot wait.
    pub fn wait(&self, others: &[BorrowedFd<'_>], timeout: Duration) -> Result<(), Error> {
        let mut watched: Vec<PollFd<'_>> = self
            .places
            .iter()
            .map(|place| PollFd::from_borrowed_fd(place.as_fd(), PollFlags::IN))
            .collect();
        let others = others.iter();
        watched.extend(others.map(|other| PollFd::from_borrowed_fd(*other, PollFlags::IN)));
        let timeout = Timespec::try_from(timeout).ok();
        match poll(&mut watched, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error).doing("wait for events"),
        }
    }

    /// Attaches to interfaces that came, and lets go of those that went.
    ///
    /// # Errors
    /// [`Error::Netlink`] where the kernel does not tell.
    pub fn follow(&mut self) -> Result<(), Error> {
        let meter = Arc::clone(&self.meter);
        let mut context = Context {
            settings: &self.settings,
            tracer: &mut self.tracer,
            meter: &mut lock(&meter),
        };
        self.places
            .iter_mut()
            .try_for_each(|place| place.follow(&mut context))
    }

    /// Puts other rules in force, for flows that are running too, and also in what is pinned and used by
    /// nobody.
    ///
    /// # Errors
    /// A map cannot be written: then the rules from before stay in force.
    pub fn set_rules(&mut self, rules: Arc<CompiledRules>) -> Result<(), Error> {
        let before = self.settings.rules.clone();
        self.settings.rules.replace(rules);
        let written = self.write_rules();
        if written.is_err() {
            self.settings.rules = before;
            return written;
        }
        let generation = self.settings.rules.generation;
        for collector in self.own_collectors() {
            collector.enforce_rules(generation);
        }
        let settings = &self.settings;
        set_unused(settings);
        self.places
            .iter_mut()
            .try_for_each(|place| place.set_pinned_rules(settings))
    }

    /// Writes the rules where none are in force, and which interfaces they name.
    fn write_rules(&mut self) -> Result<(), Error> {
        let rules = &self.settings.rules;
        let generation = rules.generation;
        let Some(current) = rules.current().map(Arc::clone) else {
            return Ok(());
        };
        let mut collectors: Vec<_> = self.own_collectors().collect();
        each(&mut collectors, |collector| {
            collector.write_rules(&current, generation)
        })?;
        let meter = Arc::clone(&self.meter);
        let mut context = Context {
            settings: &self.settings,
            tracer: &mut self.tracer,
            meter: &mut lock(&meter),
        };
        self.places
            .iter_mut()
            .try_for_each(|place| place.tell_names(&mut context))
    }

    fn collectors(&mut self) -> impl Iterator<Item = &mut Collector> {
        let tracer = self.tracer.iter_mut().map(|tracer| &mut tracer.collector);
        tracer.chain(self.places.iter_mut().flat_map(Place::collectors))
    }

    /// Those of programs that are this agent's own: what is pinned has rules of other generations.
    fn own_collectors(&mut self) -> impl Iterator<Item = &mut Collector> {
        let tracer = self.tracer.iter_mut().map(|tracer| &mut tracer.collector);
        tracer.chain(self.places.iter_mut().filter_map(Place::collector))
    }

    /// Whether flows were opened since the last drain.
    pub fn has_news(&mut self) -> bool {
        self.collectors().any(|collector| collector.has_news())
    }

    /// Moves what was counted since the last drain into the meter.
    ///
    /// # Errors
    /// A map could not be read. What had been moved out before is in the meter all the same.
    pub fn drain(&mut self) -> Result<(), Error> {
        let Self {
            tracer,
            places,
            meter,
            ..
        } = self;
        let tracer = tracer.iter_mut().map(|tracer| &mut tracer.collector);
        let collectors = tracer.chain(places.iter_mut().flat_map(Place::collectors));
        let mut collectors: Vec<&mut Collector> = collectors.collect();
        hand_over_quic(&mut collectors, meter);
        hand_over_heads(&mut collectors, meter);
        let mut batch = Batch::default();
        let begun = each(&mut collectors, |collector| collector.begin(&mut batch));
        // The counters first: so nothing is ever in flows that they do not tell of.
        batch.now_ns = now_ns();
        lock(meter).apply(&batch);
        let mut hand_over = |samples: &[Sample]| lock(meter).apply_flows(now_ns(), samples);
        let read = each(&mut collectors, |collector| {
            collector.read_flows(&mut hand_over)
        });
        batch.interfaces.clear();
        batch.settled.clear();
        batch.quic_backends.clear();
        batch.inline.clear();
        collectors
            .iter()
            .for_each(|collector| collector.classified(&mut batch));
        batch.now_ns = now_ns();
        lock(meter).apply(&batch);
        let taken = each(&mut collectors, Collector::take);
        begun.and(read).and(taken)
    }

    /// Detaches everything that is not pinned, and drains what was counted until then: now all books
    /// balance. What is pinned counts on.
    ///
    /// # Errors
    /// As of [`Self::drain`]; everything is detached in any case.
    pub fn stop(mut self) -> Result<(), Error> {
        self.places.iter_mut().for_each(Place::detach);
        if let Some(tracer) = &mut self.tracer {
            tracer.detach();
        }
        // A program that began before it was detached may write to the other map: drain both.
        self.drain()?;
        self.drain()
    }
}

impl Drop for Agent {
    /// Detaches: also when the agent's thread panics.
    fn drop(&mut self) {
        self.places.iter_mut().for_each(Place::detach);
    }
}

/// Events of QUIC that the meter gets in one piece: few enough that nobody waits long for it.
const QUIC_PIECE: usize = 256;

/// The same of heads.
const HEADS_PIECE: usize = 256;

/// Moves what was told of QUIC into the meter. It comes before the counts of its flows.
fn hand_over_quic(collectors: &mut [&mut Collector], meter: &RwLock<Meter>) {
    let mut locked = None;
    let mut events = 0;
    let mut hand_over = |event: &QuicEvent, bytes: &[u8]| {
        if events % QUIC_PIECE == 0 {
            locked = None;
        }
        events += 1;
        let locked = locked.get_or_insert_with(|| lock(meter));
        locked.apply_quic(event, bytes);
    };
    for collector in collectors {
        collector.read_quic(&mut hand_over);
    }
}

/// Moves the heads of packets that rules have sampled into the meter.
fn hand_over_heads(collectors: &mut [&mut Collector], meter: &RwLock<Meter>) {
    let mut locked = None;
    let mut heads = 0;
    let mut malformed = 0;
    for collector in collectors {
        malformed += collector.read_heads(&mut |head, bytes| {
            if heads % HEADS_PIECE == 0 {
                locked = None;
            }
            heads += 1;
            let locked = locked.get_or_insert_with(|| lock(meter));
            locked.apply_head(head, bytes);
        });
    }
    drop(locked);
    if malformed > 0 {
        lock(meter).refuse_heads(malformed);
    }
}

/// Does the same with each collector, also when it fails with one; the first error is the answer.
fn each(
    collectors: &mut [&mut Collector],
    mut act: impl FnMut(&mut Collector) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut first = Ok(());
    for collector in collectors {
        first = first.and(act(collector));
    }
    first
}

/// A meter whose lock was poisoned by a panic elsewhere is still the best knowledge there is.
fn lock(meter: &RwLock<Meter>) -> RwLockWriteGuard<'_, Meter> {
    meter.write().unwrap_or_else(PoisonError::into_inner)
}

/// Puts the rules in force in what is pinned and used by nobody: no one else would.
fn set_unused(settings: &Settings) {
    let Some(pins) = &settings.pins else { return };
    match pin::refresh_rules(&Folder::new(pins), settings) {
        // Whoever uses the others follows the file; without a BPF file system there are no pins.
        Ok(_) | Err(Error::NoBpffs { .. }) => {}
        Err(error) => {
            tracing::warn!(error = %Chain(&error), "the rules are not in force in all that is pinned");
        }
    }
}

/// Nanoseconds of `CLOCK_MONOTONIC`, the clock of the kernel programs.
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
