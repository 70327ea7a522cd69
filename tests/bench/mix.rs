//! Nanoseconds a packet when it is not always the same flow.
//!
//! The mixer makes another flow of the packet before each run, and the empty program behind the
//! mixer shows what that costs. Two mixes: a million packets of a million flows, where nothing
//! that was remembered helps, and traffic as it is, in which few flows have most packets. Every
//! round begins with empty maps, for both programs; ours must have lost nothing at its end.

use anyhow::Context;
use netweir_tests::{Pinned, Program, Rig, Target, Yardstick};

use crate::{
    packet::segment,
    rounds::Rounds,
    sequence::{distinct, zipf},
    sizes,
    table::Table,
};

const ROUNDS: usize = 5;
const DISTINCT: u32 = 1_000_000;
const ZIPF_PACKETS: u32 = 4_000_000;
const ZIPF_FLOWS: u32 = 100_000;
const ZIPF_EXPONENT: f64 = 1.1;

/// Flows, and the packets that belong to them.
struct Mix {
    name: &'static str,
    /// What the flow maps have room for.
    room: u32,
    sequence: Vec<u32>,
}

/// Measures both mixes at each hook.
pub(crate) fn measure() -> anyhow::Result<Table> {
    let _pinned = Pinned::to_one_cpu()?;
    let mixes = [
        Mix {
            name: "a million flows",
            room: DISTINCT.next_power_of_two(),
            sequence: distinct(DISTINCT),
        },
        Mix {
            name: "Zipf",
            room: ZIPF_FLOWS.next_power_of_two(),
            sequence: zipf(ZIPF_PACKETS, ZIPF_FLOWS, ZIPF_EXPONENT),
        },
    ];
    let mut rows = Vec::new();
    for (place, programs) in [
        (
            "XDP",
            [Program::XDP, Program::EMPTY_XDP, Program::PLAIN_XDP],
        ),
        (
            "TC ingress",
            [Program::TC_INGRESS, Program::EMPTY_TC, Program::PLAIN_TC],
        ),
    ] {
        for mix in &mixes {
            rows.push((format!("{place} {}", mix.name), row(mix, programs)?));
        }
    }
    Ok(Table {
        title: "a packet by BPF_PROG_TEST_RUN, many flows, in nanoseconds, and ours that are missing",
        columns: [Rounds::COLUMNS, &["missing"]].concat(),
        rows,
    })
}

fn row(mix: &Mix, [program, empty, plain]: [Program; 3]) -> anyhow::Result<Vec<f64>> {
    let mut rounds = Rounds::default();
    // The greatest of all rounds.
    let mut missing = 0;
    let frame = segment();
    let packets = mix.sequence.len() as u32;
    for _ in 0..ROUNDS {
        let mut yardstick = Yardstick::with_sequence(mix.room, &mix.sequence)?;
        let target = Target::new(&mut yardstick, empty)?;
        rounds.empty.push(yardstick.mix(&target, &frame, packets)?);
        let target = Target::new(&mut yardstick, plain)?;
        rounds.plain.push(yardstick.mix(&target, &frame, packets)?);
        let mut rig = Rig::watching(7, sizes(mix.room))?;
        let target = Target::new(&mut rig.object, program)?;
        rounds.ours.push(yardstick.mix(&target, &frame, packets)?);
        missing = missing.max(count_missing(mix, &mut rig)?);
    }
    let mut figures = rounds.figures();
    figures.push(missing as f64);
    Ok(figures)
}

/// Compares what the kernel counted with the sequence: packets that were not seen, that were lost,
/// that are in no flow, and that are in a wrong one.
fn count_missing(mix: &Mix, rig: &mut Rig) -> anyhow::Result<u64> {
    let mut expected = std::collections::HashMap::new();
    for &number in &mix.sequence {
        *expected.entry(number).or_insert(0_u64) += 1;
    }
    let mut interface = None;
    // The second drain has what the first one may have left in the other map.
    for _ in 0..2 {
        let batch = rig.drain()?;
        interface = batch.interfaces.first().copied().or(interface);
        for sample in &batch.flows {
            let [.., a, b, c, d] = sample.key.source;
            let number = u32::from_be_bytes([a, b, c, d]);
            let expected = expected.entry(number).or_default();
            *expected = expected.wrapping_sub(sample.counters.packets);
        }
    }
    let counters = interface.context("no interface was counted")?.counters;
    let sent = mix.sequence.len() as u64;
    let in_wrong_flows: u64 = expected
        .values()
        .map(|&left| left.cast_signed().unsigned_abs())
        .sum();
    Ok(sent.abs_diff(counters.seen.packets)
        + sent.abs_diff(counters.counted.packets)
        + counters.lost_total().packets
        + in_wrong_flows)
}
