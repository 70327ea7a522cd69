//! What the benchmarks compare with does what it is said to do.

use std::collections::HashMap;

use netweir_agent::attach::MapSizes;
use netweir_packets::frame::{ethernet_ipv4, ethernet_ipv6, ipv4, ipv6, udp};
use netweir_tests::{Program, Programs, Rig, Target, Yardstick, is_root};
use netweir_wire::packet::protocol;

const SIZES: MapSizes = MapSizes {
    cache: 1024,
    ring: 4096,
    flows: 4096,
    quic: 0,
    interfaces: 16,
};
const TURNS: u32 = 3;
/// Longer than a block of the map of the sequence.
const FLOWS: u32 = 1500;

#[test]
fn the_plain_program_counts_flows() {
    if !is_root() {
        return;
    }
    for program in [Program::PLAIN_XDP, Program::PLAIN_TC] {
        let mut yardstick = Yardstick::new(16).unwrap();
        let frame = |port| ethernet_ipv4(ipv4(protocol::UDP).carrying(udp(port, 9, &[0; 18])));
        for (port, times) in [(1, 3), (2, 4)] {
            program.run(&mut yardstick, &frame(port), times).unwrap();
        }
        assert_eq!(yardstick.counted().unwrap(), (2, 7));
    }
}

#[test]
fn the_mixer_makes_the_flows_of_its_sequence() {
    if !is_root() {
        return;
    }
    let v4 = ethernet_ipv4(ipv4(protocol::UDP).carrying(udp(1, 9, &[0; 18])));
    let v6 = ethernet_ipv6(ipv6(protocol::UDP).carrying(udp(1, 9, &[])));
    for (program, frame) in [
        (Program::xdp(), &v4),
        (Program::xdp(), &v6),
        (Program::TC_INGRESS, &v4),
        (Program::TC_INGRESS, &v6),
    ] {
        let sequence: Vec<u32> = (0..FLOWS).map(|number| number << 12 | 5).collect();
        let mut yardstick = Yardstick::with_sequence(FLOWS, &sequence).unwrap();
        let mut rig = Rig::new(7, SIZES).unwrap();
        let target = Target::new(&mut rig.object, program).unwrap();
        yardstick.mix(&target, frame, TURNS * FLOWS).unwrap();
        let batch = rig.drain().unwrap();
        let counted: HashMap<u32, (u64, [u8; 2])> = batch
            .flows
            .iter()
            .map(|sample| {
                let [.., a, b, c, d] = sample.key.source;
                let packets = sample.counters.packets;
                (
                    u32::from_be_bytes([a, b, c, d]),
                    (packets, sample.key.source_port),
                )
            })
            .collect();
        let expected = |&number: &u32| {
            let port = (number as u16).to_le_bytes();
            (number, (u64::from(TURNS), port))
        };
        assert_eq!(counted, sequence.iter().map(expected).collect());
    }
}

#[test]
fn the_mixer_hands_packets_to_every_program() {
    if !is_root() {
        return;
    }
    let frame = ethernet_ipv4(ipv4(protocol::UDP).carrying(udp(1, 9, &[0; 18])));
    let mut yardstick = Yardstick::with_sequence(16, &[1, 2, 3]).unwrap();
    for program in [Program::EMPTY_XDP, Program::EMPTY_TC, Program::PLAIN_XDP] {
        let target = Target::new(&mut yardstick, program).unwrap();
        yardstick.mix(&target, &frame, 30).unwrap();
    }
    assert_eq!(yardstick.counted().unwrap(), (3, 30));
    assert!(yardstick.xdp("bench_no_such").is_err());
}
