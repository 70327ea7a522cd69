//! What Netweir costs, measured.
//!
//! Four tables: a packet in the kernel by test runs, the same live, throughput with and without
//! each hook, and a drain in user space. They are printed and written to `bench.json` in the
//! target directory. All together ends within three minutes. The arguments are the names of the
//! tables that are wanted; without any, all are.

#![expect(clippy::print_stdout, reason = "the tables are what it is for")]

mod drain;
mod live;
mod mix;
mod packet;
mod pair;
mod rounds;
mod sequence;
mod table;
mod throughput;

use anyhow::Context;
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
    let mut tables = Vec::new();
    for (name, measure) in MEASURES {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            let table = measure()?;
            println!("{table}");
            tables.push(table);
        }
    }
    write(&tables)
}

/// Makes a table.
type Measure = fn() -> anyhow::Result<Table>;

const MEASURES: [(&str, Measure); 5] = [
    ("packet", packet::measure),
    ("mix", mix::measure),
    ("live", live::measure),
    ("drain", drain::measure),
    ("throughput", throughput::measure),
];

/// Writes the tables beside what cargo builds.
fn write(tables: &[Table]) -> anyhow::Result<()> {
    let program = std::env::current_exe()?;
    let target = program
        .ancestors()
        .nth(3)
        .context("not run from a target directory")?;
    let path = target.join("bench.json");
    let machine = rustix::system::uname();
    let cpus = std::thread::available_parallelism()?.get();
    let all = json!({
        "kernel": machine.release().to_string_lossy(),
        "cpus": cpus,
        "tables": tables.iter().map(Table::to_json).collect::<Vec<Value>>(),
    });
    std::fs::write(&path, format!("{all:#}\n"))?;
    println!("written to {}", path.display());
    Ok(())
}

/// Kernel maps with room for so many flows.
const fn sizes(flows: u32) -> MapSizes {
    MapSizes {
        flows,
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
