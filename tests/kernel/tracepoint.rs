//! The tracepoint programs, live: the kernel runs them over no frame of ours.

use std::{
    collections::{HashMap, HashSet},
    thread,
    time::{Duration, Instant},
};

use netweir_agent::{
    Netns,
    attach::{MapSizes, Object, Purpose},
    collect::Collector,
    now_ns,
    scratch::{FrameSocket, veth},
    watch,
};
use netweir_flow::{Batch, InterfaceId, Meter, Sample, Settings};
use netweir_tests::{Traced, drain, interface_key, is_root, udp_frame};
use netweir_wire::map::{Class, Direction, InterfaceKey, StrayReason, Volume};

const FRAMES: u64 = 100;

#[test]
fn tracepoints_count_what_is_watched() {
    if is_root() && Traced::Paged.is_there_or_skip() {
        count_watched(Traced::Paged);
    }
}

#[test]
fn tracepoints_without_paged_data_count_what_is_watched() {
    if is_root() {
        count_watched(Traced::Linear);
    }
}

/// Interfaces of two namespaces that have the same index, of which the agent knows one.
#[test]
fn equal_indexes_never_mix() {
    if !is_root() {
        return;
    }
    let ends = ["left", "right"].map(|name| Netns::anonymous(name).unwrap());
    let [left, right] = &ends;
    veth((left, "left"), (right, "right")).unwrap();
    let keys = [(left, "left"), (right, "right")]
        .map(|(netns, name)| interface_key(netns, name, Direction::Egress));
    assert_eq!(keys[0].ifindex, keys[1].ifindex);
    let sizes = MapSizes {
        cache: 16_384,
        flows: 64,
        ring: 4096,
        quic: 0,
        interfaces: 256,
    };
    let mut object = Object::load(&Purpose::Tracepoints { any: true }, sizes).unwrap();
    let mut collector = Collector::new(&mut object).unwrap();
    collector.add_interface(keys[0]).unwrap();
    Traced::Linear.attach_at(&mut object, Direction::Egress);
    let frame = udp_frame(1000, 100);
    for (netns, name) in [(left, "left"), (right, "right")] {
        let socket = FrameSocket::open(netns, name).unwrap();
        for _ in 0..FRAMES {
            socket.send(&frame).unwrap();
        }
    }
    let counted = |batch: &Batch, key: InterfaceKey| {
        let found = batch.interfaces.iter().find(|sample| sample.key == key);
        found.map(|sample| sample.counters.counted.packets)
    };
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let batch = drain(&mut collector).unwrap();
        let both = keys.map(|key| counted(&batch, key));
        if both == [Some(FRAMES); 2] {
            break;
        }
        assert!(Instant::now() < deadline, "{both:?}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Pairs that send one after the other, and then all once more: more interfaces than have numbers.
const PAIRS: usize = 60;
const NUMBERS: u32 = 256;
/// Interfaces that the agent knows of and that do nothing; they keep their numbers.
const TOLD: u32 = 160;
const FRAMES_OF_PAIR: u64 = 3;

/// Nobody tells of interfaces of other namespaces, nor that they are gone. Those that count nothing
/// lose their numbers to others, and lose no packet by it.
#[test]
fn interfaces_that_are_idle_make_room() {
    if !is_root() {
        return;
    }
    let ends = ["left", "right"].map(|name| Netns::anonymous(name).unwrap());
    let mut churn = Churn::new();
    let [told, kept] = ["told", "kept"].map(|name| Pair::new(&ends, name));
    for key in told.keys {
        churn.collector.add_interface(key).unwrap();
    }
    churn.send(&told, 1);
    let mut is_known = false;
    let mut losses = 0;
    let mut pairs = Vec::new();
    for turn in 0..4 * PAIRS {
        if turn % 2 == 0 && pairs.len() < PAIRS {
            pairs.push(Pair::new(&ends, &format!("p{}", pairs.len())));
        }
        if turn % 2 == 0 {
            churn.send(&pairs[turn / 2 % PAIRS], FRAMES_OF_PAIR);
        }
        // Silent for so long that it loses its number at the moment when it counts again, or before.
        let is_busy = matches!(turn % 27, 0..3 | 12..15);
        let shown = churn.drain(|churn| {
            if is_busy {
                churn.send(&kept, 1);
            }
        });
        assert!(shown.contains(&told.keys[0]), "turn {turn}");
        losses += usize::from(is_known && !shown.contains(&kept.keys[0]));
        is_known = shown.contains(&kept.keys[0]);
    }
    assert!(losses > 4, "{losses}");
    assert!(churn.sent.len() > (NUMBERS - TOLD) as usize);
    churn.settle(&ends);
}

/// A pair of interfaces, each in one of two namespaces.
struct Pair {
    socket: FrameSocket,
    /// Where frames count that the first sends.
    keys: [InterfaceKey; 2],
}

impl Pair {
    fn new([left, right]: &[Netns; 2], name: &str) -> Self {
        veth((left, name), (right, name)).unwrap();
        Self {
            socket: FrameSocket::open(left, name).unwrap(),
            keys: [
                interface_key(left, name, Direction::Egress),
                interface_key(right, name, Direction::Ingress),
            ],
        }
    }
}

/// The tracepoints of all interfaces, and what each has to show.
struct Churn {
    collector: Collector,
    meter: Meter,
    sent: HashMap<InterfaceKey, u64>,
    _object: Object,
}

impl Churn {
    fn new() -> Self {
        let sizes = MapSizes {
            cache: 16_384,
            flows: 4096,
            ring: 1 << 20,
            quic: 0,
            interfaces: NUMBERS,
        };
        let mut object = Object::load(&Purpose::Tracepoints { any: true }, sizes).unwrap();
        let mut collector = Collector::new(&mut object).unwrap();
        for ifindex in 0..TOLD {
            let key = InterfaceKey {
                netns: 1,
                ifindex,
                direction: Direction::Egress as u32,
            };
            collector.add_interface(key).unwrap();
        }
        Traced::Linear.attach(&mut object);
        Self {
            collector,
            meter: Meter::new(&Settings::default(), now_ns()),
            sent: HashMap::new(),
            _object: object,
        }
    }

    fn send(&mut self, pair: &Pair, frames: u64) {
        for _ in 0..frames {
            pair.socket.send(&udp_frame(1000, 100)).unwrap();
        }
        for key in pair.keys {
            *self.sent.entry(key).or_default() += frames;
        }
    }

    /// Drains into the meter, with traffic between the steps; returns which interfaces were shown.
    fn drain(&mut self, between: impl Fn(&mut Self)) -> HashSet<InterfaceKey> {
        let mut batch = Batch::default();
        between(self);
        self.collector.begin(&mut batch).unwrap();
        between(self);
        self.meter.apply(&batch);
        let meter = &mut self.meter;
        let mut hand_over = |samples: &[Sample]| meter.apply_flows(now_ns(), samples);
        self.collector.read_flows(&mut hand_over).unwrap();
        between(self);
        batch.interfaces.clear();
        batch.settled.clear();
        self.collector.classified(&mut batch);
        self.meter.apply(&batch);
        self.collector.take().unwrap();
        assert_eq!(
            batch.strays[StrayReason::InterfaceMapFull as usize],
            Volume::ZERO
        );
        batch.interfaces.iter().map(|sample| sample.key).collect()
    }

    /// Drains until everything has come that was sent, which is neither more nor less.
    fn settle(&mut self, ends: &[Netns; 2]) {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            self.drain(|_| {});
            let wrong = self.sent.iter().filter(|&(&key, &frames)| {
                let (seen, counted, received, classes) = self.found(key);
                [seen, counted, received, classes] != [frames; 4]
            });
            let wrong: Vec<_> = wrong
                .map(|(&key, frames)| (key, frames, self.found(key)))
                .collect();
            if wrong.is_empty() {
                return;
            }
            let kernel: Vec<_> = ends
                .iter()
                .flat_map(|netns| watch::list(netns).unwrap())
                .filter(|device| wrong.iter().any(|(key, ..)| key.ifindex == device.ifindex))
                .map(|device| (device.name, device.statistics))
                .collect();
            assert!(
                Instant::now() < deadline,
                "{wrong:?}, the kernel itself: {kernel:?}"
            );
        }
    }

    /// Frames that an interface has seen and counted, those in its flows, and its UDP packets.
    fn found(&self, key: InterfaceKey) -> (u64, u64, u64, u64) {
        let id = InterfaceId {
            netns: key.netns,
            ifindex: key.ifindex,
        };
        let mut states = self.meter.interfaces();
        let Some(state) = states.find(|state| state.interface.id == id) else {
            return (0, 0, 0, 0);
        };
        let direction = match key.direction {
            0 => Direction::Ingress,
            _ => Direction::Egress,
        };
        let of = state.direction(direction);
        let counters = of.counters();
        (
            counters.seen.frames,
            counters.counted.frames,
            of.received().frames,
            counters.class(Class::Udp).packets,
        )
    }
}

/// Sends frames from one end of a pair to the other, of which egress of the first and ingress of
/// the second are watched, and nothing else is.
fn count_watched(traced: Traced) {
    let (left, right) = (
        Netns::anonymous("left").unwrap(),
        Netns::anonymous("right").unwrap(),
    );
    veth((&left, "left"), (&right, "right")).unwrap();
    let sizes = MapSizes {
        cache: 16_384,
        flows: 64,
        ring: 4096,
        quic: 0,
        interfaces: 4,
    };
    let mut object = Object::load(&Purpose::Tracepoints { any: false }, sizes).unwrap();
    let mut collector = Collector::new(&mut object).unwrap();
    let watched = [
        interface_key(&left, "left", Direction::Egress),
        interface_key(&right, "right", Direction::Ingress),
    ];
    for key in watched {
        collector.add_interface(key).unwrap();
    }
    traced.attach(&mut object);
    let socket = FrameSocket::open(&left, "left").unwrap();
    let frame = udp_frame(1000, 100);
    for _ in 0..FRAMES {
        socket.send(&frame).unwrap();
    }
    let mut flows = Batch::default().flows;
    let arrived = |flows: &[Sample], key: InterfaceKey| {
        let of_key = flows.iter().filter(|flow| flow.key.netns == key.netns);
        of_key.map(|flow| flow.counters.packets).sum::<u64>()
    };
    let deadline = Instant::now() + Duration::from_secs(5);
    let batch = loop {
        let mut batch = drain(&mut collector).unwrap();
        flows.append(&mut batch.flows);
        let all = watched.map(|key| arrived(&flows, key)) == [FRAMES; 2];
        if all || Instant::now() > deadline {
            break batch;
        }
        thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(watched.map(|key| arrived(&flows, key)), [FRAMES; 2]);
    assert_eq!(batch.interfaces.len(), 2);
    for sample in batch.interfaces {
        assert!(watched.contains(&sample.key));
        let count = sample.counters.counted;
        assert_eq!(sample.counters.seen, count);
        let bytes = FRAMES * frame.len() as u64;
        assert_eq!(
            (count.packets, count.frames, count.bytes),
            (FRAMES, FRAMES, bytes)
        );
    }
    let ports = |flow: &Sample| flow.key.source_port == 1000_u16.to_be_bytes();
    assert!(flows.iter().all(ports));
}
