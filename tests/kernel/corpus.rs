//! The corpus on two machines: what the kernel counted is what the host parser says.

use std::{collections::HashMap, thread};

use netweir_agent::{attach::MapSizes, now_ns};
use netweir_flow::{Batch, InterfaceSample, Sample};
use netweir_packets::{Case, corpus};
use netweir_tests::{Entry, Pinned, Program, Reading, Rig, is_root};
use netweir_wire::{
    map::{FlowCounters, FlowKey, InterfaceCounters, InterfaceKey},
    packet::LinkType,
};
use rustix::time::{ClockId, clock_gettime};

const SIZES: MapSizes = MapSizes {
    cache: 16_384,
    flows: 16,
    ring: 4096,
    quic: 0,
    interfaces: 4,
};

/// Inode number of a namespace that there is none of.
const NETNS: u32 = 4_026_531_999;

/// Bytes of a packet that the kernel puts into the first XDP buffer: a page of 4,096 bytes less the
/// room before it (256) and behind it (320).
const XDP_BUFFER_BYTES: usize = 3520;

/// A timer tick at the lowest frequency: what is read from the clock of the programs may differ from
/// the coarse clock by one.
const TICK_NS: u64 = 10_000_000;

/// Runs of a frame before a drain: the first opens the flow, the others find it in the cache.
const CACHED_RUNS: u64 = 3;

#[test]
fn the_kernel_counts_what_the_host_reads() {
    on_every_program(|program, cases| compare(program, cases, 1));
}

#[test]
fn the_cache_counts_what_the_host_reads() {
    on_every_program(|program, cases| compare(program, cases, CACHED_RUNS));
}

#[test]
fn all_cases_of_one_epoch_are_counted_in_their_flows() {
    on_every_program(compare_at_once);
}

/// Does it for every program at once; fails with all that they complain about.
fn on_every_program(compare: impl Fn(Program, &[Case]) -> Vec<String> + Copy + Send) {
    if !is_root() {
        return;
    }
    let cases = &with_headless(corpus());
    let complaints: Vec<String> = thread::scope(|scope| {
        let spawn = |(place, program)| {
            scope.spawn(move || {
                let _pinned = Pinned::to_cpu(place).unwrap();
                compare(program, cases)
            })
        };
        let threads: Vec<_> = Program::all().enumerate().map(spawn).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join().unwrap();
        threads.into_iter().flat_map(join).collect()
    });
    assert!(
        complaints.is_empty(),
        "{} differences:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

/// Runs a program over every case of its link type twice, forth and back, and drains at the end;
/// returns what differs.
fn compare_at_once(program: Program, cases: &[Case]) -> Vec<String> {
    let sizes = MapSizes {
        flows: 1024,
        ..SIZES
    };
    let mut rig = Rig::new(NETNS, sizes).unwrap();
    let interface = rig.interface(program);
    rig.collector.add_interface(interface).unwrap();
    let mut expected: HashMap<FlowKey, FlowCounters> = HashMap::new();
    let mut shown = InterfaceCounters::ZERO;
    let runnable = |case: &&Case| case.link == program.link && refusal(program, case).is_none();
    let cases: Vec<_> = cases.iter().filter(runnable).collect();
    let began = now_ns();
    for case in cases.iter().chain(cases.iter().rev()) {
        rig.run(program, &case.bytes).unwrap();
        let reading = Reading::new(&case.bytes, case.link);
        let Sample { key, counters, .. } = reading.sample(interface);
        let known = expected.entry(key).and_modify(|sum| sum.merge(&counters));
        known.or_insert(counters);
        reading.add_to(&mut shown);
    }
    let found = without_times(&rig.drain().unwrap(), began).expect("possible times");
    let flows = found
        .flows
        .iter()
        .map(|sample| (sample.key, sample.counters));
    let flows: HashMap<_, _> = flows.collect();
    assert_eq!(flows.len(), found.flows.len(), "one sample for each flow");
    assert_eq!(found.interfaces.len(), 1);
    assert_eq!(found.interfaces[0].counters, shown, "{}", program.name);
    let keys = expected.keys().chain(flows.keys());
    let differing = keys.filter(|key| expected.get(key) != flows.get(key));
    let complaint = |key: &FlowKey| {
        format!(
            "{} {key:?}\n  found    {:?}\n  expected {:?}",
            program.name,
            flows.get(key),
            expected.get(key)
        )
    };
    differing.map(complaint).collect()
}

/// The cases, and each that announces IP once more without its Ethernet header.
pub(crate) fn with_headless(mut cases: Vec<Case>) -> Vec<Case> {
    let headless = |case: &Case| {
        let (header, packet) = case.bytes.split_at_checked(14)?;
        let is_ip = matches!(header[12..], [8, 0] | [0x86, 0xdd]);
        (case.link == LinkType::Ethernet && is_ip).then(|| Case {
            link: LinkType::Ip,
            bytes: packet.to_vec(),
            ..case.clone()
        })
    };
    let headless: Vec<_> = cases.iter().filter_map(headless).collect();
    cases.extend(headless);
    cases
}

/// Runs a program over every case of its link type so many times, and drains after each; returns
/// what differs.
fn compare(program: Program, cases: &[Case], times: u64) -> Vec<String> {
    let mut rig = Rig::new(NETNS, SIZES).unwrap();
    let interface = rig.interface(program);
    if times > 1 {
        // The short way is for interfaces that the agent knows.
        rig.collector.add_interface(interface).unwrap();
    }
    let mut shown = InterfaceCounters::ZERO;
    let mut complaints = Vec::new();
    let mut skipped = 0;
    let (mut cases_run, mut last) = (0, coarse_now_ns());
    for case in cases.iter().filter(|case| case.link == program.link) {
        if let Some(reason) = refusal(program, case) {
            println!("{}: {} skipped: {reason}", program.name, case.name);
            skipped += 1;
            continue;
        }
        let reading = Reading::new(&case.bytes, case.link);
        for _ in 0..times {
            rig.run(program, &case.bytes)
                .unwrap_or_else(|error| panic!("{}: {error:#}", case.name));
            reading.add_to(&mut shown);
        }
        let found = rig.drain().unwrap();
        let expected = expected_batch(sample(&reading, interface, times), &shown);
        if without_times(&found, last) != Some(expected.clone()) {
            complaints.push(format!(
                "{}: {}\n  found    {found:?}\n  expected {expected:?}",
                program.name, case.name
            ));
            shown = found
                .interfaces
                .first()
                .map_or(shown, |sample| sample.counters);
        }
        cases_run += 1;
        last = coarse_now_ns();
    }
    println!("{}: {cases_run} cases run, {skipped} skipped", program.name);
    assert!(cases_run > 0, "{}", program.name);
    assert!(
        skipped <= most_skipped(program),
        "{}: {skipped}",
        program.name
    );
    complaints
}

/// Why the kernel cannot run a program over a case, if it cannot.
fn refusal(program: Program, case: &Case) -> Option<&'static str> {
    let length = case.bytes.len();
    let beyond_ethernet = length.saturating_sub(14);
    let ethernet = (program.entry, program.link) == (Entry::Tc, LinkType::Ethernet);
    match case.bytes.get(12..14) {
        None => Some("the kernel runs no program over less than 14 bytes"),
        _ if program == Program::XDP_LINEAR && length > XDP_BUFFER_BYTES => {
            Some("a driver hands no frame of several buffers to this program")
        }
        _ if program.entry == Entry::Tc && length > XDP_BUFFER_BYTES => {
            Some("the kernel makes no test skb of more than a page")
        }
        Some([8, 0]) if ethernet && beyond_ethernet < 20 => {
            Some("the kernel makes no test skb with less than an IPv4 header")
        }
        Some([0x86, 0xdd]) if ethernet && beyond_ethernet < 40 => {
            Some("the kernel makes no test skb with less than an IPv6 header")
        }
        _ => None,
    }
}

/// How many cases may be skipped: those of today. More would be a hole that nobody sees.
fn most_skipped(program: Program) -> usize {
    match (program.entry, program.link) {
        (Entry::Xdp, _) if program != Program::XDP_LINEAR => 4,
        (Entry::Xdp, _) => 6,
        (Entry::Tc, LinkType::Ethernet) => 12,
        (Entry::Tc, _) => 8,
    }
}

/// What so many of the same frame are handed over as.
fn sample(reading: &Reading, interface: InterfaceKey, times: u64) -> Sample {
    let once = reading.sample(interface);
    let mut all = once;
    for _ in 1..times {
        all.counters.merge(&once.counters);
    }
    all
}

fn expected_batch(sample: Sample, shown: &InterfaceCounters) -> Batch {
    Batch {
        interfaces: vec![InterfaceSample {
            key: InterfaceKey {
                netns: sample.key.netns,
                ifindex: sample.key.ifindex,
                direction: sample.key.direction.into(),
            },
            counters: *shown,
        }],
        flows: vec![sample],
        ..Batch::default()
    }
}

/// The batch with its times set to 0; `None` where one of them cannot be true.
fn without_times(batch: &Batch, after_ns: u64) -> Option<Batch> {
    let now_ns = now_ns();
    let possible = after_ns.saturating_sub(TICK_NS)..=now_ns;
    // Whole ticks are added to the first time.
    let possible_end = ..=now_ns + TICK_NS;
    let clear = |sample: &Sample| {
        let mut counters = sample.counters;
        let is_single = counters.frames == 1;
        let is_true = possible.contains(&counters.first_ns)
            && (counters.first_ns..).contains(&counters.last_ns)
            && possible_end.contains(&counters.last_ns)
            && (!is_single || counters.first_ns == counters.last_ns);
        (counters.first_ns, counters.last_ns) = (0, 0);
        is_true.then_some(Sample {
            key: sample.key,
            counters,
            ..Sample::default()
        })
    };
    let flows: Option<Vec<_>> = batch.flows.iter().map(clear).collect();
    Some(Batch {
        flows: flows?,
        ..batch.clone()
    })
}

/// The time of the last timer tick: a machine whose timer is late has programs whose clock is, too.
fn coarse_now_ns() -> u64 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
