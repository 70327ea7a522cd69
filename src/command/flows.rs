//! `netweir flows` and `netweir ip`: reports of what the agent counts.

use std::{
    io::{self, Write},
    sync::{Arc, PoisonError, RwLock},
};

use netweir_flow::{Accounting, Difference, InterfaceAccounting, Meter, Totals};
use netweir_web::view;
use netweir_wire::map::HeadLoss;

use super::quic::print_quic_books;
use crate::{
    args::EveryArgs,
    config::Config,
    log::tell,
    metering::{Metering, namespaces},
    report::{Screen, View, json_lines},
    stop::Stop,
    unit::{self, things},
};

/// Reports until the program is to end, or as often as was asked for.
pub(super) fn run(config: &Config, view: &View, every: &EveryArgs) -> anyhow::Result<()> {
    let stop = Arc::new(Stop::on_signals()?);
    let metering = Metering::start(
        config,
        namespaces(config)?,
        Arc::clone(&stop),
        Box::new(|_| {}),
    )?;
    let meter = Arc::clone(&metering.meter);
    let screen = Screen::of_stdout().filter(|_| view.is_table());
    let mut reported = 0;
    let shown = loop {
        let ends = stop.wait(every.every)?;
        reported += 1;
        // The last report comes when all is counted.
        if ends || every.count.is_some_and(|count| reported >= count) {
            break Ok(());
        }
        if let Err(error) = show(view, &meter, screen.as_ref()) {
            break Err(error);
        }
    };
    let metered = metering.finish();
    let shown = shown.and_then(|()| show(view, &meter, screen.as_ref()));
    print_books(&meter);
    if view.is_quic() {
        print_quic_books(&meter);
    }
    metered.and(Ok(shown?))
}

/// Prints every record as a JSON line until the program is to end.
pub(super) fn records(config: &Config) -> anyhow::Result<()> {
    let stop = Arc::new(Stop::on_signals()?);
    let ended = Arc::clone(&stop);
    let print = move |records: &[netweir_flow::Record]| {
        let mut out = io::stdout().lock();
        let printed = json_lines(records.iter().map(view::Flow::from), &mut out);
        if printed.and_then(|()| out.flush()).is_err() {
            // Nobody reads any more.
            ended.now();
        }
    };
    let metering = Metering::start(
        config,
        namespaces(config)?,
        Arc::clone(&stop),
        Box::new(print),
    )?;
    while !stop.wait(std::time::Duration::MAX)? {}
    let meter = Arc::clone(&metering.meter);
    let metered = metering.finish();
    print_books(&meter);
    metered
}

fn show(view: &View, meter: &RwLock<Meter>, screen: Option<&Screen>) -> io::Result<()> {
    let with = |look: &mut dyn FnMut(&Meter)| {
        look(&meter.read().unwrap_or_else(PoisonError::into_inner));
    };
    let report = view.report(&with, screen.map(Screen::rows));
    let mut totals = None;
    if screen.is_some() {
        with(&mut |meter| totals = meter.totals(None));
    }
    let mut text = Vec::new();
    if let Some(totals) = totals {
        writeln!(text, "{}", title(&totals))?;
    }
    view.write(&report, &mut text)?;
    match screen {
        Some(screen) => screen.draw(&String::from_utf8_lossy(&text)),
        None => {
            let mut out = io::stdout().lock();
            out.write_all(&text)?;
            out.flush()
        }
    }
}

fn title(totals: &Totals) -> String {
    format!(
        "{} now, {:.0} packets/s; {} in {} packets since {:.0} s",
        unit::bits_per_second(totals.rate.bits_per_second()),
        totals.rate.packets_per_second,
        unit::bytes(totals.total.bytes),
        totals.total.packets,
        totals.uptime_ns as f64 / 1e9,
    )
}

/// Prints one line to standard error at the end: where every packet went.
pub(super) fn print_books(meter: &RwLock<Meter>) {
    let meter = meter.read().unwrap_or_else(PoisonError::into_inner);
    let books = meter.accounting();
    let lines = &books.interfaces;
    let sum = |packets: fn(&InterfaceAccounting) -> u64| lines.iter().map(packets).sum::<u64>();
    let seen = sum(|line| line.seen.packets);
    let counted = sum(|line| line.counted.packets);
    let filtered = sum(|line| line.filtered.packets);
    let sampled = sum(|line| line.sampled.packets);
    let lost = sum(|line| line.lost_total().packets);
    let strays: u64 = books.strays.iter().map(|stray| stray.packets).sum();
    let refused = books.table_full.packets + books.malformed.packets;
    let off = match books.imbalance().kernel {
        Difference {
            packets: 0,
            bytes: 0,
        } => String::new(),
        Difference { packets, bytes } => format!(", off by {packets} packets and {bytes} bytes"),
    };
    tell(&format!(
        "{seen} packets seen = {counted} counted + {filtered} filtered + {sampled} sampled \
         + {lost} lost in the kernel{off}; {refused} refused by the flow table, {strays} on no \
         interface{}",
        ruled(&books)
    ));
    if books.mislabelled.packets > 0 {
        tell(&format!(
            "up to {} packets are in records of another label: raise flow.max_flows",
            books.mislabelled.packets
        ));
    }
    if books.hosts_full.packets > 0 {
        tell(&format!(
            "{} packets are credited to no address: raise flow.max_hosts",
            books.hosts_full.packets
        ));
    }
}

/// What rules did, behind the line of the books; nothing where they did nothing.
fn ruled(books: &Accounting) -> String {
    let lines = &books.interfaces;
    let sum = |packets: fn(&InterfaceAccounting) -> u64| lines.iter().map(packets).sum::<u64>();
    let dropped = sum(|line| line.dropped.packets);
    let spared = sum(|line| line.spared.packets);
    let mut text = String::new();
    if dropped + spared > 0 {
        text = format!("; of those seen, rules dropped {dropped} and spared {spared}");
    }
    let heads = books.heads;
    if heads.drawn > 0 {
        let lost = heads.drawn.wrapping_sub(heads.told);
        let drawn = things(heads.drawn, "head");
        text += &format!("; {drawn} drawn = {} told + {lost} lost", heads.told);
        let reasons = HeadLoss::ALL.iter().zip(heads.lost);
        let reasons = reasons.filter(|(_, lost)| *lost > 0);
        let reasons: Vec<_> = reasons
            .map(|(reason, lost)| format!("{lost} {}", reason.name()))
            .collect();
        if !reasons.is_empty() {
            text += &format!(" ({})", reasons.join(", "));
        }
    }
    text
}
