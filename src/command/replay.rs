//! `netweir replay`: capture files through the parser, the table and the views of the agent.

mod tally;

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
    sync::RwLock,
};

use anyhow::{Context, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use netweir_capture::Reader;
use netweir_flow::Settings;

use super::flows::print_books;
use crate::{args::ReplayArgs, config::Config, report::View};
use tally::Tally;

/// Frames read between two looks at the progress bar.
const FRAMES_PER_STEP: u64 = 4096;

/// Reads all files, prints the report of what they held, and only then fails for what was broken.
pub(super) fn run(config: &Config, args: &ReplayArgs) -> anyhow::Result<()> {
    let view = View::new(args.by, &args.view)?;
    let mut tally = Tally::new(config.port_classes(), meter_settings(config));
    let mut broken = Vec::new();
    for path in &args.files {
        if let Err(error) = replay(path, &mut tally) {
            broken.push(error.context(path.display().to_string()));
        }
    }
    broken.extend(tally.unread_links().map(|(link, frames)| {
        anyhow!("{frames} frames have link type {link}, which cannot be read, and are left out")
    }));
    let meter = tally.finish();
    let mut out = io::stdout().lock();
    view.write(&view.rows(&meter, None), &mut out)?;
    out.flush()?;
    print_books(&RwLock::new(meter));
    match broken.len() {
        0 => Ok(()),
        1 => Err(broken.remove(0)),
        _ => {
            let lines: Vec<String> = broken.iter().map(|error| format!("{error:#}")).collect();
            bail!("not all could be read:\n  {}", lines.join("\n  "))
        }
    }
}

/// Time-outs do not apply: a report over files shows every flow.
fn meter_settings(config: &Config) -> Settings {
    Settings {
        idle_ns: u64::MAX,
        active_ns: u64::MAX,
        max_flows: config.max_flows,
        max_hosts: config.max_hosts,
        ..Settings::default()
    }
}

fn replay(path: &Path, tally: &mut Tally) -> anyhow::Result<()> {
    let mut reader = Reader::open(path)?;
    let progress = progress(&reader);
    tally.begin_file(path);
    let mut frames = 0;
    let result = loop {
        match reader.next_frame() {
            Ok(Some(frame)) => tally.add(&frame),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
        frames += 1;
        if frames % FRAMES_PER_STEP == 0 {
            progress.set_position(reader.consumed_bytes());
        }
    };
    progress.finish_and_clear();
    result.with_context(|| format!("read {frames} frames, then failed"))
}

/// A bar on the terminal; nothing where standard error is none.
fn progress(reader: &Reader) -> ProgressBar {
    let Some(size) = reader.size_bytes().filter(|_| io::stderr().is_terminal()) else {
        return ProgressBar::hidden();
    };
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {eta}");
    ProgressBar::new(size).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
