//! The filter on two machines: the kernel counts what the host says that it admits.

use std::{collections::HashMap, thread};

use netweir_agent::{
    attach::{MapSizes, Variant},
    collect::InterfaceNames,
};
use netweir_flow::{Batch, Filter, KernelFilter};
use netweir_packets::{Case, corpus};
use netweir_tests::{Pinned, Program, Reading, Rig, is_guest, is_root};
use netweir_wire::map::{Count, FlowKey, InterfaceCounters};

use crate::corpus::with_headless;

const SIZES: MapSizes = MapSizes {
    cache: 16_384,
    flows: 1024,
    ring: 4096,
    quic: 0,
    interfaces: 4,
};
const VARIANT: Variant = Variant {
    filters: true,
    sampling: 1,
    layouts: false,
    heads_per_second: 0,
};
/// The name of the interface that frames come by.
const NAME: &str = "eth0";
/// A frame opens its flow, and then comes again.
const RUNS: u64 = 2;
/// Expressions put together at random; a few where a machine translates every instruction.
const RANDOM_FILTERS: usize = 60;
const RANDOM_FILTERS_OF_GUEST: usize = 10;

/// Each kind of question, with answers of both kinds in the corpus.
const QUESTIONS: [&str; 30] = [
    "tcp",
    "udp",
    "icmp",
    "icmp6",
    "sctp",
    "proto 50",
    "ip",
    "ip6",
    "arp",
    "ethertype 0x88cc",
    "in",
    "out",
    "vlan 0",
    "vlan 10",
    "vlan 20",
    "port 443",
    "port 80",
    "src port 1000-2000",
    "dst port 53",
    "port 1-65535",
    "host 10.0.0.1",
    "src host 10.0.0.1",
    "dst host 10.0.0.1",
    "net 10.0.0.0/8",
    "net 0.0.0.0/0",
    "net 2001:db8::/32",
    "src net ::/0",
    "host 2001:db8::1",
    "iface eth0",
    "iface eth1",
];

#[test]
fn the_kernel_admits_what_the_host_does() {
    if !is_root() {
        return;
    }
    let cases = &with_headless(corpus());
    let random = if is_guest() {
        RANDOM_FILTERS_OF_GUEST
    } else {
        RANDOM_FILTERS
    };
    let filters = &filters(random);
    assert!(filters.len() > QUESTIONS.len() + random / 2);
    thread::scope(|scope| {
        for (place, program) in Program::all().enumerate() {
            scope.spawn(move || {
                let _pinned = Pinned::to_cpu(place).unwrap();
                compare(program, cases, filters);
            });
        }
    });
}

/// Every question alone, and random ones together, as far as they fit into the kernel.
fn filters(together: usize) -> Vec<(String, KernelFilter)> {
    let mut random = Random(1);
    let together = (0..together).map(|_| random.expression(3));
    let texts = QUESTIONS.into_iter().map(str::to_owned).chain(together);
    let compiled = texts.filter_map(|text| {
        let filter = Filter::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        Some((text, filter.for_kernel().ok()?))
    });
    compiled.collect()
}

/// Numbers that are the same in every run (a linear congruential generator of Knuth's).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn expression(&mut self, depth: usize) -> String {
        if depth == 0 || self.below(5) == 0 {
            return QUESTIONS[self.below(QUESTIONS.len())].to_owned();
        }
        let one = self.expression(depth - 1);
        match self.below(5) {
            0 => format!("not ({one})"),
            1 | 2 => format!("({one}) and ({})", self.expression(depth - 1)),
            _ => format!("({one}) or ({})", self.expression(depth - 1)),
        }
    }
}

/// Runs one frame of each flow of the corpus under each filter.
fn compare(program: Program, cases: &[Case], filters: &[(String, KernelFilter)]) {
    let mut rig = Rig::variant(7, SIZES, VARIANT).unwrap();
    let interface = rig.interface(program);
    rig.collector.add_interface(interface).unwrap();
    let of_link = cases.iter().filter(|case| case.link == program.link);
    let readings = of_link.map(|case| (&case.bytes, Reading::new(&case.bytes, case.link)));
    let by_flow =
        readings.map(|(bytes, reading)| (reading.sample(interface).key, (bytes, reading)));
    let mut frames: HashMap<FlowKey, (&Vec<u8>, Reading)> = by_flow.collect();
    // What the kernel runs no test over is tried once.
    frames.retain(|_, (bytes, _)| rig.run(program, bytes).is_ok());
    assert!(frames.len() > 10, "{}: {}", program.name, frames.len());
    let mut shown = rig.drain().unwrap().interfaces[0].counters;
    let mut admitted = 0;
    for (text, filter) in filters {
        let names = filter.interface_names(NAME);
        rig.collector.set_filter(&filter.program).unwrap();
        let named = InterfaceNames {
            filter: names,
            ..InterfaceNames::default()
        };
        rig.collector.add_named_interface(interface, named).unwrap();
        let mut expected = HashMap::new();
        for (key, (bytes, reading)) in &frames {
            for _ in 0..RUNS {
                rig.run(program, bytes).unwrap();
            }
            let is_admitted = filter.program.admits(key, names);
            note(&mut shown, reading, is_admitted);
            if is_admitted {
                expected.insert(*key, reading.count() + reading.count());
            }
        }
        admitted += expected.len();
        check(&rig.drain().unwrap(), &expected, &shown, text);
    }
    let all = frames.len() * filters.len();
    assert!(
        (all / 5..all * 4 / 5).contains(&admitted),
        "{admitted} of {all}"
    );
}

/// Adds a frame, as often as it runs, to what its interface has to show.
fn note(shown: &mut InterfaceCounters, reading: &Reading, is_admitted: bool) {
    for _ in 0..RUNS {
        reading.add_to(shown);
        if !is_admitted {
            shown.counted = shown.counted - reading.count();
            shown.filtered += reading.count().volume();
        }
    }
}

fn check(batch: &Batch, expected: &HashMap<FlowKey, Count>, shown: &InterfaceCounters, text: &str) {
    let counts = batch
        .flows
        .iter()
        .map(|flow| (flow.key, flow.counters.count()));
    assert_eq!(&counts.collect::<HashMap<_, _>>(), expected, "{text}");
    assert_eq!(batch.flows.len(), expected.len(), "{text}");
    let [interface] = &batch.interfaces[..] else {
        panic!("{text}: {batch:?}");
    };
    assert_eq!(&interface.counters, shown, "{text}");
    let counters = interface.counters;
    let (counted, filtered) = (counters.counted, counters.filtered);
    assert_eq!(
        counters.seen.packets,
        counted.packets + filtered.packets,
        "{text}"
    );
    assert_eq!(
        counters.seen.bytes,
        counted.bytes + filtered.bytes,
        "{text}"
    );
}
