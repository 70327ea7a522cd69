//! The agent at work: a thread that follows, drains and ticks until the program is to end.

use std::{
    os::fd::AsFd,
    sync::{Arc, PoisonError, RwLock, RwLockWriteGuard},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, anyhow};
use netweir_agent::{Agent, Cpus, Netns, QuicSettings, Settings, attach::HookChoice, now_ns};
use netweir_flow::{Meter, Record};
use netweir_web::{Ticker, Ticks, ticker};

use crate::{config::Config, stop::Stop};

/// Drains in a tick: the first packet of a flow shows after a quarter of a tick at the latest, and
/// the kernel's flow map has to last only for so long.
const DRAINS_PER_TICK: u32 = 4;

/// Flows looked at for their records while the meter is locked; a million records at once would take
/// as much memory as all flows.
const RECORDS_AT_ONCE: usize = 8192;

/// What becomes of the records of a tick, some of them at a time.
pub(crate) type Records = Box<dyn FnMut(&[Record]) + Send>;

/// A running agent.
pub(crate) struct Metering {
    /// Everything known.
    pub(crate) meter: Arc<RwLock<Meter>>,
    /// Tells of every tick.
    pub(crate) ticks: Ticks,
    stop: Arc<Stop>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Metering {
    /// Attaches, and meters from now on.
    pub(crate) fn start(
        config: &Config,
        namespaces: Vec<Netns>,
        stop: Arc<Stop>,
        records: Records,
    ) -> anyhow::Result<Self> {
        let meter = Arc::new(RwLock::new(Meter::new(&meter_settings(config), now_ns())));
        let settings = Settings {
            choices: config.choices.clone(),
            hook: config.hook,
            tc: config.tc,
            trace_any: config.is_everything() && config.hook == HookChoice::Tracepoint,
            maps: config.maps,
            ports: config.port_classes(),
            only: config.only.clone(),
            sampling: config.sampling,
            quic: QuicSettings::default(),
        };
        let agent = Agent::start(settings, namespaces, Arc::clone(&meter))?;
        let kernel_kib = config.maps.kernel_bytes(&Cpus::of_machine()?) / 1024;
        tracing::info!(
            kernel_kib,
            flows = config.maps.flows,
            "metering; kernel memory of the maps, for each namespace and for the tracepoints"
        );
        if config.only.is_some() || config.sampling > 1 {
            tracing::info!(
                filtered = config.only.is_some(),
                sampling = config.sampling,
                "not every packet is counted in flows; the accounting has all of them"
            );
        }
        let (ticker, ticks) = ticker(config.tick);
        let work = Work {
            agent,
            meter: Arc::clone(&meter),
            stop: Arc::clone(&stop),
            tick: config.tick,
            ticker,
            records,
        };
        let thread = thread::Builder::new()
            .name("agent".into())
            .spawn(move || work.run())?;
        Ok(Self {
            meter,
            ticks,
            stop,
            thread,
        })
    }

    /// Ends the agent and waits until everything is detached and counted.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        self.stop.now();
        match self.thread.join() {
            Ok(result) => result,
            Err(_panic) => Err(anyhow!(
                "the agent failed (see above); everything is detached"
            )),
        }
    }
}

/// The namespaces that the configuration names, or the own.
pub(crate) fn namespaces(config: &Config) -> anyhow::Result<Vec<Netns>> {
    if config.netns.is_empty() {
        return Ok(vec![Netns::current()?]);
    }
    let named = config.netns.iter().map(|name| Netns::from_choice(name));
    Ok(named.collect::<Result<_, _>>()?)
}

fn meter_settings(config: &Config) -> netweir_flow::Settings {
    let wall = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    netweir_flow::Settings {
        idle_ns: config.idle_timeout.as_nanos() as u64,
        active_ns: config.active_timeout.as_nanos() as u64,
        max_flows: config.max_flows,
        max_hosts: config.max_hosts,
        sampling: config.sampling,
        wall_offset_ns: wall.as_nanos() as i64 - now_ns() as i64,
        ..netweir_flow::Settings::default()
    }
}

/// What the agent's thread owns.
struct Work {
    agent: Agent,
    meter: Arc<RwLock<Meter>>,
    stop: Arc<Stop>,
    tick: Duration,
    ticker: Ticker,
    records: Records,
}

impl Work {
    fn run(mut self) -> anyhow::Result<()> {
        let result = self.until_stopped();
        // Whatever ended the loop, whoever waits for a signal must wake.
        self.stop.now();
        let stopped = self.agent.stop().context("cannot read the last counts");
        let rest = |meter: &mut Meter| meter.rest(now_ns(), RECORDS_AT_ONCE);
        report(&self.meter, &mut self.records, rest);
        self.ticker.tick();
        result.and(stopped)
    }

    fn until_stopped(&mut self) -> anyhow::Result<()> {
        let pause = self.tick / DRAINS_PER_TICK;
        let mut next_tick = Instant::now() + self.tick;
        loop {
            let left = next_tick.saturating_duration_since(Instant::now());
            self.agent.wait(self.stop.as_fd(), left.min(pause))?;
            if self.stop.is_set()? {
                return Ok(());
            }
            self.agent.follow()?;
            let due = Instant::now() >= next_tick;
            if due || self.agent.has_news() {
                self.agent
                    .drain()
                    .context("cannot read the kernel's counts")?;
            }
            if due {
                lock(&self.meter).end_tick(now_ns());
                let due = |meter: &mut Meter| meter.due(RECORDS_AT_ONCE);
                report(&self.meter, &mut self.records, due);
                next_tick = (next_tick + self.tick).max(Instant::now());
                self.ticker.tick();
            }
        }
    }
}

/// Hands records over until there are no more.
fn report(
    meter: &RwLock<Meter>,
    records: &mut Records,
    next: impl Fn(&mut Meter) -> Option<Vec<Record>>,
) {
    loop {
        let some = next(&mut lock(meter));
        let Some(some) = some else { return };
        records(&some);
    }
}

fn lock(meter: &RwLock<Meter>) -> RwLockWriteGuard<'_, Meter> {
    meter.write().unwrap_or_else(PoisonError::into_inner)
}
