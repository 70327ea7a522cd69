//! Nanoseconds a packet: the kernel runs a program over one frame again and again.
//!
//! Everything that a packet touches is in the cache then, so this is the least that it costs.

use netweir_agent::attach::MapSizes;
use netweir_packets::frame::{
    ACK, ethernet, ethernet_ipv4, ethernet_ipv6, extension, ipv4, ipv6, tcp, udp, vlan,
};
use netweir_tests::{Program, Rig};
use netweir_wire::packet::{ethertype, protocol};

use crate::{median, minimum, table::Table};

const RUNS: u32 = 1_000_000;
const ROUNDS: usize = 7;

/// Measures each program with each packet, in turns with the program that does nothing.
pub(crate) fn measure() -> anyhow::Result<Table> {
    let sizes = MapSizes {
        cache: 16_384,
        flows: 65_536,
        ring: 4096,
        interfaces: 1024,
    };
    let mut rig = Rig::new(7, sizes)?;
    for program in [Program::TC_INGRESS, Program::TC_EGRESS] {
        let interface = rig.interface(program);
        rig.collector.add_interface(interface)?;
    }
    let mut rows = Vec::new();
    for (program, empty) in [
        (Program::XDP, Program::EMPTY_XDP),
        (Program::XDP_LINEAR, Program::EMPTY_XDP),
        (Program::TC_INGRESS, Program::EMPTY_TC),
        (Program::TC_EGRESS, Program::EMPTY_TC),
    ] {
        for (name, frame) in packets() {
            let (mut ours, mut nothing) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                nothing.push(nanoseconds(&mut rig, empty, &frame)?);
                ours.push(nanoseconds(&mut rig, program, &frame)?);
            }
            let (low, low_empty) = (minimum(&ours), minimum(&nothing));
            let (middle, middle_empty) = (median(ours), median(nothing));
            let figures = vec![
                middle,
                low,
                middle_empty,
                low_empty,
                low - low_empty,
                low / low_empty,
            ];
            rows.push((format!("{} {name}", program.name), figures));
        }
    }
    Ok(Table {
        title: "a packet by BPF_PROG_TEST_RUN, one flow, in nanoseconds",
        columns: &[
            "median",
            "minimum",
            "empty_median",
            "empty_minimum",
            "over_empty",
            "ratio",
        ],
        rows,
    })
}

fn nanoseconds(rig: &mut Rig, program: Program, frame: &[u8]) -> anyhow::Result<f64> {
    let run = program.run(&mut rig.object, frame, RUNS)?;
    Ok(run.as_nanos() as f64)
}

fn packets() -> [(&'static str, Vec<u8>); 4] {
    let segment = [tcp(1000, 443, ACK), vec![0; 10]].concat();
    let datagram = udp(1000, 443, &[0; 10]);
    let tagged = vlan(
        10,
        ethertype::VLAN,
        vlan(20, ethertype::IPV4, ipv4(protocol::TCP).carrying(&segment)),
    );
    let extended = extension(
        protocol::DESTINATION,
        &[0; 6],
        extension(protocol::UDP, &[0; 14], &datagram),
    );
    [
        (
            "IPv4/TCP",
            ethernet_ipv4(ipv4(protocol::TCP).carrying(&segment)),
        ),
        (
            "IPv6/UDP",
            ethernet_ipv6(ipv6(protocol::UDP).carrying(&datagram)),
        ),
        ("QinQ/IPv4/TCP", ethernet(ethertype::SERVICE_VLAN, tagged)),
        (
            "IPv6/2 extensions/UDP",
            ethernet_ipv6(ipv6(protocol::HOP_BY_HOP).carrying(extended)),
        ),
    ]
}
