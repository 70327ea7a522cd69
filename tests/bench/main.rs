//! What Netweir costs, measured.
//!
//! A packet in the kernel by test runs, of one flow ([`packet`], [`quic`]), under [`rules`], and of many ([`mix`]), and
//! live ([`live`]); a drain in user space ([`drain`]); the whole agent as a process ([`agent`]), also with
//! far too much for its maps ([`overflow`]); the throughput of TCP with and without each hook
//! ([`throughput`]); a bump in the wire ([`inline`]). Tables are printed and written to `bench.json` in the target directory, with
//! the [`bars`] that the figures have to meet; missing one is told, and is no failure. All together
//! ends within ten minutes. The arguments are the names of the tables that are wanted; without any,
//! all are.

#![expect(clippy::print_stdout, reason = "the tables are what it is for")]

mod agent;
mod bars;
mod drain;
mod inline;
mod live;
mod metered;
mod mix;
mod overflow;
mod packet;
mod pair;
mod quic;
mod rounds;
mod rules;
mod sequence;
mod table;
mod throughput;

use std::panic::catch_unwind;

use anyhow::{Context, bail, ensure};
use bars::Bars;
use netweir_agent::attach::MapSizes;
use serde_json::{Value, json};
use table::Table;

fn main() -> anyhow::Result<()> {
    if !netweir_tests::is_root() {
        return Ok(());
    }
    // Cargo adds one of its own.
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|name| name != "--bench")
        .collect();
    for name in &wanted {
        let is_known = MEASURES.iter().any(|(known, _)| known == name);
        ensure!(is_known, "there is no table {name}");
    }
    let mut tables = Vec::new();
    let mut failed = Vec::new();
    for (name, measure) in MEASURES {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            // What was measured is told whatever becomes of the rest.
            // The panic has told its line already.
            let measured = catch_unwind(measure).unwrap_or_else(|_| bail!("it panicked"));
            match measured {
                Ok(table) => {
                    println!("{table}");
                    tables.push((name, table));
                }
                Err(error) => {
                    println!("{name}: {error:#}\n");
                    failed.push(name);
                }
            }
        }
    }
    let bars = Bars::new(&tables);
    println!("{bars}");
    write(&tables, &bars)?;
    ensure!(failed.is_empty(), "not measured: {}", failed.join(", "));
    Ok(())
}

/// Makes a table.
type Measure = fn() -> anyhow::Result<Table>;

const MEASURES: [(&str, Measure); 10] = [
    ("packet", packet::measure),
    ("quic", quic::measure),
    ("rules", rules::measure),
    ("mix", mix::measure),
    ("live", live::measure),
    ("drain", drain::measure),
    ("agent", agent::measure),
    ("overflow", overflow::measure),
    ("throughput", throughput::measure),
    ("inline", inline::measure),
];

/// Writes the tables beside what cargo builds.
fn write(tables: &[(&str, Table)], bars: &Bars) -> anyhow::Result<()> {
    let program = std::env::current_exe()?;
    let target = program
        .ancestors()
        .nth(3)
        .context("not run from a target directory")?;
    let path = target.join("bench.json");
    let machine = rustix::system::uname();
    let cpus = std::thread::available_parallelism()?.get();
    let tables = tables.iter().map(|(name, table)| {
        let mut table = table.to_json();
        table["name"] = json!(name);
        table
    });
    let all = json!({
        "kernel": machine.release().to_string_lossy(),
        "cpus": cpus,
        "tables": tables.collect::<Vec<Value>>(),
        "bars": bars.to_json(),
    });
    std::fs::write(&path, format!("{all:#}\n"))?;
    println!("written to {}", path.display());
    Ok(())
}

/// Kernel maps with room for so many flows.
const fn sizes(flows: u32) -> MapSizes {
    MapSizes {
        cache: 131_072,
        flows,
        ring: 1 << 20,
        quic: 1 << 20,
        interfaces: 16,
    }
}

/// The middle value; of an even number, the lower of the two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}

/// The lowest value.
fn minimum(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}
