//! Rules on two machines: the kernel decides as the host does, and does what they say.

use std::{collections::HashMap, net::IpAddr, thread};

use netweir_agent::{
    attach::{MapSizes, Variant},
    collect::InterfaceNames,
};
use netweir_flow::rule::{Action, Field, Numbered, Probe, Rule, RuleSet};
use netweir_packets::{Case, corpus};
use netweir_tests::{Pinned, Program, Reading, Rig, is_guest, is_root};
use netweir_wire::map::{Direction, FlowKey, HEAD_BYTES, RuleAction, RuleMark};

use crate::corpus::with_headless;

const SIZES: MapSizes = MapSizes {
    cache: 16_384,
    flows: 1024,
    ring: 4096,
    quic: 0,
    interfaces: 4,
};
/// The name of the interface that frames come by.
const NAME: &str = "eth0";
/// Sets of rules that each program is tried with. Together they are thousands.
const SETS: usize = 300;
const SETS_OF_GUEST: usize = 20;
/// Rules of a set at most; of one set in so many, there are more.
const RULES: usize = 12;
const ONE_IN: usize = 60;
const MANY_RULES: usize = 100;
/// Frames that are asked about under each set.
const FRAMES_OF_SET: usize = 40;
/// Sets between two drains.
const SETS_OF_DRAIN: usize = 20;

/// Frames of the corpus, each of another flow.
type Frames<'a> = HashMap<FlowKey, &'a [u8]>;

/// Numbers that are the same in every run (a linear congruential generator of Knuth's).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn is_one_of(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// A few rules, and now and then many.
    fn set(&mut self, turn: usize, keys: &[FlowKey]) -> RuleSet {
        let most = if turn.is_multiple_of(ONE_IN) {
            MANY_RULES
        } else {
            RULES
        };
        let count = 1 + self.below(most);
        numbered((0..count).map(|_| {
            let key = keys[self.below(keys.len())];
            self.rule(&key)
        }))
    }

    /// A part of what is known of a flow, so that rules match now and then.
    fn rule(&mut self, key: &FlowKey) -> Rule {
        let probe = Probe::of_key(key, NAME, None);
        let mut net = |address: Option<IpAddr>| {
            let address = address.filter(|_| self.below(2) == 0)?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            Some(format!("{address}/{}", self.below(most + 1)))
        };
        let (source, destination) = (net(probe.source), net(probe.destination));
        let mut ports = |port: Option<u16>| {
            let port = port.filter(|_| self.below(3) == 0)?;
            let width = [0, 10, 5000][self.below(3)];
            Some(port.saturating_sub(width)..=port.saturating_add(width))
        };
        let source_ports = ports(probe.ports.map(|[port, _]| port));
        let destination_ports = ports(probe.ports.map(|[_, port]| port));
        let mut rule = Rule {
            label: "some".into(),
            action: [Action::Count, Action::Count, Action::Drop][self.below(3)],
            priority: self.below(3) as i32,
            both_ways: self.is_one_of(4),
            source_ports,
            destination_ports,
            protocol: probe
                .protocol
                .filter(|&number| number != 0 && self.is_one_of(3)),
            interface: self
                .is_one_of(6)
                .then(|| [NAME, "eth1"][self.below(2)].into()),
            direction: self
                .is_one_of(6)
                .then(|| [Direction::Ingress, Direction::Egress][self.below(2)]),
            vlan: self
                .is_one_of(6)
                .then(|| [0, 10, 20, probe.vlans[0]][self.below(4)]),
            backend: self.is_one_of(20).then_some(7),
            ..Rule::default()
        };
        for (field, net) in [(Field::Source, source), (Field::Destination, destination)] {
            if let Some(net) = net {
                rule.set(field, &net).unwrap();
            }
        }
        rule
    }
}

pub(crate) fn numbered(rules: impl IntoIterator<Item = Rule>) -> RuleSet {
    let numbered = (1..)
        .zip(rules)
        .map(|(number, rule)| Numbered { number, rule });
    RuleSet::new(numbered.collect())
}

/// Puts rules in force, as the agent does.
pub(crate) fn enforce(rig: &mut Rig, program: Program, set: &RuleSet) {
    let compiled = set.compile().unwrap();
    let generation = rig.collector.rules_generation() + 1;
    let mut names = InterfaceNames::default();
    names.rules[(generation & 1) as usize] = compiled.interface_number(NAME);
    let interface = rig.interface(program);
    rig.collector.write_rules(&compiled, generation).unwrap();
    rig.collector.add_named_interface(interface, names).unwrap();
    rig.collector.enforce_rules(generation);
}

fn mark(set: &RuleSet, key: &FlowKey) -> RuleMark {
    let decided = set.decide(&Probe::of_key(key, NAME, None));
    decided.map_or(RuleMark::NONE, |known| {
        RuleMark::new(known.number, known.rule.action.kind())
    })
}

fn frames<'a>(rig: &mut Rig, program: Program, cases: &'a [Case]) -> Frames<'a> {
    let interface = rig.interface(program);
    let of_link = cases.iter().filter(|case| case.link == program.link);
    let by_flow = of_link.map(|case| {
        let reading = Reading::new(&case.bytes, case.link);
        (reading.sample(interface).key, &case.bytes[..])
    });
    let mut frames: Frames<'_> = by_flow.collect();
    // What the kernel runs no test over is tried once.
    frames.retain(|_, bytes| rig.run(program, bytes).is_ok());
    rig.drain().unwrap();
    frames
}

#[test]
fn the_kernel_decides_as_the_host_does() {
    if !is_root() {
        return;
    }
    let cases = &with_headless(corpus());
    thread::scope(|scope| {
        for (place, program) in Program::all().enumerate() {
            scope.spawn(move || {
                let _pinned = Pinned::to_cpu(place).unwrap();
                compare(program, cases);
            });
        }
    });
}

/// Runs frames of the corpus twice under each set: with the rules it is decided about, then it is known.
/// What was counted stands, when all is over, under the rules that had decided.
fn compare(program: Program, cases: &[Case]) {
    let sizes = MapSizes {
        flows: 4096,
        ..SIZES
    };
    let mut rig = Rig::new(7, sizes).unwrap();
    let interface = rig.interface(program);
    rig.collector.add_interface(interface).unwrap();
    let frames = frames(&mut rig, program, cases);
    let mut keys: Vec<_> = frames.keys().copied().collect();
    keys.sort_unstable();
    let mut random = Random(program.name.len() as u64);
    let sets = if is_guest() { SETS_OF_GUEST } else { SETS };
    let mut tried = Tried::default();
    for turn in 1..=sets {
        let set = random.set(turn, &keys);
        if set.compile().is_err() {
            continue;
        }
        enforce(&mut rig, program, &set);
        for _ in 0..FRAMES_OF_SET {
            let key = keys[random.below(keys.len())];
            let mark = mark(&set, &key);
            let is_dropped = mark.action() == RuleAction::Drop;
            for _ in 0..2 {
                let passes = rig.passes(program, frames[&key]).unwrap();
                assert_eq!(passes, !is_dropped, "{key:?}: {set:?}");
            }
            tried.add(key, mark);
        }
        if turn % SETS_OF_DRAIN == 0 {
            tried.check(&mut rig);
        }
    }
    let all = sets * FRAMES_OF_SET;
    assert!(tried.decided > all / 5, "{} of {all}", tried.decided);
    assert!(tried.dropped > all / 20, "{} of {all}", tried.dropped);
}

/// What frames were decided about.
#[derive(Default)]
struct Tried {
    /// Frames since the last drain, by flow and by the rule that has decided.
    frames: HashMap<(FlowKey, u16), u64>,
    decided: usize,
    dropped: usize,
}

impl Tried {
    /// Two frames of a flow.
    fn add(&mut self, key: FlowKey, mark: RuleMark) {
        *self.frames.entry((key, mark.0)).or_default() += 2;
        self.decided += usize::from(mark != RuleMark::NONE);
        self.dropped += usize::from(mark.action() == RuleAction::Drop);
    }

    /// Compares with what was counted since the last drain.
    fn check(&mut self, rig: &mut Rig) {
        let mut found = HashMap::<_, u64>::new();
        for flow in &rig.drain().unwrap().flows {
            *found.entry((flow.key, flow.rule.0)).or_default() += flow.counters.frames;
        }
        let expected = std::mem::take(&mut self.frames);
        for (known, frames) in &expected {
            assert_eq!(found.remove(known), Some(*frames), "{known:?}");
        }
        assert_eq!(found, HashMap::new());
    }
}

/// One TCP flow, as the cache has it, and where there is no cache.
fn tcp(rig: &mut Rig, program: Program, cases: &[Case]) -> (FlowKey, Vec<u8>) {
    let frames = frames(rig, program, cases);
    let mut found: Vec<_> = frames
        .into_iter()
        .filter(|(key, _)| key.protocol == 6)
        .collect();
    found.sort_unstable();
    let (key, bytes) = found[0];
    (key, bytes.to_vec())
}

fn labelled(action: Action) -> Rule {
    Rule {
        label: "all".into(),
        action,
        ..Rule::default()
    }
}

/// A change of rules holds for the next packet of a flow that is running, and what was counted before
/// stays with the rule that had decided.
#[test]
fn a_change_holds_at_once_and_moves_no_counts() {
    if !is_root() {
        return;
    }
    let cases = &with_headless(corpus());
    for program in Program::all() {
        for cache in [SIZES.cache, 0] {
            let mut rig = Rig::new(7, MapSizes { cache, ..SIZES }).unwrap();
            let interface = rig.interface(program);
            rig.collector.add_interface(interface).unwrap();
            let (key, bytes) = tcp(&mut rig, program, cases);
            let mut expected = HashMap::new();
            for (frames, actions) in [
                (3, vec![]),
                (5, vec![Action::Count]),
                (2, vec![Action::Drop]),
                (4, vec![]),
            ] {
                let set = numbered(actions.into_iter().map(labelled));
                enforce(&mut rig, program, &set);
                let mark = mark(&set, &key);
                for _ in 0..frames {
                    assert_eq!(
                        rig.passes(program, &bytes).unwrap(),
                        mark.action() != RuleAction::Drop
                    );
                }
                *expected.entry(mark.0).or_default() += frames;
            }
            let batch = rig.drain().unwrap();
            let mut found = HashMap::<u16, u64>::new();
            for flow in &batch.flows {
                assert_eq!(flow.key, key);
                *found.entry(flow.rule.0).or_default() += flow.counters.frames;
            }
            assert_eq!(found, expected, "{} cache {cache}", program.name);
            let counters = batch.interfaces[0].counters;
            assert_eq!(
                counters.dropped.packets,
                2 * counters.seen.packets / counters.seen.frames
            );
        }
    }
}

/// Heads are whole up to their limit, one in as many as the rule says, and every frame is in a count.
#[test]
fn heads_are_sampled_and_none_is_missed() {
    if !is_root() {
        return;
    }
    let cases = &with_headless(corpus());
    const FRAMES: u64 = 4000;
    for program in Program::all() {
        for (one_in, heads_per_second) in [(1, 100_000), (10, 100_000), (1, 20)] {
            let variant = Variant {
                heads_per_second,
                ..Variant::default()
            };
            let mut rig = Rig::variant(7, SIZES, variant).unwrap();
            let interface = rig.interface(program);
            rig.collector.add_interface(interface).unwrap();
            let (key, bytes) = tcp(&mut rig, program, cases);
            let set = numbered([labelled(Action::Sample(one_in))]);
            enforce(&mut rig, program, &set);
            let mut heads = 0;
            for frame in 0..FRAMES {
                assert!(rig.passes(program, &bytes).unwrap());
                if frame % 100 == 99 {
                    let malformed = rig.collector.read_heads(&mut |head, captured| {
                        heads += 1;
                        assert_eq!((head.key, head.rule), (key, mark(&set, &key).0));
                        assert_eq!(head.frame_bytes as usize, bytes.len());
                        let expected = &bytes[..bytes.len().min(HEAD_BYTES)];
                        assert_eq!(captured, expected);
                    });
                    assert_eq!(malformed, 0);
                }
            }
            let counters = rig.collector.head_counters().unwrap();
            let lost: u64 = counters.lost.iter().sum();
            assert_eq!(counters.told, heads);
            assert_eq!(counters.told + counters.passed_over + lost, FRAMES);
            match (one_in, heads_per_second) {
                (1, 100_000) => assert_eq!(counters.told, FRAMES),
                // 400 at random; far more than five standard deviations are left.
                (10, _) => assert!((280..520).contains(&counters.told), "{counters:?}"),
                _ => assert!(counters.lost[0] > FRAMES / 2, "{counters:?}"),
            }
        }
    }
}
