//! What the agent costs: the real program in release build, from its start to the end of a load.
//!
//! Memory is in units of 10^6 bytes. The kernel's is that of all maps together. Counts are in
//! frames, those of the interface for both directions; what the interface has and no flow has is
//! missing. The CPU time of the kernel programs is in none of the columns: it is the other tables'.

use std::{thread, time::Duration};

use netweir_tests::{Load, Sender};

use crate::{
    metered::Metered,
    pair::{INTERFACE, Pair},
    table::Table,
};

/// The program goes on for so long after a load, as in the measurements of other agents.
const AFTER: Duration = Duration::from_secs(3);
const SECONDS: u32 = 10;
const PACED_FLOWS: u64 = 65_000;
const PACED_PER_SECOND: u32 = 50_000;
/// Fewer flows than this are no measure of what a flow takes.
const FEW: f64 = 10_000.0;
const MILLION: u64 = 1_000_000;
/// A million packets that take longer are ended.
const MOST: Duration = Duration::from_secs(20);
/// Maps for a million flows that come at once, the tables of which are drained meanwhile.
const LARGE_MAPS: &[&str] = &["--set", "maps.flows=524288"];

/// Makes traffic, and says how many frames were sent if that is known.
type Traffic = fn(&Pair) -> anyhow::Result<Option<u64>>;

const LOADS: [(&str, &[&str], Traffic); 4] = [
    ("iperf3", &[], iperf),
    ("65,000 flows, 50,000/s", &[], paced),
    ("a million flows", LARGE_MAPS, million),
    ("a million flows, default maps", &[], million),
];

/// Measures each load with a program of its own.
pub(crate) fn measure() -> anyhow::Result<Table> {
    let mut rows = Vec::new();
    for (name, arguments, traffic) in LOADS {
        rows.push((name.to_owned(), row(arguments, traffic)?));
    }
    Ok(Table {
        title: "the agent: CPU in seconds, memory in MB, and frames",
        columns: vec![
            "start_user",
            "user",
            "system",
            "rss",
            "peak",
            "kernel",
            "sent",
            "interface",
            "seen",
            "in_flows",
            "missing",
            "flows",
            "rss_100k",
            "kernel_100k",
        ],
        rows,
    })
}

fn row(arguments: &[&str], traffic: Traffic) -> anyhow::Result<Vec<f64>> {
    let metered = Metered::start(arguments)?;
    let start = metered.usage()?;
    let sent = traffic(&metered.pair)?;
    thread::sleep(AFTER);
    // Before anybody asks: an answer costs CPU and memory too.
    let end = metered.usage()?;
    let books = metered.books()?;
    metered.stop();
    let [resident, peak, kernel] =
        [end.resident_bytes, end.peak_bytes, end.map_bytes].map(|bytes| bytes as f64 / 1e6);
    // With few flows it says nothing.
    let many = Some(books.flows).filter(|&flows| flows >= FEW);
    let for_100k = |megabytes| many.map_or(f64::NAN, |flows| megabytes / flows * 1e5);
    Ok(vec![
        start.user_seconds,
        end.user_seconds,
        end.system_seconds,
        resident,
        peak,
        kernel,
        sent.map_or(f64::NAN, |sent| sent as f64),
        books.interface,
        books.seen,
        books.in_flows,
        books.interface - books.in_flows,
        books.flows,
        for_100k(resident),
        for_100k(kernel),
    ])
}

fn iperf(pair: &Pair) -> anyhow::Result<Option<u64>> {
    pair.iperf(SECONDS, || Ok(()))?;
    Ok(None)
}

fn paced(pair: &Pair) -> anyhow::Result<Option<u64>> {
    let load = Load {
        packets: u64::from(PACED_PER_SECOND) * u64::from(SECONDS),
        per_second: Some(PACED_PER_SECOND),
        // A machine that is busy may need longer for the last ones.
        at_most: 2 * Duration::from_secs(SECONDS.into()),
    };
    let sender = Sender::open(&pair.far, INTERFACE)?;
    let sent = sender.send(load, |place| (place % PACED_FLOWS) as u32)?;
    Ok(Some(sent))
}

fn million(pair: &Pair) -> anyhow::Result<Option<u64>> {
    let load = Load {
        packets: MILLION,
        per_second: None,
        at_most: MOST,
    };
    let sender = Sender::open(&pair.far, INTERFACE)?;
    Ok(Some(sender.send(load, |place| place as u32)?))
}
