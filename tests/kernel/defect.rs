//! Objects with a defect: what then cannot be counted, read or removed is told, exactly.

use netweir_agent::{
    Error,
    attach::{MapSizes, Object, Purpose, Variant},
    collect::{Collector, Maps},
};
use netweir_flow::{Batch, Difference, Meter, Sample, Settings};
use netweir_tests::{
    FlowMaps, Pinned, Program, Reading, Rig, UsedMaps, drain, drain_into, is_root,
    object_with_ring_entries_of, udp_frame,
};
use netweir_wire::{
    map::{CacheEntry, Count, InterfaceCounters, LossReason, Volume},
    name,
    packet::LinkType,
};

/// As large as such numbers are: no key is so long.
const NETNS: u32 = 4_026_531_840;
const PROGRAM: Program = Program::TC_INGRESS;
const FLOWS: u16 = 100;
/// A few flows find room in the cache.
const SIZES: MapSizes = MapSizes {
    cache: 1,
    flows: 8,
    ring: 0,
    quic: 0,
    interfaces: 4,
};

fn load(object: &[u8], sizes: MapSizes) -> Object {
    let purpose = Purpose::Interfaces { netns: NETNS };
    Object::load_from(object, &purpose, sizes, Variant::default()).unwrap()
}

/// Sends a frame of each flow, each of another length; what an interface has to show that loses none.
fn send(rig: &mut Rig, ports: impl Iterator<Item = u16>) -> InterfaceCounters {
    let mut shown = InterfaceCounters::ZERO;
    for port in ports {
        let frame = udp_frame(port, usize::from(port));
        rig.run(PROGRAM, &frame).unwrap();
        Reading::new(&frame, LinkType::Ethernet).add_to(&mut shown);
    }
    shown
}

fn sum(flows: &[Sample]) -> Count {
    let counts = flows.iter().map(|flow| flow.counters.count());
    counts.fold(Count::ZERO, |sum, count| sum + count)
}

/// A rig whose programs find flow maps that take no flow.
fn refusing(sizes: MapSizes) -> Rig {
    let mut object = load(&FlowMaps::Tries.object(), sizes);
    let used = UsedMaps::of(&mut object, PROGRAM);
    // What is collected from is of the kind that is expected, and stays empty.
    let sound = Rig::new(NETNS, sizes).unwrap();
    let maps = sound.collector.maps();
    let maps = Maps::open(maps.constants(), |name| {
        let mut all = maps.descriptors();
        let (_, own) = all.find(|(of, _)| *of == name).unwrap();
        match name {
            name::FLOWS_EVEN | name::FLOWS_ODD => Ok(own.try_clone_to_owned().unwrap()),
            name => Ok(used.descriptor(name)),
        }
    });
    let collector = Collector::open(maps.unwrap()).unwrap();
    Rig::of(NETNS, object, collector).unwrap()
}

#[test]
fn a_flow_map_that_refuses_loses_what_it_refused() {
    if !is_root() {
        return;
    }
    let _pinned = Pinned::to_one_cpu().unwrap();
    let mut rig = refusing(SIZES);
    let mut shown = InterfaceCounters::ZERO;
    // In epochs of both kinds.
    for _ in 0..2 {
        let sent = send(&mut rig, 0..FLOWS);
        shown += &sent;
        let batch = rig.drain().unwrap();
        let counted = sum(&batch.flows);
        let refused = sent.seen - counted;
        assert!(counted.packets > 0 && refused.packets > 0);
        shown.counted = shown.counted - refused;
        shown.lost[LossReason::FlowMapBusy as usize] += refused.volume();
        assert_eq!(batch.interfaces.len(), 1);
        let counters = batch.interfaces[0].counters;
        assert_eq!(counters, shown);
        let kept = counters.seen.volume() - counters.lost_total();
        assert_eq!(kept, counters.counted.volume());
    }
}

#[test]
fn what_a_flow_map_refuses_goes_through_the_ring() {
    if !is_root() {
        return;
    }
    let _pinned = Pinned::to_one_cpu().unwrap();
    let sizes = MapSizes {
        ring: 1 << 16,
        ..SIZES
    };
    let mut rig = refusing(sizes);
    let shown = send(&mut rig, 0..FLOWS);
    let batch = rig.drain().unwrap();
    assert_eq!(batch.flows.len(), usize::from(FLOWS));
    assert_eq!(sum(&batch.flows), shown.counted);
    assert_eq!(batch.interfaces[0].counters, shown);
}

#[test]
fn ring_entries_of_another_length_are_malformed() {
    if !is_root() {
        return;
    }
    let _pinned = Pinned::to_one_cpu().unwrap();
    let sizes = MapSizes {
        ring: 1 << 16,
        ..SIZES
    };
    let sound = size_of::<CacheEntry>() as u32;
    for bytes in [8, sound - 8, sound - 1] {
        let mut object = load(&object_with_ring_entries_of(bytes), sizes);
        let collector = Collector::new(&mut object).unwrap();
        let mut rig = Rig::of(NETNS, object, collector).unwrap();
        let mut meter = Meter::new(&Settings::default(), 0);
        let mut sent = Volume::ZERO;
        for _ in 0..3 {
            sent += send(&mut rig, 0..FLOWS).seen.volume();
            drain_into(&mut meter, &mut rig.collector).unwrap();
        }
        let books = meter.accounting();
        let line = &books.interfaces[0];
        assert_eq!([line.seen, line.counted].map(Count::volume), [sent; 2]);
        assert!(books.in_flows.packets > 0, "some find room elsewhere");
        let malformed = sent.packets - books.in_flows.packets;
        // Nobody knows how long the frames were.
        let expected = Count {
            packets: malformed,
            frames: malformed,
            bytes: 0,
        };
        assert_eq!(books.malformed, expected, "{bytes}");
        let imbalance = books.imbalance();
        let none = Difference::default();
        assert_eq!([imbalance.kernel, imbalance.table], [none; 2]);
        assert_eq!(imbalance.in_flight.packets, 0);
    }
}

/// Flow maps that can be read and not cleared: what was taken is not handed over again.
#[test]
fn what_cannot_be_cleared_is_handed_over_once() {
    if !is_root() {
        return;
    }
    let sizes = MapSizes {
        cache: 0,
        flows: 256,
        ..SIZES
    };
    for singly in [false, true] {
        let mut object = load(&FlowMaps::ReadOnly.object(), sizes);
        let collector = Collector::new(&mut object).unwrap();
        let mut rig = Rig::of(NETNS, object, collector).unwrap();
        if singly {
            rig.collector.read_singly();
        }
        let first = send(&mut rig, 0..FLOWS).counted;
        let mut flows = Vec::new();
        rig.collector.begin(&mut Batch::default()).unwrap();
        let read = |rig: &mut Rig, flows: &mut Vec<Sample>| {
            let mut hand_over = |samples: &[Sample]| flows.extend_from_slice(samples);
            rig.collector.read_flows(&mut hand_over)
        };
        read(&mut rig, &mut flows).unwrap();
        assert_eq!(sum(&flows), first);
        let error = rig.collector.take().unwrap_err();
        assert!(
            matches!(error, Error::System { .. } | Error::Map { .. }),
            "{error:?}"
        );

        // It hands over no more, and says so each time.
        let second = send(&mut rig, 0..FLOWS / 2).counted;
        for _ in 0..2 {
            let mut flows = Vec::new();
            let errors = [
                rig.collector.begin(&mut Batch::default()),
                read(&mut rig, &mut flows),
                rig.collector.take(),
            ];
            for error in errors {
                assert!(matches!(error, Err(Error::Broken)), "{error:?}");
            }
            assert_eq!(flows, []);
        }

        // Neither does a successor, unless it may clear the maps; then it goes on from there.
        let maps = rig.collector.maps();
        assert!(Collector::open(maps.try_clone().unwrap()).is_err());
        let used = UsedMaps::of(&mut rig.object, PROGRAM);
        let maps = Maps::open(maps.constants(), |name| Ok(used.descriptor(name)));
        let mut successor = Collector::open(maps.unwrap()).unwrap();
        let mut later = Vec::new();
        for _ in 0..3 {
            later.extend(drain(&mut successor).unwrap().flows);
        }
        assert_eq!(sum(&later), second);
        let shown = drain(&mut successor).unwrap().interfaces[0].counters;
        assert_eq!(shown.counted, first + second);
    }
}
