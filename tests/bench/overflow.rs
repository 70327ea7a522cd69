//! More than there is room for: two generators on two CPUs against tiny maps.
//!
//! Nearly every packet opens a flow and nearly none finds room, while both CPUs are busy and the
//! agent can hardly keep up. Whatever becomes of them, packets seen have to be those counted and
//! those lost, to the byte, and those that the interface says it received.

use std::{thread, time::Duration};

use netweir_tests::{Load, Pinned, Sender};
use serde_json::Value;

use crate::{
    metered::{Metered, figure},
    pair::{INTERFACE, Pair},
    sequence::scattered,
    table::Table,
};

const GENERATORS: usize = 2;
const LOAD: Load = Load {
    packets: u64::MAX,
    per_second: None,
    at_most: Duration::from_secs(10),
};
const TINY_MAPS: [&str; 2] = ["--set", "maps.flows=64"];

/// Measures TC and XDP.
pub(crate) fn measure() -> anyhow::Result<Table> {
    let mut rows = Vec::new();
    for hook in ["tc", "xdp"] {
        rows.push((hook.to_owned(), row(hook)?));
    }
    Ok(Table {
        title: "two generators against tiny maps, in packets",
        columns: vec![
            "sent",
            "interface",
            "seen",
            "counted",
            "lost",
            "lost_percent",
            "difference",
            "unseen",
            "in_flows",
            "unreceived",
        ],
        rows,
    })
}

fn row(hook: &str) -> anyhow::Result<Vec<f64>> {
    let metered = Metered::start(&[&["--hook", hook], &TINY_MAPS[..]].concat())?;
    let sent = generate(&metered.pair)?;
    let books = metered.books()?;
    metered.stop();
    let volume = |name: &str| {
        let volume = &books.accounting[name];
        [figure(&volume["packets"]), figure(&volume["bytes"])]
    };
    let (seen, counted, lost) = (volume("seen"), volume("counted"), volume("lost"));
    // In packets and in bytes.
    let difference: f64 = (0..2)
        .map(|unit| (seen[unit] - counted[unit] - lost[unit]).abs())
        .sum();
    let in_flows = figure(&books.accounting["in_flows"]["packets"]);
    Ok(vec![
        sent as f64,
        books.interface,
        seen[0],
        counted[0],
        lost[0],
        lost[0] / seen[0] * 100.0,
        difference,
        books.interface - seen[0],
        in_flows,
        counted[0] - in_flows - refused(&books.accounting),
    ])
}

/// What the agent got and could not keep.
fn refused(accounting: &Value) -> f64 {
    ["table_full", "malformed"]
        .map(|reason| figure(&accounting[reason]["packets"]))
        .iter()
        .sum()
}

/// Sends from all generators, each on a CPU of its own where there are so many.
fn generate(pair: &Pair) -> anyhow::Result<u64> {
    let generate = |number: usize| -> anyhow::Result<u64> {
        let _pinned = Pinned::to_cpu(number)?;
        let sender = Sender::open(&pair.far, INTERFACE)?;
        let flow = |place: u64| scattered((place as usize * GENERATORS + number) as u32) >> 4;
        sender.send(LOAD, flow)
    };
    thread::scope(|scope| {
        let generators: Vec<_> = (0..GENERATORS)
            .map(|number| scope.spawn(move || generate(number)))
            .collect();
        let mut sum = 0;
        for generator in generators {
            let sent = generator.join();
            sum += sent.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(sum)
    })
}
