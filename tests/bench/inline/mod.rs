//! A bump in the wire: what crosses `netweir inline`, beside a bridge of the kernel.
//!
//! Eight wires of two veth pairs each, of one queue. What is in the middle: nothing, so that frames end there; XDP
//! that does nothing but send on, the least that any bump of this kind can cost; a bridge; `netweir inline` without
//! a rule (the kernel path); and the same with a rule that taps all (in copy mode). At veths that is behind the
//! driver unless it is asked for otherwise; *native* rows are the same three in the driver. Each process runs
//! while its wire is measured, and no longer.
//!
//! *Rates*: the client sends UDP of 60 bytes (64 with the checksum of the wire) as live frames, as fast as it
//! goes, on one CPU; what arrives is counted where the stack of the service begins. On that CPU runs all that the kernel does
//! for them, but not the thread of the tap: so `frames_s` has the sending in it, and `crossing_ns` is what a
//! frame takes over one that ends in the middle. Ratios are medians of those of each round. Of the tap, what
//! counts is what went by user space: where it is behind, frames cross in the kernel, and all that arrived
//! is a row of its own. *Socket* rows are the same of frames that a packet socket sends, as those of services come:
//! each is an skb, which the kernel makes a frame of XDP. *Capacity* is the highest rate, found by halving, of which
//! 99.9 % go by user space; it is at most what a packet socket can send, for live frames have no pace.
//!
//! *Delays*: one way, from the call that sends to where the stack begins at the other end, 10,000 frames a second by a packet socket;
//! medians of rounds, and what they are over the bridge.
//!
//! *At rest*: CPU of the process with its rule and no frames, in percent of one.

mod delay;
mod rate;
mod wire;

use std::{fs, thread, time::Duration};

use anyhow::Context;
use netweir_tests::{own_bpffs, udp_frame};

use self::wire::{Middle, Wire};
use crate::table::Table;

const ROUNDS: usize = 5;
/// How long the process is looked at while nothing comes.
const REST: Duration = Duration::from_secs(5);
/// Payload that makes the shortest frame of Ethernet, but for its checksum.
const PAYLOAD_BYTES: usize = 18;

const COLUMNS: [&str; 10] = [
    "frames_s",
    "crossing_ns",
    "to_bridge",
    "to_kernel",
    "lost_%",
    "p50_us",
    "p99_us",
    "p50_added",
    "p99_added",
    "cpu",
];

/// Measures all wires in turns.
pub(crate) fn measure() -> anyhow::Result<Table> {
    // On a thread of its own: its file system of pins ends with it.
    let measured = thread::scope(|scope| scope.spawn(measure_here).join());
    let rows = measured.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    Ok(Table {
        title: "a bump in the wire: 60 bytes as fast as they come, and at 10,000 a second",
        columns: COLUMNS.to_vec(),
        rows,
    })
}

type Rows = Vec<(String, Vec<f64>)>;

fn measure_here() -> anyhow::Result<Rows> {
    own_bpffs();
    let all = [
        Middle::Sink,
        Middle::Redirect,
        Middle::Bridge,
        Middle::Kernel,
        Middle::Tap,
        Middle::NativeRedirect,
        Middle::NativeKernel,
        Middle::NativeTap,
    ];
    let wires: anyhow::Result<Vec<Wire>> = all.into_iter().map(Wire::new).collect();
    let wires: Result<[Wire; 8], _> = wires?.try_into();
    let mut wires = wires.ok().context("there are eight wires")?;
    let mut rows = rate::measure(&mut wires)?;
    let [_, _, bridge, kernel, tap, ..] = &mut wires;
    rows.extend(delay::measure([bridge, kernel, tap])?);
    let cpu = wires[Middle::Tap as usize].measured(|wire| at_rest(wire.process()?))?;
    rows.push(row("tap at rest", &[("cpu", cpu)]));
    Ok(rows)
}

/// A row of some of the columns.
fn row(name: &str, figures: &[(&str, f64)]) -> (String, Vec<f64>) {
    let figure = |column| {
        let found = figures.iter().find(|(name, _)| name == column);
        found.map_or(f64::NAN, |(_, figure)| *figure)
    };
    (name.to_owned(), COLUMNS.iter().map(figure).collect())
}

/// The frame that is sent.
fn frame() -> Vec<u8> {
    udp_frame(5000, PAYLOAD_BYTES)
}

/// CPU of a process that has nothing to do, in percent of one.
fn at_rest(process: u32) -> anyhow::Result<f64> {
    let before = run_ns(process)?;
    thread::sleep(REST);
    Ok((run_ns(process)? - before) / REST.as_nanos() as f64 * 100.0)
}

/// What all threads of a process have run so far: finer than clock ticks.
fn run_ns(process: u32) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let first = text.split_whitespace().next();
        sum += first.context("schedstat is empty")?.parse::<f64>()?;
    }
    Ok(sum)
}
