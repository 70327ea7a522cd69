//! Cache, flow map and ring fill in turn; what then has no room is lost, and told exactly.

use std::collections::HashMap;

use netweir_agent::{Cpus, attach::MapSizes};
use netweir_flow::{Batch, Sample};
use netweir_tests::{Pinned, Program, Reading, Rig, is_root, udp_frame};
use netweir_wire::{
    map::{CacheEntry, Count, FlowKey, InterfaceCounters, LossReason, StrayReason, Volume, WAYS},
    packet::LinkType,
};

const MAP_FLOWS: u32 = 8;
const RING_BYTES: u32 = 4096;
/// The cache has room for the least that it can have on each CPU, and the ring for a page.
const SIZES: MapSizes = MapSizes {
    cache: 1,
    flows: MAP_FLOWS,
    ring: RING_BYTES,
    quic: 0,
    interfaces: 4,
};
/// Entries of the ring with their headers; the kernel leaves a byte free.
const RING_ENTRIES: usize = (RING_BYTES as usize - 1) / (size_of::<CacheEntry>() + 8);
/// How often each flow sends before a drain.
const ROUNDS: u64 = 3;

/// What one interface has to show, and what of it the flows have to say.
struct Stage {
    program: Program,
    sent: HashMap<FlowKey, Count>,
    shown: InterfaceCounters,
}

#[test]
fn each_tier_takes_what_the_one_before_has_no_room_for() {
    if !is_root() {
        return;
    }
    let _pinned = Pinned::to_one_cpu().unwrap();
    for program in [Program::xdp(), Program::TC_EGRESS] {
        for (known, singly) in [(true, false), (false, true)] {
            let mut rig = Rig::new(7, SIZES).unwrap();
            if known {
                let interface = rig.interface(program);
                rig.collector.add_interface(interface).unwrap();
            }
            if singly {
                rig.collector.read_singly();
            }
            fill_and_empty(&mut rig, program);
        }
    }
}

/// Each number of flows in both epochs of a pair; after the fullest there is room again.
fn fill_and_empty(rig: &mut Rig, program: Program) {
    let mut lost = InterfaceCounters::ZERO;
    for flows in [4, 4, 16, 16, 24, 24, 40, 40, 100, 100, 4, 4, 24, 100] {
        let stage = send(rig, program, flows, lost);
        lost = stage.check(&rig.drain().unwrap());
    }
    assert_eq!(rig.drain().unwrap().flows, []);
    assert!(lost.lost_total().packets > 0);
}

/// Sends frames of so many flows, each of another length, round after round.
fn send(rig: &mut Rig, program: Program, flows: u16, shown: InterfaceCounters) -> Stage {
    let mut stage = Stage {
        program,
        sent: HashMap::new(),
        shown,
    };
    for _ in 0..ROUNDS {
        for port in 0..flows {
            let frame = udp_frame(port, usize::from(port));
            let reading = Reading::new(&frame, LinkType::Ethernet);
            rig.run(program, &frame).unwrap();
            reading.add_to(&mut stage.shown);
            let key = reading.sample(rig.interface(program)).key;
            *stage.sent.entry(key).or_default() += reading.count();
        }
    }
    stage
}

impl Stage {
    /// Compares a drain with what was sent; returns what the interface has shown until now.
    fn check(mut self, batch: &Batch) -> InterfaceCounters {
        // Flows that have room are handed over whole, those of the ring frame by frame.
        let is_whole = |sample: &&Sample| sample.counters.packets == ROUNDS;
        let whole = batch.flows.iter().filter(is_whole).count();
        let single = batch.flows.len() - whole;
        let left_over = self.sent.len() - whole;
        let what = format!("{}: {whole} whole, {single} single", self.program.name);
        assert!(
            batch.flows[whole..]
                .iter()
                .all(|flow| flow.counters.frames == 1),
            "{what}: the ring comes last"
        );
        let refused = left_over * ROUNDS as usize;
        assert_eq!(single, refused.min(RING_ENTRIES), "{what}");
        self.check_tiers(whole, left_over, &what);
        let lost = self.subtract(&batch.flows);
        assert_eq!(lost.packets as usize, refused - single, "{what}");
        self.shown.counted = self.shown.counted
            - Count {
                packets: lost.packets,
                frames: lost.packets,
                bytes: lost.bytes,
            };
        self.shown.lost[LossReason::RingFull as usize] += lost;
        assert_eq!(batch.interfaces.len(), 1, "{what}");
        assert_eq!(batch.interfaces[0].counters, self.shown, "{what}");
        assert_eq!(batch.strays, [Volume::ZERO; StrayReason::ALL.len()]);
        self.shown
    }

    /// The cache may refuse a flow before it is full, because the flow's bucket is; nothing else
    /// may.
    fn check_tiers(&self, whole: usize, left_over: usize, what: &str) {
        let map = MAP_FLOWS as usize;
        let cache = SIZES.cache_flows(&Cpus::of_machine().unwrap()) as usize;
        assert!(whole <= cache + map, "{what}");
        if self.sent.len() <= WAYS {
            assert_eq!(left_over, 0, "{what}: no bucket can be full");
        }
        if left_over > 0 {
            assert!(
                whole >= WAYS + map,
                "{what}: the map is full before the ring is used"
            );
        }
    }

    /// What is left of all that was sent without what was handed over.
    fn subtract(&mut self, flows: &[Sample]) -> Volume {
        for Sample { key, counters, .. } in flows {
            let left = self.sent.get_mut(key).expect("a flow that was sent");
            assert!(
                left.packets >= counters.packets && left.bytes >= counters.bytes,
                "{key:?}"
            );
            *left = *left - counters.count();
        }
        let mut lost = Volume::ZERO;
        for left in self.sent.values() {
            lost += left.volume();
        }
        lost
    }
}
