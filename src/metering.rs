//! The agent at work: a thread that follows, drains and ticks until the program is to end.

use std::{
    os::fd::AsFd,
    sync::{Arc, PoisonError, RwLock, RwLockWriteGuard},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, anyhow};
use netweir_agent::{
    Agent, Cpus, Netns, QuicSettings, RuleSettings, Settings, attach::HookChoice, now_ns,
};
use netweir_flow::{Meter, Record, rule::CompiledRules};
use netweir_web::{Ticker, Ticks, ticker};

use crate::{
    config::Config,
    rules::{Desk, Follower, Store},
    stop::Stop,
};

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
    /// Where rules are changed, and the agent is asked to put them in force.
    pub(crate) rules: Arc<Desk>,
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
        let store = Store::new(&config.rules.file);
        let desk = Arc::new(Desk::new(store.clone())?);
        let (follower, book, rules) = Follower::start(store)?;
        lock(&meter).set_rules(&book.labelled());
        let settings = agent_settings(config, rules);
        let agent = Agent::start(settings, namespaces, Arc::clone(&meter))?;
        say_what_is_metered(config, book.rules().len())?;
        let (ticker, ticks) = ticker(config.tick);
        let work = Work {
            agent,
            meter: Arc::clone(&meter),
            stop: Arc::clone(&stop),
            tick: config.tick,
            ticker,
            records,
            rules: follower,
            rules_in_force: true,
            desk: Arc::clone(&desk),
        };
        let thread = thread::Builder::new()
            .name("agent".into())
            .spawn(move || work.run())?;
        Ok(Self {
            meter,
            ticks,
            rules: desk,
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

/// Logs that everything is attached, and what is not as usual.
fn say_what_is_metered(config: &Config, rules: usize) -> anyhow::Result<()> {
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
    if rules > 0 {
        tracing::info!(
            rules,
            file = %config.rules.file.display(),
            "rules are in force"
        );
    }
    Ok(())
}

/// The namespaces that the configuration names, or the own.
pub(crate) fn namespaces(config: &Config) -> anyhow::Result<Vec<Netns>> {
    if config.netns.is_empty() {
        return Ok(vec![Netns::current()?]);
    }
    let named = config.netns.iter().map(|name| Netns::from_choice(name));
    Ok(named.collect::<Result<_, _>>()?)
}

/// What the agent is to do, with these rules.
pub(crate) fn agent_settings(config: &Config, rules: Arc<CompiledRules>) -> Settings {
    Settings {
        choices: config.choices.clone(),
        except: config.except.clone(),
        hook: config.hook,
        modes: config.modes,
        trace_any: config.is_everything() && config.hook == HookChoice::Tracepoint,
        maps: config.maps,
        ports: config.port_classes(),
        only: config.only.clone(),
        sampling: config.sampling,
        quic: QuicSettings {
            layouts: config.quic.kernel_layouts(),
        },
        rules: RuleSettings::new(config.rules.heads_per_second, rules),
        pins: Some(config.pins.clone()),
    }
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
        quic: config.quic.meter_settings(),
        max_heads: config.rules.max_heads,
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
    rules: Follower,
    /// Whether what stands in their file decides in the kernel.
    rules_in_force: bool,
    desk: Arc<Desk>,
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
            let awaited = [self.stop.as_fd(), self.desk.as_fd()];
            self.agent.wait(&awaited, left.min(pause))?;
            if self.stop.is_set()? {
                return Ok(());
            }
            self.agent.follow()?;
            self.follow_rules();
            let due = Instant::now() >= next_tick;
            if due || self.agent.has_news() {
                self.agent
                    .drain()
                    .context("cannot read the kernel's counts")?;
                // What a change of the rules makes is not kept until the tick.
                let relabelled = |meter: &mut Meter| meter.relabelled(RECORDS_AT_ONCE);
                report(&self.meter, &mut self.records, relabelled);
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

impl Work {
    /// Puts the rules in force that were written since the last time, and tells whoever has asked.
    fn follow_rules(&mut self) {
        // Before the file is looked at: whoever asks later has written later.
        let questions = self.desk.questions();
        match self.set_rules() {
            Ok(Some(count)) => {
                self.rules_in_force = true;
                tracing::info!(rules = count, "other rules are in force");
            }
            Ok(None) => {}
            Err(error) => {
                self.rules_in_force = false;
                tracing::error!(error = %format!("{error:#}"), "the rules from before stay in force");
            }
        }
        self.desk.answer(questions, self.rules_in_force);
    }

    /// Puts rules in force if others were written; tells how many.
    fn set_rules(&mut self) -> anyhow::Result<Option<usize>> {
        let Some((book, rules)) = self.rules.changed()? else {
            return Ok(None);
        };
        self.agent.set_rules(rules)?;
        lock(&self.meter).set_rules(&book.labelled());
        Ok(Some(book.rules().len()))
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
