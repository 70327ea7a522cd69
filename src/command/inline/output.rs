//! What is written and printed of frames that cross.

use std::{
    path::Path,
    sync::{PoisonError, RwLock},
};

use netweir_flow::{Filter, InlineAccounting, InlineLoss, Meter};
use netweir_web::view;
use netweir_wire::map::Bypass;

use crate::{
    args::InlineArgs,
    command::capture::{Capture, Heads, MAX_BYTES, Standard, Until, received},
    foreign::escaped,
    log::tell,
    report::json_lines,
    tapped::Books,
    unit::things,
};

/// Where what was recorded goes.
pub(super) enum Output {
    Nowhere,
    /// And whether there is as much as was asked for.
    File(Box<Capture>, bool),
    /// Lines of JSON; with the number of the last frame that was looked at.
    Lines(Option<Filter>, u64, Standard),
}

impl Output {
    pub(super) fn open(
        args: &InlineArgs,
        filter: Option<Filter>,
        until: &Until<'_>,
    ) -> anyhow::Result<Self> {
        let Some(path) = &args.write else {
            return Ok(match args.events {
                true => Self::Lines(filter, 0, Standard::new()?),
                false => Self::Nowhere,
            });
        };
        let bytes = args.bounds.snap.unwrap_or(MAX_BYTES).min(MAX_BYTES) as usize;
        let heads = (Heads::new(filter, bytes), bytes);
        let capture = Capture::create(Path::new(path), &args.bounds, heads, until)?;
        Ok(Self::File(Box::new(capture), false))
    }

    pub(super) fn write_new(
        &mut self,
        meter: &RwLock<Meter>,
        until: &Until<'_>,
    ) -> anyhow::Result<()> {
        match self {
            Self::Nowhere => Ok(()),
            Self::File(capture, is_complete) => {
                let is_over = until.left().is_some_and(|left| left.is_zero());
                if *is_complete {
                    return Ok(());
                }
                if !is_over && !capture.is_full() {
                    capture.write_new(meter, until)?;
                }
                if is_over || capture.is_full() {
                    *is_complete = true;
                    tracing::info!("the file is complete; frames go on crossing");
                }
                Ok(())
            }
            Self::Lines(filter, last, out) => {
                let heads = {
                    let meter = meter.read().unwrap_or_else(PoisonError::into_inner);
                    meter.heads(*last)
                };
                let Some(latest) = heads.last() else {
                    return Ok(());
                };
                *last = latest.number;
                let wanted = heads.iter().filter(|head| {
                    let filter = filter.as_ref();
                    filter.is_none_or(|filter| filter.matches_head(head))
                });
                let mut lines = Vec::new();
                json_lines(wanted.map(view::Head::from), &mut lines)?;
                Ok(out.write(&lines, until)?)
            }
        }
    }

    pub(super) fn print_books(&self, meter: &RwLock<Meter>) {
        if let Self::File(capture, _) = self {
            capture.print_books(received(meter), Books::default());
        }
    }
}

/// Prints to standard error at the end where the frames went: one line for each interface.
pub(super) fn print_crossed(meter: &RwLock<Meter>) {
    let meter = meter.read().unwrap_or_else(PoisonError::into_inner);
    for line in &meter.accounting().inline {
        tell(&escaped(&crossed(line)));
    }
}

/// Where the frames of an interface went.
fn crossed(line: &InlineAccounting) -> String {
    let mut text = format!(
        "{} to {}: {} came = {} crossed in the kernel + {} by user space + {} dropped + {} lost",
        line.name,
        line.to,
        things(line.seen, "frame"),
        line.crossed,
        line.tapped,
        line.dropped,
        line.lost_total(),
    );
    text += &reasons(
        InlineLoss::ALL
            .map(InlineLoss::name)
            .into_iter()
            .zip(line.lost),
    );
    if line.in_tap > 0 {
        text += &format!(" + {} in user space", line.in_tap);
    }
    match line.unconfirmed() {
        0 => {}
        frames => text += &format!(" + {frames} unconfirmed"),
    }
    if line.bypassed_total() > 0 {
        text += &format!(
            "; of those that crossed, rules tap {}",
            line.bypassed_total()
        );
        text += &reasons(Bypass::ALL.map(Bypass::name).into_iter().zip(line.bypassed));
    }
    if line.unrecorded > 0 {
        text += &format!("; {} tapped ones were not recorded", line.unrecorded);
    }
    text
}

/// The reasons that there are any of, in brackets.
fn reasons(all: impl Iterator<Item = (&'static str, u64)>) -> String {
    let any = all.filter(|(_, count)| *count > 0);
    let named: Vec<String> = any.map(|(name, count)| format!("{count} {name}")).collect();
    match named.as_slice() {
        [] => String::new(),
        named => format!(" ({})", named.join(", ")),
    }
}
