//! What a meter knows of QUIC: connections, and what was counted on the way to them.

use super::{
    Summary,
    backend::Backends,
    connection::{self, Connections, Outcome},
    layout::Layouts,
    ports::Ports,
    trace::Trace,
};
use crate::{Batch, Sample, rate::Ticks, summed::Summed};
use netweir_wire::map::{QuicCounters, QuicEvent, Volume};
use std::{fmt, sync::Arc};

/// Where QUIC is looked for, and what is kept of it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether any UDP port may be one of QUIC.
    pub any_port: bool,
    /// Time-outs, sizes and ports. Without ports QUIC is off, unless any port may be one.
    pub connections: connection::Settings,
    /// What connection IDs name.
    pub layouts: Arc<Layouts>,
    /// Backends and queues at most that the kernel programs counted by; where there are as many, those
    /// that were idle for longer than the idle time-out of connections make room.
    pub max_backends: usize,
    /// Datagrams with long headers at most that wait to be taken ([`crate::Meter::take_datagrams`]);
    /// 0 where nobody takes them.
    pub max_traced: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            any_port: false,
            connections: connection::Settings::default(),
            layouts: Arc::default(),
            max_backends: 65_536,
            max_traced: 0,
        }
    }
}

/// What a meter knows of QUIC.
pub struct QuicMeter {
    ports: Ports,
    layouts: Arc<Layouts>,
    connections: Connections,
    counters: Summed<QuicCounters>,
    backends: Backends,
    pub(crate) trace: Trace,
}

/// Where everything went that has to do with QUIC.
///
/// Every event has an outcome, and `received = live + ended + unclaimed`
/// ([`connection::Counters`]). Nothing is multiplied where frames are sampled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounting {
    /// What the kernel programs counted, or the replay of a capture file did.
    pub kernel: QuicCounters,
    /// What became of the events, and of what came in samples.
    pub table: connection::Counters,
    /// Live connections that are proven or matched.
    pub connections: usize,
    /// Live guesses, those that are not shown included.
    pub guesses: usize,
    /// Connections that were shown, and have ended.
    pub ended: u64,
    /// Backends and queues that the kernel programs counted by.
    pub backends: usize,
    /// What belonged to more of them than there is room for.
    pub backends_full: Volume,
    /// What belonged to those that were idle for longer than the idle time-out, and made room: those
    /// that are left, `backends_full` and this are together what the kernel programs decoded.
    pub backends_forgotten: Volume,
    /// Datagrams that nobody took in time ([`crate::Meter::take_datagrams`]).
    pub untraced: u64,
}

/// A backend and a queue that the kernel programs counted short headers by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The name of the layout.
    pub layout: String,
    /// The backend, where the layout has one.
    pub backend: Option<u64>,
    /// The worker queue, where the layout has one.
    pub queue: Option<u64>,
    /// Datagrams with short headers, and bytes of their payloads.
    pub volume: Volume,
}

impl Accounting {
    /// The settings whose limits were met, such as `quic.max_connections`, and how often: where there are
    /// any, what views show is not all that there was.
    pub fn settings_met(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.table.settings_met()
    }
}

impl QuicMeter {
    /// Nothing yet; none at all where QUIC is off.
    pub(crate) fn new(settings: &Settings) -> Option<Box<Self>> {
        let ports = Ports::new(settings.any_port, &settings.connections.ports);
        if ports.is_empty() {
            return None;
        }
        let layouts = Arc::clone(&settings.layouts);
        Some(Box::new(Self {
            ports,
            connections: Connections::new(settings.connections.clone(), Arc::clone(&layouts)),
            layouts,
            counters: Summed::default(),
            backends: Backends::new(settings.max_backends, settings.connections.idle_ns),
            trace: Trace::new(settings.max_traced),
        }))
    }

    /// Connections, live ones.
    pub const fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Where everything went.
    pub fn accounting(&self) -> Accounting {
        let (connections, guesses) = self.connections.len();
        Accounting {
            kernel: self.counters.total(),
            table: self.connections.counters().clone(),
            connections,
            guesses,
            ended: self.connections.counters().ended_connections,
            backends: self.backends.len(),
            backends_full: self.backends.full(),
            backends_forgotten: self.backends.forgotten(),
            untraced: self.trace.missed(),
        }
    }

    /// What the kernel programs counted by backend and queue, in no particular order.
    pub fn backends(&self) -> impl Iterator<Item = Counted> {
        self.backends.iter().map(|(key, volume)| {
            let layout = self.layouts.name(key.layout as usize);
            Counted {
                layout: layout.unwrap_or_default().to_owned(),
                backend: (key.named & 1 != 0).then_some(key.backend),
                queue: (key.named & 2 != 0).then_some(key.queue),
                volume,
            }
        })
    }

    /// What is known of the connection that has a flow's 5-tuple now, if it may be shown.
    pub(crate) fn summary(&self, key: &netweir_wire::map::FlowKey) -> Option<Box<Summary>> {
        if !self.ports.fit(key) {
            return None;
        }
        let connection = self.connections.find(key)?;
        connection
            .is_shown()
            .then(|| Box::new(Summary::of(connection)))
    }

    pub(crate) fn apply_event(&mut self, event: &QuicEvent, bytes: &[u8]) -> Outcome {
        let outcome = self.connections.handle_event(event, bytes);
        self.trace.add(event, bytes, outcome);
        outcome
    }

    pub(crate) fn add_sample(&mut self, sample: &Sample) {
        if self.ports.fit(&sample.key) {
            self.connections.add_sample(sample);
        }
    }

    pub(crate) fn add_counts(&mut self, batch: &Batch) {
        self.counters.observe(&batch.quic);
        for &(key, volume) in &batch.quic_backends {
            self.backends.add(key, volume, batch.now_ns);
        }
    }

    /// Begins a tick: rates are those of the one before.
    pub(crate) const fn begin_tick(&mut self, ticks: Ticks) {
        self.connections.begin_tick(ticks);
    }

    /// Looks at no more than `at_most` connections whose time has come; how many they were.
    pub(crate) fn tick(&mut self, now_ns: u64, at_most: usize) -> usize {
        self.connections.tick(now_ns, at_most)
    }
}

impl fmt::Debug for QuicMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("QuicMeter");
        debug.field("connections", &self.connections.len());
        debug.finish_non_exhaustive()
    }
}
