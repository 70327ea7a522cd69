//! `netweir status`: what is attached and pinned, since when, and what it has counted and lost.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use netweir_agent::pin::{self, Folder, Status};
use netweir_flow::Hook;
use netweir_web::view::{Count, Volume};
use netweir_wire::map::{About, Direction, LossReason, Phase, StrayReason};

use crate::{
    args::Format,
    config::Config,
    report::{Cells, json_lines, write_csv, write_table},
    unit,
};

/// What is pinned of an interface, as JSON has it.
#[derive(serde::Serialize)]
struct Row {
    interface: String,
    /// The name that it has now, where that is another one.
    renamed: Option<String>,
    /// Inode number of its network namespace.
    netns: Option<u32>,
    ifindex: Option<u32>,
    /// `attached`; `gone` where the interface is; `incomplete` where somebody has removed a pin that held
    /// a program there; `half made`, `migrating` or `unreadable`.
    state: &'static str,
    hook: Option<&'static str>,
    /// What was asked for: hook and mode, or `open` or `closed` where frames cross.
    asked: Option<String>,
    /// Where frames cross, where they do: `native` in the driver, or `generic` behind it.
    xdp: Option<&'static str>,
    programs: Vec<Program>,
    pins: String,
    abi: u32,
    /// The ABI of what was taken over last.
    migrated_from: Option<u32>,
    uptime_seconds: Option<f64>,
    /// The process that uses the pins.
    used_by: Option<u32>,
    rules: usize,
    rules_generation: u32,
    sampling: Option<u32>,
    directions: BTreeMap<&'static str, Counted>,
    strays: BTreeMap<&'static str, Volume>,
    /// Why no more can be said.
    problem: Option<String>,
}

#[derive(serde::Serialize)]
struct Program {
    name: &'static str,
    id: u32,
    tag: String,
}

/// One direction.
#[derive(serde::Serialize)]
struct Counted {
    seen: Count,
    counted: Count,
    filtered: Volume,
    sampled: Volume,
    lost: Volume,
    lost_by_reason: BTreeMap<&'static str, Volume>,
    dropped: Volume,
    spared: Volume,
    /// As much of what was counted as collectors have taken.
    taken: Count,
    /// As much as waits for one.
    waiting: Volume,
}

pub(super) fn run(config: &Config, format: Format) -> anyhow::Result<()> {
    let rows: Vec<Row> = pin::status(&Folder::new(&config.pins))?
        .iter()
        .map(row)
        .collect();
    let mut out = io::stdout().lock();
    match format {
        Format::Json => json_lines(rows.iter(), &mut out)?,
        Format::Csv => write_csv(&cells(&rows, |bytes| bytes.to_string()), &mut out)?,
        Format::Table => write_table(&cells(&rows, unit::bytes), &mut out)?,
    }
    out.flush()?;
    Ok(())
}

fn row(status: &Status) -> Row {
    let about = status.about.as_ref().ok();
    let programs = status.programs.iter().map(|program| Program {
        name: program.name,
        id: program.id,
        tag: format!("{:016x}", program.tag),
    });
    let uptime_ns = about.map(|about| pin::boot_ns().saturating_sub(about.attached_ns));
    Row {
        interface: status.interface.clone(),
        renamed: status.renamed.clone(),
        netns: about.map(|about| about.netns),
        ifindex: about.map(|about| about.ifindex),
        state: state(status),
        hook: about
            .map(pin::hook)
            .filter(|hook| *hook != Hook::Unknown)
            .map(Hook::name),
        asked: about.map(|about| asked(about, status.is_closed)),
        xdp: about.and_then(way),
        programs: programs.collect(),
        pins: status.pins.path().display().to_string(),
        abi: status.pins.abi(),
        migrated_from: about
            .map(|about| about.migrated_from)
            .filter(|abi| *abi != 0),
        uptime_seconds: uptime_ns.map(|ns| ns as f64 / 1e9),
        used_by: status.holder,
        rules: status.rules.1,
        rules_generation: status.rules.0,
        sampling: about.map(|about| about.sampling),
        directions: directions(status),
        strays: StrayReason::ALL
            .iter()
            .map(|reason| (reason.name(), Volume::from(status.strays[*reason as usize])))
            .collect(),
        problem: problem(status),
    }
}

fn problem(status: &Status) -> Option<String> {
    match (&status.about, status.missing.as_slice()) {
        (Err(why), _) => Some(why.clone()),
        (Ok(_), []) => None,
        (Ok(_), missing) => Some(format!(
            "somebody has removed {}: detach it and attach anew",
            missing.join(" and ")
        )),
    }
}

fn state(status: &Status) -> &'static str {
    let Ok(about) = &status.about else {
        return "unreadable";
    };
    match Phase::try_from(about.phase) {
        Ok(Phase::Attached) if status.is_attached == Some(false) => "gone",
        Ok(Phase::Attached) if !status.missing.is_empty() => "incomplete",
        Ok(Phase::Attached) => "attached",
        Ok(Phase::Migrating) => "migrating",
        Ok(Phase::Making) if status.holder.is_some() => "being made",
        Ok(Phase::Making) => "half made",
        Err(_) => "unreadable",
    }
}

/// Where frames cross.
fn way(about: &About) -> Option<&'static str> {
    let way = match pin::is_generic(about) {
        true => "generic",
        false => "native",
    };
    (pin::hook(about) == Hook::Inline).then_some(way)
}

/// The hook and the mode that were asked for; of the inline path what becomes of tapped frames that cannot
/// go by user space.
fn asked(about: &About, is_closed: Option<bool>) -> String {
    if let Some(is_closed) = is_closed {
        return if is_closed { "closed" } else { "open" }.to_owned();
    }
    match (about.asked, about.mode) {
        (2, 1) => "xdp native",
        (2, 2) => "xdp generic",
        (2, _) => "xdp",
        (1, 1) => "tc tcx",
        (1, 2) => "tc clsact",
        (1, _) => "tc",
        (_, 1) => "auto tcx",
        (_, 2) => "auto clsact",
        _ => "auto",
    }
    .to_owned()
}

fn directions(status: &Status) -> BTreeMap<&'static str, Counted> {
    let all = status.counters.iter().flat_map(|both| {
        [Direction::Ingress, Direction::Egress]
            .into_iter()
            .zip(both)
    });
    let named = all.map(|(direction, carried)| {
        let name = match direction {
            Direction::Ingress => "ingress",
            Direction::Egress => "egress",
        };
        let counters = &carried.counters;
        let reasons = LossReason::ALL.map(|reason| {
            let lost = counters.lost[reason as usize];
            (reason.name(), Volume::from(lost))
        });
        let counted = Counted {
            seen: counters.seen.into(),
            counted: counters.counted.into(),
            filtered: counters.filtered.into(),
            sampled: counters.sampled.into(),
            lost: counters.lost_total().into(),
            lost_by_reason: reasons.into_iter().collect(),
            dropped: counters.dropped.into(),
            spared: counters.spared.into(),
            taken: carried.taken.into(),
            waiting: (counters.counted.volume() - carried.taken.volume()).into(),
        };
        (name, counted)
    });
    named.collect()
}

fn cells(rows: &[Row], bytes: fn(u64) -> String) -> Cells {
    let columns = [
        "INTERFACE",
        "STATE",
        "HOOK",
        "ASKED",
        "ABI",
        ">UPTIME",
        "USED BY",
        ">RULES",
        ">SEEN",
        ">BYTES",
        ">COUNTED",
        ">WAITING",
        ">LOST",
        "PROGRAMS",
        "PINS",
    ];
    let lines = rows.iter().map(|row| {
        let sum = |of: fn(&Counted) -> u64| row.directions.values().map(of).sum::<u64>();
        let number = |number: u64| match row.directions.is_empty() {
            true => "-".to_owned(),
            false => number.to_string(),
        };
        let programs = row.programs.iter();
        let programs = programs.map(|program| format!("{}:{}", program.name, program.id));
        let dash = || "-".to_owned();
        vec![
            match &row.renamed {
                Some(now) => format!("{} (now {now})", row.interface),
                None => row.interface.clone(),
            },
            row.state.to_owned(),
            row.hook.unwrap_or("-").to_owned(),
            match (&row.asked, row.xdp) {
                (Some(asked), Some(way)) => format!("{asked} {way}"),
                (asked, _) => asked.clone().unwrap_or_else(dash),
            },
            row.abi.to_string(),
            row.uptime_seconds
                .map_or_else(dash, |seconds| format!("{seconds:.0} s")),
            row.used_by.map_or_else(dash, |process| process.to_string()),
            row.rules.to_string(),
            number(sum(|counted| counted.seen.packets)),
            bytes(sum(|counted| counted.seen.bytes)),
            number(sum(|counted| counted.counted.packets)),
            number(sum(|counted| counted.waiting.packets)),
            number(sum(|counted| counted.lost.packets)),
            programs.collect::<Vec<_>>().join(" "),
            row.pins.clone(),
        ]
    });
    Cells::new(&columns, lines.collect())
}
