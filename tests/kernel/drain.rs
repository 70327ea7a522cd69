//! Draining: everything is handed over once, whatever happens meanwhile.

use std::{collections::HashMap, thread};

use netweir_agent::attach::MapSizes;
use netweir_flow::{Batch, Meter, Sample, Settings};
use netweir_packets::frame::{ethernet_ipv6, ipv6, udp};
use netweir_tests::{Pinned, Program, Rig, drain, drain_into, is_root, udp_frame};
use netweir_wire::{
    map::{Count, FlowKey, InterfaceKey},
    packet::protocol,
};

const SIZES: MapSizes = MapSizes {
    cache: 16_384,
    flows: 16_384,
    ring: 4096,
    quic: 0,
    interfaces: 4,
};

/// Sums of flows, of whichever drains they came from.
#[derive(Default)]
struct Sums(HashMap<FlowKey, Count>);

impl Sums {
    fn add(&mut self, batch: &Batch) {
        for Sample { key, counters, .. } in &batch.flows {
            *self.0.entry(*key).or_default() += counters.count();
        }
    }

    fn total(&self) -> Count {
        self.0.values().fold(Count::ZERO, |sum, &count| sum + count)
    }
}

#[test]
fn packets_before_between_and_after_drains_add_up() {
    if !is_root() {
        return;
    }
    let mut rig = Rig::new(7, SIZES).unwrap();
    let mut sums = Sums::default();
    for round in 0..5_u16 {
        assert!(!rig.collector.has_news());
        for port in 0..=round {
            rig.run(Program::TC_EGRESS, &udp_frame(port, 0)).unwrap();
        }
        assert!(rig.collector.has_news());
        let batch = rig.drain().unwrap();
        assert_eq!(batch.flows.len(), usize::from(round) + 1);
        sums.add(&batch);
        assert_eq!(sums.total(), batch.interfaces[0].counters.counted);
    }
    let packets = |port: u16| {
        let mut of_port = sums.0.iter();
        let found = of_port.find(|(key, _)| key.source_port == port.to_be_bytes());
        found.map(|(_, count)| count.packets)
    };
    assert_eq!(
        [0, 1, 2, 3, 4, 5].map(packets),
        [5, 4, 3, 2, 1, 0].map(|n| (n > 0).then_some(n))
    );
    assert_eq!(rig.drain().unwrap().flows, []);
}

/// Addresses that differ in their first byte alone have few hashes, whatever the random numbers are:
/// flows between them look alike in the index.
#[test]
fn flows_that_look_alike_are_handed_over_once() {
    if !is_root() {
        return;
    }
    // Each CPU would hand over what it counted.
    let _pinned = Pinned::to_one_cpu().unwrap();
    let mut rig = Rig::new(7, SIZES).unwrap();
    let pairs = || (0x20..0x40).flat_map(|one| (0x20..0x40).map(move |other| (one, other)));
    for _ in 0..3 {
        for (source, destination) in pairs() {
            let [source, destination] = [source, destination].map(|byte| format!("{byte:x}01::1"));
            let datagram = ipv6(protocol::UDP)
                .between(&source, &destination)
                .carrying(udp(1, 2, &[]));
            let frame = ethernet_ipv6(datagram);
            rig.run(Program::TC_INGRESS, &frame).unwrap();
        }
    }
    let batch = rig.drain().unwrap();
    assert_eq!(batch.flows.len(), pairs().count());
    assert!(batch.flows.iter().all(|flow| flow.counters.packets == 3));
}

#[test]
fn nothing_is_lost_while_programs_run() {
    if !is_root() {
        return;
    }
    const BURSTS: u64 = 2000;
    const BURST: u64 = 50;
    let mut rig = Rig::new(7, SIZES).unwrap();
    let mut sums = Sums::default();
    let (object, collector) = (&mut rig.object, &mut rig.collector);
    let mut drains = 0;
    thread::scope(|scope| {
        let runs = scope.spawn(|| {
            for burst in 0..BURSTS {
                let frame = udp_frame((burst % 100) as u16, 10);
                Program::TC_INGRESS
                    .run(object, &frame, BURST as u32)
                    .unwrap();
            }
        });
        while !runs.is_finished() {
            sums.add(&drain(collector).unwrap());
            drains += 1;
        }
    });
    println!("{drains} drains");
    assert!(drains > 2);
    for _ in 0..2 {
        sums.add(&rig.drain().unwrap());
    }
    let expected = BURSTS / 100 * BURST;
    assert_eq!(sums.0.len(), 100);
    assert!(sums.0.values().all(|count| count.packets == expected));
    let counters = rig.drain().unwrap().interfaces[0].counters;
    assert_eq!(sums.total(), counters.counted);
    assert_eq!(counters.seen, counters.counted);
}

#[test]
fn batches_and_single_moves_hand_over_the_same() {
    if !is_root() {
        return;
    }
    // More than one call moves, and an odd number of them.
    const FLOWS: u16 = 9001;
    let drained = |singly: bool| {
        let mut rig = Rig::new(7, SIZES).unwrap();
        if singly {
            rig.collector.read_singly();
        }
        for port in 0..FLOWS {
            rig.run(Program::TC_INGRESS, &udp_frame(port, 0)).unwrap();
        }
        let batch = rig.drain().unwrap();
        // Both ways leave the map empty: two drains later the same one is read again.
        assert_eq!(rig.drain().unwrap().flows, []);
        assert_eq!(rig.drain().unwrap().flows, []);
        let mut sums = Sums::default();
        sums.add(&batch);
        assert_eq!(batch.flows.len(), usize::from(FLOWS));
        sums.0
    };
    assert_eq!(drained(false), drained(true));
}

#[test]
fn two_namespaces_never_mix() {
    if !is_root() {
        return;
    }
    let mut rigs = [7, 8].map(|netns| Rig::new(netns, SIZES).unwrap());
    for (rig, runs) in rigs.iter_mut().zip([3, 5]) {
        for _ in 0..runs {
            rig.run(Program::TC_INGRESS, &udp_frame(1, 0)).unwrap();
        }
    }
    let found = rigs.each_mut().map(|rig| {
        let batch = rig.drain().unwrap();
        let [flow] = batch.flows[..] else {
            panic!("{batch:?}");
        };
        assert_eq!(batch.interfaces[0].key.netns, flow.key.netns);
        (flow.key.netns, flow.key.ifindex, flow.counters.packets)
    });
    assert_eq!(found, [(7, 1, 3), (8, 1, 5)]);
}

#[test]
fn an_interface_that_comes_back_counts_on() {
    if !is_root() {
        return;
    }
    let mut rig = Rig::watching(7, SIZES).unwrap();
    let key = rig.interface(Program::TC_INGRESS);
    let seen = |batch: &Batch| {
        let mut samples = batch.interfaces.iter();
        samples
            .find(|sample| sample.key == key)
            .map(|sample| sample.counters.seen.packets)
    };
    for round in 1..=4 {
        rig.run(Program::TC_INGRESS, &udp_frame(1, 0)).unwrap();
        // It goes, and is back before what it counted could be let go.
        rig.collector.remove_interface(key);
        assert_eq!(seen(&rig.drain().unwrap()), Some(round));
        rig.collector.add_interface(key).unwrap();
    }
    // Gone for good: its counters serve another one, from nothing.
    rig.collector.remove_interface(key);
    for _ in 0..3 {
        rig.drain().unwrap();
    }
    rig.collector.add_interface(key).unwrap();
    rig.run(Program::TC_INGRESS, &udp_frame(1, 0)).unwrap();
    assert_eq!(seen(&rig.drain().unwrap()), Some(1));
}

/// An interface that goes, and that the programs meet again under another number: what it counted
/// under each number is told once, however long it counted under which.
#[test]
fn an_interface_that_is_met_again_counts_on_under_another_number() {
    if !is_root() {
        return;
    }
    /// Of each drain one frame is counted, the others are lost: what is lost is in no flow.
    const TINY: MapSizes = MapSizes {
        cache: 0,
        flows: 1,
        ring: 0,
        quic: 0,
        interfaces: 4,
    };
    let mut rig = Rig::watching(7, TINY).unwrap();
    let key = rig.interface(Program::TC_INGRESS);
    let mut meter = Meter::new(&Settings::default(), 0);
    let mut sent = 0;
    let mut send = |rig: &mut Rig, frames: u16| {
        for port in 0..frames {
            rig.run(Program::TC_INGRESS, &udp_frame(port, 0)).unwrap();
        }
        sent += u64::from(frames);
        sent
    };
    let mut check = |rig: &mut Rig, sent: u64| {
        drain_into(&mut meter, &mut rig.collector).unwrap();
        let books = meter.accounting();
        let line = &books.interfaces[0];
        assert_eq!(line.seen.packets, sent);
        let seen = line.counted.packets + line.lost_total().packets;
        assert_eq!((seen, line.received), (sent, line.counted));
    };
    // Each life is longer than the one before: its frames before the agent knows of it, if it ever
    // does, those after, those while it ends, and the drains until the next.
    let lives = [
        (3, None, 2, 1),
        (5, Some(5), 2, 1),
        (20, None, 0, 2),
        (20, Some(20), 0, 2),
        (80, None, 0, 3),
        (80, Some(80), 0, 4),
    ];
    for (unknown, known, last, drains) in lives {
        let mut sent = send(&mut rig, unknown);
        if let Some(known) = known {
            rig.collector.add_interface(key).unwrap();
            sent = send(&mut rig, known);
        }
        check(&mut rig, sent);
        rig.collector.remove_interface(key);
        let sent = send(&mut rig, last);
        for _ in 0..drains {
            check(&mut rig, sent);
        }
    }
    // It goes for good, before the agent knows that it was met, and leaves its number to others.
    let sent = send(&mut rig, 160);
    rig.collector.remove_interface(key);
    for _ in 0..3 {
        check(&mut rig, sent);
    }
    let mut added = (2..=5).map(|ifindex| {
        let key = InterfaceKey { ifindex, ..key };
        rig.collector.add_interface(key).is_ok()
    });
    assert!(added.by_ref().take(3).all(|added| added) && !added.any(|added| added));
}

/// What comes while a drain is under way is for the next one: flows never tell of more than the
/// counters that were read before them.
#[test]
fn flows_never_run_ahead_of_the_counters() {
    if !is_root() {
        return;
    }
    const FLOWS: u16 = 60;
    /// Most frames go through the ring.
    const TINY: MapSizes = MapSizes {
        cache: 1,
        flows: 8,
        ring: 1 << 20,
        quic: 0,
        interfaces: 4,
    };
    let mut rig = Rig::watching(7, TINY).unwrap();
    let send = |rig: &mut Rig| {
        for port in 0..FLOWS {
            rig.run(Program::TC_INGRESS, &udp_frame(port, 0)).unwrap();
        }
    };
    let (mut told, mut handed_over) = (Count::ZERO, Count::ZERO);
    send(&mut rig);
    for _ in 0..4 {
        let mut batch = Batch::default();
        rig.collector.begin(&mut batch).unwrap();
        let counted = batch.interfaces[0].counters.counted;
        assert_eq!((counted - told).packets, u64::from(FLOWS));
        told = counted;
        send(&mut rig);
        let hand_over = &mut |samples: &[Sample]| {
            for sample in samples {
                handed_over += sample.counters.count();
            }
        };
        rig.collector.read_flows(hand_over).unwrap();
        assert_eq!(handed_over, told);
        rig.collector.take().unwrap();
    }
}
