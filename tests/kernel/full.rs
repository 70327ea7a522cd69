//! Maps that are full: what has no room is counted as that, exactly, and nothing else is lost.

use netweir_agent::attach::MapSizes;
use netweir_tests::{Program, Reading, Rig, is_root, udp_frame};
use netweir_wire::{
    map::{InterfaceCounters, LossReason, StrayReason, Volume},
    packet::LinkType,
};

const FLOWS: u16 = 8;

#[test]
fn a_full_flow_map_loses_new_flows_only() {
    if !is_root() {
        return;
    }
    let sizes = MapSizes {
        cache: 0,
        flows: FLOWS.into(),
        ring: 0,
        quic: 0,
        interfaces: 4,
    };
    let mut rig = Rig::new(7, sizes).unwrap();
    let interface = rig.interface(Program::TC_INGRESS);
    let mut expected = InterfaceCounters::ZERO;
    // The first eight flows fit; then both new and known ones come.
    for port in (0..20).chain(0..FLOWS) {
        let frame = udp_frame(port, usize::from(port));
        let reading = Reading::new(&frame, LinkType::Ethernet);
        rig.run(Program::TC_INGRESS, &frame).unwrap();
        reading.add_to(&mut expected);
        if port >= FLOWS {
            expected.counted = expected.counted - reading.count();
            expected.lost[LossReason::FlowMapFull as usize] += reading.count().volume();
        }
    }
    let batch = rig.drain().unwrap();
    assert_eq!(batch.interfaces[0].key, interface);
    assert_eq!(batch.interfaces[0].counters, expected);
    assert_eq!(batch.flows.len(), usize::from(FLOWS));
    for sample in &batch.flows {
        let port = u16::from_be_bytes(sample.key.source_port);
        let bytes = udp_frame(port, usize::from(port)).len() as u64;
        assert_eq!(
            (sample.counters.packets, sample.counters.bytes),
            (2, 2 * bytes)
        );
    }
    assert_eq!(batch.strays, [Volume::ZERO; StrayReason::ALL.len()]);

    // Both maps are as large: after the drain there is room again.
    rig.run(Program::TC_INGRESS, &udp_frame(99, 0)).unwrap();
    assert_eq!(rig.drain().unwrap().flows.len(), 1);
    rig.run(Program::TC_INGRESS, &udp_frame(99, 0)).unwrap();
    let batch = rig.drain().unwrap();
    assert_eq!(batch.flows.len(), 1);
    assert_eq!(batch.interfaces[0].counters.lost, expected.lost);
}

#[test]
fn a_full_interface_map_counts_strays() {
    if !is_root() {
        return;
    }
    let sizes = MapSizes {
        cache: 0,
        flows: 64,
        ring: 0,
        quic: 0,
        interfaces: 1,
    };
    let mut rig = Rig::new(7, sizes).unwrap();
    let frame = udp_frame(1000, 100);
    rig.run(Program::TC_INGRESS, &frame).unwrap();
    for _ in 0..3 {
        rig.run(Program::TC_EGRESS, &frame).unwrap();
    }
    rig.run(Program::TC_INGRESS, &frame).unwrap();
    let batch = rig.drain().unwrap();
    let stray = Volume {
        packets: 3,
        bytes: 3 * frame.len() as u64,
    };
    assert_eq!(batch.strays, [stray, Volume::ZERO]);
    let counters: Vec<_> = batch
        .interfaces
        .iter()
        .map(|sample| sample.counters)
        .collect();
    assert_eq!(counters.len(), 1);
    assert_eq!(
        (counters[0].seen.packets, counters[0].counted.packets),
        (2, 2)
    );
    assert_eq!(batch.flows.len(), 1);
    assert_eq!(batch.flows[0].key.direction, 0);
    assert_eq!(batch.flows[0].counters.packets, 2);
}
