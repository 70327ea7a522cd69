//! A drain in user space: out of the kernel's maps, into a meter, and a tick. Resident memory is that
//! of the measurement: its frames and a meter with all its flows are among it.

use std::time::Instant;

use netweir_agent::now_ns;
use netweir_flow::{Meter, Settings};
use netweir_packets::frame::{ethernet_ipv4, ipv4, udp};
use netweir_tests::{Program, Rig, Usage};
use netweir_wire::packet::protocol;
use rustix::time::{ClockId, clock_gettime};

use crate::{median, sizes, table::Table};

const ROUNDS: usize = 5;
const ROOM: u32 = 131_072;

/// Measures with many and with very many flows, of which all or a few change.
pub(crate) fn measure() -> anyhow::Result<Table> {
    let mut rows = Vec::new();
    for flows in [10_000, 100_000] {
        let mut rig = Rig::watching(7, sizes(ROOM))?;
        let mut meter = Meter::new(&Settings::default(), now_ns());
        let frames: Vec<Vec<u8>> = (0..flows).map(frame).collect();
        // The first round opens the flows, the others find them again.
        let opened = round(&mut rig, &mut meter, &frames)?;
        rows.push((format!("{flows} flows, all new"), opened));
        for (name, changed) in [("all", frames.len()), ("1 %", frames.len() / 100)] {
            let mut rounds = Vec::new();
            for _ in 0..ROUNDS {
                rounds.push(round(&mut rig, &mut meter, &frames[..changed])?);
            }
            let figures = (0..COLUMNS.len()).map(|column| {
                let values = rounds.iter().map(|figures| figures[column]);
                median(values.collect())
            });
            rows.push((format!("{flows} flows, {name} changed"), figures.collect()));
        }
    }
    Ok(Table {
        title: "a drain with Meter::apply and tick, in milliseconds, and resident memory",
        columns: COLUMNS.to_vec(),
        rows,
    })
}

const COLUMNS: &[&str] = &[
    "drain_cpu",
    "drain_wall",
    "apply_cpu",
    "tick_cpu",
    "cpu",
    "rss_mib",
];

/// Sends a packet of each flow, drains and ticks.
fn round(rig: &mut Rig, meter: &mut Meter, frames: &[Vec<u8>]) -> anyhow::Result<Vec<f64>> {
    for frame in frames {
        rig.run(Program::TC_INGRESS, frame)?;
    }
    let (start, began) = (cpu_ms(), Instant::now());
    let mut batch = rig.drain()?;
    let drained = cpu_ms();
    let wall_ms = began.elapsed().as_secs_f64() * 1000.0;
    anyhow::ensure!(batch.flows.len() == frames.len(), "flows are missing");
    batch.now_ns = now_ns();
    meter.apply(&batch);
    let applied = cpu_ms();
    let records = meter.tick(now_ns());
    let ticked = cpu_ms();
    drop(records);
    Ok(vec![
        drained - start,
        wall_ms,
        applied - drained,
        ticked - applied,
        ticked - start,
        Usage::of("self")?.resident_bytes as f64 / 1024.0 / 1024.0,
    ])
}

/// A packet of the flow with this number.
fn frame(number: u32) -> Vec<u8> {
    let [_, _, third, fourth] = (number / 50_000).to_be_bytes();
    let source = format!("10.1.{third}.{fourth}");
    let datagram = udp((number % 50_000) as u16, 443, &[]);
    let packet = ipv4(protocol::UDP).between(&source, "10.0.0.2");
    ethernet_ipv4(packet.carrying(datagram))
}

/// Milliseconds that this thread has had a CPU, in the kernel and out of it.
fn cpu_ms() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}
