//! Nanoseconds a packet: the kernel runs a program over one frame again and again.
//!
//! Everything that a packet touches is in the cache then, so this is the least that it costs.

use netweir_packets::frame::{
    ACK, ethernet, ethernet_ipv4, ethernet_ipv6, extension, ipv4, ipv6, tcp, udp, vlan,
};
use netweir_tests::{Pinned, Program, Rig, Yardstick};
use netweir_wire::packet::{ethertype, protocol};

use crate::{rounds::Rounds, sizes, table::Table};

const RUNS: u32 = 1_000_000;
const ROUNDS: usize = 7;
const FLOWS: u32 = 65_536;

/// Measures each program with each packet, in turns with the plain and the empty one.
pub(crate) fn measure() -> anyhow::Result<Table> {
    let _pinned = Pinned::to_one_cpu()?;
    let mut rig = Rig::watching(7, sizes(FLOWS))?;
    let mut yardstick = Yardstick::new(FLOWS)?;
    let mut rows = Vec::new();
    for (place, program, empty, plain) in [
        ("XDP", Program::XDP, Program::EMPTY_XDP, Program::PLAIN_XDP),
        (
            "TC ingress",
            Program::TC_INGRESS,
            Program::EMPTY_TC,
            Program::PLAIN_TC,
        ),
        (
            "TC egress",
            Program::TC_EGRESS,
            Program::EMPTY_TC,
            Program::PLAIN_TC,
        ),
    ] {
        for (name, frame) in packets() {
            let mut rounds = Rounds::default();
            for _ in 0..ROUNDS {
                rounds.empty.push(empty.run(&mut yardstick, &frame, RUNS)?);
                rounds.plain.push(plain.run(&mut yardstick, &frame, RUNS)?);
                rounds
                    .ours
                    .push(program.run(&mut rig.object, &frame, RUNS)?);
            }
            rows.push((format!("{place} {name}"), rounds.figures()));
        }
    }
    Ok(Table {
        title: "a packet by BPF_PROG_TEST_RUN, one flow, in nanoseconds",
        columns: Rounds::COLUMNS.to_vec(),
        rows,
    })
}

/// The frame of IPv4 and TCP, 64 bytes long.
pub(crate) fn segment() -> Vec<u8> {
    let segment = [tcp(1000, 443, ACK), vec![0; 10]].concat();
    ethernet_ipv4(ipv4(protocol::TCP).carrying(segment))
}

fn packets() -> [(&'static str, Vec<u8>); 4] {
    let segment_bytes = [tcp(1000, 443, ACK), vec![0; 10]].concat();
    // Not between QUIC ports: what is is measured apart.
    let datagram = udp(1000, 5000, &[0; 10]);
    let tagged = vlan(
        10,
        ethertype::VLAN,
        vlan(
            20,
            ethertype::IPV4,
            ipv4(protocol::TCP).carrying(&segment_bytes),
        ),
    );
    let extended = extension(
        protocol::DESTINATION,
        &[0; 6],
        extension(protocol::UDP, &[0; 14], &datagram),
    );
    [
        ("IPv4/TCP", segment()),
        (
            "IPv6/UDP",
            ethernet_ipv6(ipv6(protocol::UDP).carrying(&datagram)),
        ),
        ("QinQ/IPv4/TCP", ethernet(ethertype::SERVICE_VLAN, tagged)),
        (
            // The plain program counts it under the first extension, without ports.
            "IPv6/2 extensions/UDP",
            ethernet_ipv6(ipv6(protocol::HOP_BY_HOP).carrying(extended)),
        ),
    ]
}
