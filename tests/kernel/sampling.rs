//! One frame in so many: everything is seen, and nothing is guessed but which frames are counted.

use netweir_agent::attach::{MapSizes, Variant};
use netweir_flow::Batch;
use netweir_packets::frame::{ethernet_ipv4, ipv4, udp};
use netweir_tests::{Pinned, Program, Rig, Target, Yardstick, is_root};
use netweir_wire::{
    map::{Class, Count},
    packet::protocol,
};

const SIZES: MapSizes = MapSizes {
    cache: 262_144,
    flows: 65_536,
    ring: 1 << 20,
    quic: 0,
    interfaces: 4,
};
const FRAMES: u32 = 200_000;
/// Different flows where there are many.
const FLOWS: u32 = 50_000;

#[test]
fn one_frame_in_so_many_is_counted() {
    if !is_root() {
        return;
    }
    // Every CPU would hand over a flow of its own.
    let _pinned = Pinned::to_one_cpu().unwrap();
    for program in [Program::xdp(), Program::TC_INGRESS, Program::TC_EGRESS] {
        for one_in in [1, 2, 10, 1000] {
            let mut rig = rig(program, one_in);
            program.run(&mut rig.object, &frame(), FRAMES).unwrap();
            let flows = check(&rig.drain().unwrap(), one_in);
            assert_eq!(flows, 1, "{} 1:{one_in}", program.name);
        }
    }
}

#[test]
fn one_frame_in_so_many_of_all_flows_is_counted() {
    if !is_root() {
        return;
    }
    let sequence: Vec<u32> = (0..FLOWS).collect();
    // What makes the flows at XDP is for packets of several buffers, and so must be what counts them.
    let mixed = |program: &Program| {
        *program == Program::TC_INGRESS
            || (*program == Program::xdp() && *program != Program::XDP_LINEAR)
    };
    for program in Program::all().filter(mixed) {
        for one_in in [1, 10] {
            let mut yardstick = Yardstick::with_sequence(FLOWS, &sequence).unwrap();
            let mut rig = rig(program, one_in);
            let target = Target::new(&mut rig.object, program).unwrap();
            yardstick.mix(&target, &frame(), FRAMES).unwrap();
            let flows = check(&rig.drain().unwrap(), one_in);
            assert!(one_in > 1 || flows == FLOWS as usize, "{flows}");
            assert!(flows > FRAMES as usize / 10 / 2, "{flows}");
        }
    }
}

fn rig(program: Program, sampling: u32) -> Rig {
    let variant = Variant {
        sampling,
        ..Variant::default()
    };
    let mut rig = Rig::variant(7, SIZES, variant).unwrap();
    let interface = rig.interface(program);
    rig.collector.add_interface(interface).unwrap();
    rig
}

fn frame() -> Vec<u8> {
    ethernet_ipv4(ipv4(protocol::UDP).carrying(udp(1, 9, &[0; 18])))
}

/// Checks the books, and that the number that was counted is one that chance allows; returns how
/// many flows there were.
fn check(batch: &Batch, one_in: u32) -> usize {
    /// Chance gives more than this once in 500 million times.
    const DEVIATIONS: f64 = 6.0;
    let [interface] = &batch.interfaces[..] else {
        panic!("{batch:?}");
    };
    let counters = interface.counters;
    let packets = u64::from(FRAMES);
    let seen = Count {
        packets,
        frames: packets,
        bytes: packets * frame().len() as u64,
    };
    assert_eq!(counters.seen, seen);
    let (counted, sampled) = (counters.counted, counters.sampled);
    assert_eq!(counted.packets + sampled.packets, seen.packets);
    assert_eq!(counted.bytes + sampled.bytes, seen.bytes);
    assert_eq!(counted.frames, counted.packets);
    assert_eq!(counters.lost_total().packets, 0);
    assert_eq!(counters.class(Class::Udp), seen.volume());
    assert_eq!(counters.class(Class::Ipv4), seen.volume());
    let flows = batch.flows.iter().map(|flow| flow.counters.count());
    assert_eq!(flows.fold(Count::ZERO, |sum, count| sum + count), counted);
    let share = 1.0 / f64::from(one_in);
    let mean = f64::from(FRAMES) * share;
    let deviation = (mean * (1.0 - share)).sqrt();
    let off = (counted.packets as f64 - mean).abs();
    assert!(off <= DEVIATIONS * deviation, "1:{one_in}: {counted:?}");
    batch.flows.len()
}
