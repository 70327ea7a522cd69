//! Nanoseconds a packet of one flow: the look at QUIC, over counting alone and over nothing.
//!
//! The frame is the same each time: nothing turns, and nearly nothing is told. Of long headers, only
//! the first ones are told, since the flow has no allowance for more.

use netweir_agent::attach::{MapSizes, Variant};
use netweir_flow::quic::layout::{Layout, Layouts};
use netweir_packets::{
    frame::{ethernet_ipv4, ipv4, udp},
    quic::short,
};
use netweir_tests::{Pinned, Program, Rig, Yardstick};
use netweir_wire::packet::protocol;

use crate::{median, minimum, packet::segment, sizes, table::Table};

const RUNS: u32 = 500_000;
const ROUNDS: usize = 7;
const FLOWS: u32 = 65_536;

const COLUMNS: [&str; 6] = [
    "empty_min",
    "counted_min",
    "looked_at",
    "looked_min",
    "over_count",
    "over_empty",
];

/// Measures each program with each packet, in turns with the empty one and with one that does not look
/// at QUIC.
pub(crate) fn measure() -> anyhow::Result<Table> {
    let _pinned = Pinned::to_one_cpu()?;
    let mut rows = Vec::new();
    for (place, program, empty) in [
        ("XDP", Program::XDP, Program::EMPTY_XDP),
        ("TC ingress", Program::TC_INGRESS, Program::EMPTY_TC),
        ("TC egress", Program::TC_EGRESS, Program::EMPTY_TC),
    ] {
        let datagram = short(&CID, &[0; 41]);
        for (name, frame, layout) in [
            ("not QUIC", segment(), None),
            ("short", quic(&datagram), None),
            (
                "short, telementry",
                quic(&datagram),
                Some("telementry port=443"),
            ),
            ("short, mvfst", quic(&datagram), Some("mvfst port=443")),
            ("long", quic(&[0xc0; 50]), None),
        ] {
            let figures = row(program, empty, (&frame, layout))?;
            rows.push((format!("{place} {name}"), figures));
        }
    }
    Ok(Table {
        title: "a packet and the look at QUIC by BPF_PROG_TEST_RUN, one flow, in nanoseconds",
        columns: COLUMNS.to_vec(),
        rows,
    })
}

/// A connection ID that each of the layouts reads.
const CID: [u8; 8] = [0xc0, 0, 0, 5, 1, 2, 3, 4];

fn quic(datagram: &[u8]) -> Vec<u8> {
    ethernet_ipv4(ipv4(protocol::UDP).carrying(udp(5000, 443, datagram)))
}

fn row(
    program: Program,
    empty: Program,
    (frame, layout): (&[u8], Option<&str>),
) -> anyhow::Result<Vec<f64>> {
    let mut looking = rig(program, sizes(FLOWS), layout)?;
    let without = MapSizes {
        quic: 0,
        ..sizes(FLOWS)
    };
    let mut counting = rig(program, without, None)?;
    let mut yardstick = Yardstick::new(1)?;
    let mut rounds = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        let times = [
            empty.run(&mut yardstick, frame, RUNS)?,
            program.run(&mut counting.object, frame, RUNS)?,
            program.run(&mut looking.object, frame, RUNS)?,
        ];
        for (rounds, time) in rounds.iter_mut().zip(times) {
            rounds.push(time.as_nanos() as f64);
        }
    }
    let [empty, counted, looked] = rounds;
    let (empty, counted) = (minimum(&empty), minimum(&counted));
    let least = minimum(&looked);
    Ok(vec![
        empty,
        counted,
        median(looked),
        least,
        least - counted,
        least - empty,
    ])
}

fn rig(program: Program, sizes: MapSizes, layout: Option<&str>) -> anyhow::Result<Rig> {
    let variant = Variant {
        layouts: layout.is_some(),
        ..Variant::default()
    };
    let mut rig = Rig::variant(7, sizes, variant)?;
    let interface = rig.interface(program);
    rig.collector.add_interface(interface)?;
    if let Some(layout) = layout {
        let layouts = Layouts::new(&Layout::parse(layout)?)?;
        rig.collector.set_layouts(layouts.program())?;
    }
    Ok(rig)
}
