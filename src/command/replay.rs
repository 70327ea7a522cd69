//! `netweir replay`: capture files through the parser, the table and the views of the agent.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, IsTerminal, Write},
    path::Path,
    sync::{Arc, RwLock},
};

use anyhow::{Context, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use netweir_capture::Reader;
use netweir_flow::{Labelled, Meter, Settings, Tally, rule::CompiledRules};

use super::{
    flows::print_books,
    quic::{MAX_TRACED, expect_lines, print_port_hint, print_quic_books},
};
use crate::{
    args::{Format, ReplayArgs},
    config::Config,
    frame,
    report::{View, write_datagrams},
    rules::{Book, parse, read},
    unit::things,
};

/// Frames read between two looks at the progress bar.
const FRAMES_PER_STEP: u64 = 4096;

/// Flows handed to the meter at once.
const BATCH_FLOWS: usize = 8192;

/// Time between two ticks of the meter, in the time of the capture.
const TICK_NS: u64 = 1_000_000_000;

/// Reads all files, prints the report of what they held, and only then fails for what was broken.
pub(super) fn run(config: &Config, args: &ReplayArgs) -> anyhow::Result<()> {
    let view = View::new(args.by, &args.view)?;
    let format = args.view.format();
    if args.events {
        expect_lines(format)?;
    }
    let book = args.rules.as_deref().map(read_rules).transpose()?;
    let mut replay = Replay::new(config, args.events.then_some(format));
    if let Some((book, rules)) = book {
        replay.tally = replay.tally.with_rules(Arc::new(rules));
        replay.told = book.labelled();
    }
    let mut broken = Vec::new();
    for path in &args.files {
        if let Err(error) = replay.read(path) {
            if error.is::<io::Error>() {
                // It is the output that cannot be written to.
                return Err(error);
            }
            // What could not be opened is named already.
            let is_named = matches!(
                error.downcast_ref(),
                Some(netweir_capture::Error::Open { .. })
            );
            let path = path.display().to_string();
            broken.push(if is_named { error } else { error.context(path) });
        }
    }
    broken.extend(replay.unread.iter().map(|(link, frames)| {
        let frames = things(*frames, "frame");
        anyhow!("{frames} of link type {link}, which cannot be read: left out")
    }));
    let meter = replay.finish()?;
    if !args.events {
        let mut out = io::BufWriter::new(io::stdout().lock());
        view.write(&view.report(&|look| look(&meter), None), &mut out)?;
        out.flush()?;
    }
    let meter = RwLock::new(meter);
    print_books(&meter);
    if args.events || view.is_quic() {
        print_quic_books(&meter);
        print_port_hint(&meter, &config.quic.ports);
    }
    match broken.len() {
        0 => Ok(()),
        1 => Err(broken.remove(0)),
        _ => {
            let lines: Vec<String> = broken.iter().map(|error| format!("{error:#}")).collect();
            bail!("not all could be read:\n  {}", lines.join("\n  "))
        }
    }
}

/// The rules of a file, and as they are evaluated.
fn read_rules(path: &Path) -> anyhow::Result<(Book, CompiledRules)> {
    let name = path.display().to_string();
    let text = File::open(path).and_then(read);
    let text = text.with_context(|| format!("cannot read {name}"))?;
    let book = Book::of_file(&name, parse(&name, &text)?)?;
    let rules = book.set().compile().context(name)?;
    Ok((book, rules))
}

/// A meter, driven by the time of the captures.
struct Replay {
    tally: Tally,
    settings: Settings,
    /// What the numbers of the rules stand for.
    told: Vec<Labelled>,
    meter: Option<Meter>,
    now_ns: u64,
    next_tick_ns: u64,
    /// How datagrams are printed; none where they are not.
    events: Option<Format>,
    /// Frames of link types that cannot be read.
    unread: BTreeMap<u16, u64>,
}

impl Replay {
    fn new(config: &Config, events: Option<Format>) -> Self {
        let layouts = Arc::clone(&config.quic.layouts);
        let mut quic = config.quic.meter_settings();
        quic.connections.idle_ns = u64::MAX;
        quic.connections.unanswered_ns = u64::MAX;
        quic.max_traced = if events.is_some() { MAX_TRACED } else { 0 };
        Self {
            tally: Tally::new(config.port_classes()).with_layouts(layouts),
            // Time-outs do not apply: a report over files shows every flow.
            settings: Settings {
                idle_ns: u64::MAX,
                active_ns: u64::MAX,
                max_flows: config.max_flows,
                max_hosts: config.max_hosts,
                quic,
                ..Settings::default()
            },
            told: Vec::new(),
            meter: None,
            now_ns: 0,
            next_tick_ns: 0,
            events,
            unread: BTreeMap::new(),
        }
    }

    fn read(&mut self, path: &Path) -> anyhow::Result<()> {
        let mut reader = Reader::open(path)?;
        let progress = progress(&reader);
        let name = path.file_name().unwrap_or(path.as_os_str());
        self.tally.begin_file(&name.to_string_lossy());
        let mut frames = 0_u64;
        let result = loop {
            match reader.next_frame() {
                Ok(Some(frame)) => {
                    let timestamp_ns = frame.timestamp_ns;
                    match frame::from_capture(frame) {
                        Ok(frame) => self.tally.add(&frame),
                        Err(link) => *self.unread.entry(link).or_default() += 1,
                    }
                    self.pass_time(timestamp_ns)?;
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
            frames += 1;
            if frames.is_multiple_of(FRAMES_PER_STEP) {
                progress.set_position(reader.consumed_bytes());
            }
        };
        progress.finish_and_clear();
        result.with_context(|| format!("read {}, then failed", things(frames, "frame")))
    }

    /// The meter begins with the first frame, and ticks as the capture's time passes.
    fn pass_time(&mut self, timestamp_ns: u64) -> io::Result<()> {
        self.now_ns = self.now_ns.max(timestamp_ns);
        if self.meter.is_none() {
            self.next_tick_ns = timestamp_ns.saturating_add(TICK_NS);
        }
        let meter = self.meter.get_or_insert_with(|| {
            let mut meter = Meter::new(&self.settings, timestamp_ns);
            meter.set_rules(&self.told);
            meter
        });
        let due = self.now_ns >= self.next_tick_ns;
        if due || self.tally.waiting() >= BATCH_FLOWS {
            self.tally.hand_over(meter, self.now_ns);
            print(meter, self.events)?;
        }
        if due {
            drop(meter.tick(self.now_ns));
            self.next_tick_ns = self.now_ns.saturating_add(TICK_NS);
        }
        Ok(())
    }

    /// The meter with all that was read.
    fn finish(mut self) -> io::Result<Meter> {
        let mut meter = self.meter.unwrap_or_else(|| {
            let mut meter = Meter::new(&self.settings, 0);
            meter.set_rules(&self.told);
            meter
        });
        self.tally.hand_over(&mut meter, self.now_ns);
        print(&mut meter, self.events)?;
        drop(meter.tick(self.now_ns));
        Ok(meter)
    }
}

/// Prints the datagrams that were handed over, if that was asked for.
fn print(meter: &mut Meter, events: Option<Format>) -> io::Result<()> {
    let Some(format) = events else {
        return Ok(());
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    write_datagrams(&meter.take_datagrams(), format, &mut out)?;
    out.flush()
}

/// A bar on the terminal; nothing where standard error is none.
fn progress(reader: &Reader) -> ProgressBar {
    let Some(size) = reader.size_bytes().filter(|_| io::stderr().is_terminal()) else {
        return ProgressBar::hidden();
    };
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {eta}");
    ProgressBar::new(size).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
