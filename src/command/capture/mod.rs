//! `netweir capture`: what rules sample, and what they tap on the inline path, as a capture file.

mod file;
mod heads;
mod tap;
mod writer;

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use anyhow::bail;
use netweir_agent::{Interfaces, watch};
use netweir_flow::{
    Filter, Meter,
    rule::{Action, Numbered},
};
use netweir_wire::map::HEAD_BYTES;

use self::tap::Taps;
pub(super) use self::{
    file::{Standard, Until},
    heads::Heads,
    writer::Capture,
};
use super::flows::print_books;
use crate::{
    args::{BoundArgs, CaptureArgs},
    config::Config,
    metering::{Metering, namespaces},
    rules::Store,
    stop::Stop,
};

/// The time between two looks for heads.
const PAUSE: Duration = Duration::from_millis(100);

/// Heads that wait to be written at most; the older ones are missed then, and counted.
pub(super) const MAX_HEADS: usize = 65_536;

/// The most bytes that a frame is captured with.
pub(super) const MAX_BYTES: u64 = u16::MAX as u64;

/// Writes until the program is to end, or as much as was asked for.
pub(super) fn run(config: &Config, args: &CaptureArgs) -> anyhow::Result<()> {
    let bounds = &args.bounds;
    check(&args.write, bounds)?;
    let filter = wanted(bounds)?;
    let mut taps = Taps::find(config, &namespaces(config)?)?;
    let are_sampled = expect_packets(config, bounds.label.as_deref(), &taps)?;
    let stop = Arc::new(Stop::on_signals()?);
    let most = match taps.is_empty() {
        true => HEAD_BYTES as u64,
        false => MAX_BYTES,
    };
    let bytes = bounds.snap.unwrap_or(most).min(most) as usize;
    // They wait for that; what they tell waits then.
    taps.ask(bounds, bytes)?;
    let metering = match are_sampled {
        true => meter(config, &taps, &stop)?,
        false => expect_interfaces(config).map(|()| None)?,
    };
    let meter = metering
        .as_ref()
        .map(|metering| Arc::clone(&metering.meter));
    let until = Until::new(&stop, bounds);
    // Not before: a file of that name stays where nothing could be captured.
    let heads = (Heads::new(filter, bytes), bytes);
    let created = Capture::create(&args.write, bounds, heads, &until);
    let mut capture = match created {
        Ok(capture) => capture,
        Err(error) => return finish(metering).and(Err(error)),
    };
    let written = until_stopped(&mut capture, meter.as_deref(), &mut taps, &until);
    let metered = finish(metering);
    // The last heads come when all is read.
    let written = written.and_then(|()| {
        taps.finish(&mut capture.writer, &until)?;
        meter
            .as_ref()
            .map_or(Ok(()), |meter| capture.write_new(meter, &until))
    });
    let mut received = 0;
    if let Some(meter) = meter {
        print_books(&meter);
        received = self::received(&meter);
    }
    capture.print_books(received, taps.books());
    metered.and(written).and(taps.check())
}

/// Meters what is not told by others, if that is anything.
fn meter(config: &Config, taps: &Taps, stop: &Arc<Stop>) -> anyhow::Result<Option<Metering>> {
    let mut config = config.clone();
    config.rules.max_heads = MAX_HEADS;
    config.except = taps.interfaces().collect();
    let namespaces = namespaces(&config)?;
    if namespaces.len() == 1 && taps.tell_of_all(&config.choices) {
        return Ok(None);
    }
    let stop = Arc::clone(stop);
    Metering::start(&config, namespaces, stop, Box::new(|_| {})).map(Some)
}

/// That there are the interfaces that are named, where nothing is attached to them.
fn expect_interfaces(config: &Config) -> anyhow::Result<()> {
    for netns in namespaces(config)? {
        for choice in &config.choices {
            if let Interfaces::Name(name) = &choice.interfaces {
                watch::find(&netns, name)?;
            }
        }
    }
    Ok(())
}

fn finish(metering: Option<Metering>) -> anyhow::Result<()> {
    metering.map_or(Ok(()), Metering::finish)
}

/// Writes what comes, until that is as much as was asked for or nothing comes any more.
fn until_stopped(
    capture: &mut Capture,
    meter: Option<&RwLock<Meter>>,
    taps: &mut Taps,
    until: &Until<'_>,
) -> anyhow::Result<()> {
    loop {
        let left = until.left().unwrap_or(PAUSE);
        let stopped = until.stop.wait_or(&taps.fds(), left.min(PAUSE))?;
        taps.write_new(&mut capture.writer, until)?;
        if let Some(meter) = meter {
            capture.write_new(meter, until)?;
        }
        let is_silent = meter.is_none() && taps.have_ended();
        if stopped || left.is_zero() || capture.is_full() || is_silent {
            return Ok(());
        }
    }
}

/// The heads that have come to a meter.
pub(super) fn received(meter: &RwLock<Meter>) -> u64 {
    let meter = meter.read().unwrap_or_else(PoisonError::into_inner);
    meter.accounting().heads.received
}

/// That the files can be what is asked for.
pub(super) fn check(path: &Path, bounds: &BoundArgs) -> anyhow::Result<()> {
    if bounds.ring.is_some() && (path == Path::new("-") || path.file_name().is_none()) {
        bail!("--ring makes several files: -w has to name one");
    }
    Ok(())
}

/// The filter of both flags.
pub(super) fn wanted(args: &BoundArgs) -> anyhow::Result<Option<Filter>> {
    let filter = args.filter.as_deref().map(Filter::parse).transpose()?;
    let label = args.label.as_deref().map(Filter::of_label);
    Ok(match (filter, label) {
        (Some(filter), Some(label)) => Some(filter.and(label)),
        (filter, label) => filter.or(label),
    })
}

/// That there is a rule by which anything can come; whether that is one by which heads are sampled.
fn expect_packets(config: &Config, label: Option<&str>, taps: &Taps) -> anyhow::Result<bool> {
    let book = Store::new(&config.rules.file).read()?;
    let file = config.rules.file.display();
    let is_wanted = |known: &Numbered| label.is_none_or(|label| known.rule.label == label);
    let samples = |known: &Numbered| matches!(known.rule.action, Action::Sample(_));
    let taps_it = |known: &Numbered| known.rule.action == Action::Tap && is_wanted(known);
    let rules = || book.rules().iter();
    if config.rules.heads_per_second > 0 && rules().any(|known| samples(known) && is_wanted(known))
    {
        return Ok(true);
    }
    if taps.tell(label) {
        return Ok(false);
    }
    let tapped = match rules().any(taps_it) {
        true => {
            "; what rules tap is told by a running `netweir inline`, for the interfaces that --iface names"
        }
        false => "",
    };
    if !rules().any(samples) {
        bail!(
            "no rule of {file} samples anything: say what is to be captured, as in `netweir rule add dns \
             --destination-port 53 --both-ways --action 'sample 1'`{tapped}"
        );
    }
    if config.rules.heads_per_second == 0 {
        bail!("rules.heads_per_second is 0: no rule samples anything{tapped}");
    }
    bail!(
        "no rule of {file} that samples gives the label {:?}; `netweir rule list` shows them{tapped}",
        label.unwrap_or_default()
    )
}
