//! What the meter costs: memory of a flow and of an address, time of a sample, a tick and a view.
//!
//! `cargo bench -p netweir-flow`. CPU time of this thread, the median of some rounds. Between the
//! rounds of a drain other memory is read, since a drain finds the caches as others have left them.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use netweir_flow::{
    Batch, Connection, Hook, Interface, InterfaceId, Listing, Meter, Query, Record, Sample,
    Settings, SortKey,
};
use netweir_wire::map::{Direction, FlowCounters, FlowKey};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;

/// Samples that a collector hands over at once.
const CHUNK: usize = 8192;
const SECOND_NS: u64 = 1_000_000_000;
const ROUNDS: usize = 21;

fn main() {
    million();
    drain("1,000 of 100,000 flows changed", 100_000, 1_000);
    drain("12,500 of 65,000 flows changed", 65_000, 12_500);
    drain("all of 100,000 flows changed", 100_000, 100_000);
}

/// A million flows, of half a million connections between a million addresses.
fn million() {
    const FLOWS: u32 = 1_000_000;
    let mut clock = Clock::new();
    let before_kib = resident_kib("VmRSS");
    let new_ns = clock.feed(0..FLOWS);
    let opened_kib = resident_kib("VmRSS");
    clock.tick(&[]);
    let known_ns = clock.feed(0..FLOWS);
    clock.tick(&[]);
    let known_kib = resident_kib("VmRSS");
    let mut swarm: Vec<u32> = (0..FLOWS).collect();
    shuffle(&mut swarm);
    let mixed_ns = clock.feed(swarm.iter().copied());
    clock.tick(&[]);
    println!("1,000,000 flows of 1,000,000 addresses:");
    let bytes = |kib: u64| (kib - before_kib) * 1024 / u64::from(FLOWS);
    println!("  bytes a flow with its address  {:>8}", bytes(opened_kib));
    println!("  the same after three rounds    {:>8}", bytes(known_kib));
    println!("  apply, ns a new sample         {new_ns:>8.0}");
    println!("  apply, ns a known sample       {known_ns:>8.0}");
    println!("  the same in any order          {mixed_ns:>8.0}");
    println!(
        "  tick, ms                       {:>8.3}",
        clock.idle_tick_ms()
    );
    views(&clock.meter);
    let high_kib = resident_kib("VmHWM");
    println!(
        "  highest resident, MB           {:>8}",
        high_kib * 1024 / 1_000_000
    );
    clock.now_ns += 100 * SECOND_NS;
    let began = cpu_ms();
    let records = clock.meter.tick(clock.now_ns).len();
    println!(
        "  tick that ends all, ms         {:>8.0}  ({records} records)",
        ms(began)
    );
}

fn views(meter: &Meter) {
    for sort in [SortKey::Bytes, SortKey::Rate, SortKey::Source] {
        for limit in [100, 10_000] {
            let query = Query {
                sort,
                limit: Some(limit),
                ..Query::default()
            };
            let flows = time(|| drop(black_box(meter.flows(&query))));
            let connections = time(|| drop(black_box(meter.connections(&query))));
            let hosts = time(|| drop(black_box(meter.hosts(&query))));
            println!(
                "  {limit:>6} by {sort:<8}, ms: flows {flows:>5.0}, connections \
                 {connections:>5.0}, hosts {hosts:>5.0}"
            );
            let (mut records, mut pairs) = (Listing::new(query.clone()), Listing::new(query));
            println!(
                "      its longest slice, ms: flows {:>5.1}, connections {:>5.1}",
                longest(|| Listing::<Record>::read(&mut records, meter)),
                longest(|| Listing::<Connection>::read(&mut pairs, meter)),
            );
        }
    }
}

/// Milliseconds of the longest slice.
fn longest(mut read: impl FnMut() -> bool) -> f64 {
    let mut longest = 0.0_f64;
    loop {
        let began = cpu_ms();
        let more = read();
        longest = longest.max(ms(began));
        if !more {
            return longest;
        }
    }
}

/// A drain among flows that are known, and a tick.
fn drain(title: &str, flows: u32, changed: usize) {
    let mut clock = Clock::new();
    clock.feed(0..flows);
    clock.tick(&[]);
    let mut order: Vec<u32> = (0..flows).collect();
    let others = vec![1_u64; 16 << 20];
    let (mut applied, mut ticked) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        shuffle(&mut order);
        let samples: Vec<_> = order[..changed]
            .iter()
            .map(|&flow| clock.sample(flow))
            .collect();
        black_box(others.iter().sum::<u64>());
        let began = cpu_ms();
        for chunk in samples.chunks(CHUNK) {
            clock.apply(chunk.to_vec());
        }
        applied.push(ms(began));
        let began = cpu_ms();
        clock.tick(&[]);
        ticked.push(ms(began));
    }
    println!(
        "{title}: apply {:.3} ms, tick {:.3} ms",
        median(applied),
        median(ticked)
    );
}

/// A meter and its time.
struct Clock {
    meter: Meter,
    now_ns: u64,
}

impl Clock {
    fn new() -> Self {
        let settings = Settings {
            max_hosts: 1_000_000,
            ..Settings::default()
        };
        let mut meter = Meter::new(&settings, SECOND_NS);
        meter.add_interface(Interface {
            id: InterfaceId {
                netns: 1,
                ifindex: 2,
            },
            name: "eth0".into(),
            netns_name: None,
            hook: Hook::Tcx,
            loopback: false,
            link: None,
            present: true,
        });
        Self {
            meter,
            now_ns: SECOND_NS,
        }
    }

    /// Applies a sample of each flow; nanoseconds for each.
    fn feed(&mut self, flows: impl Iterator<Item = u32>) -> f64 {
        let mut flows = flows.peekable();
        let (mut spent_ms, mut number) = (0.0, 0);
        while flows.peek().is_some() {
            let samples: Vec<_> = flows
                .by_ref()
                .take(CHUNK)
                .map(|flow| self.sample(flow))
                .collect();
            number += samples.len();
            let began = cpu_ms();
            self.apply(samples);
            spent_ms += ms(began);
        }
        spent_ms * 1e6 / number as f64
    }

    fn apply(&mut self, flows: Vec<Sample>) {
        self.meter.apply(&Batch {
            now_ns: self.now_ns,
            flows,
            ..Batch::default()
        });
    }

    fn tick(&mut self, samples: &[Sample]) {
        self.apply(samples.to_vec());
        self.now_ns += SECOND_NS;
        drop(self.meter.tick(self.now_ns));
    }

    fn idle_tick_ms(&mut self) -> f64 {
        time(|| self.tick(&[]))
    }

    /// The flow and the one that answers it have numbers one after the other.
    fn sample(&self, flow: u32) -> Sample {
        let (client, server) = (address(10, flow / 2), address(172, flow / 2));
        let [_, _, high, low] = (flow / 2).to_be_bytes();
        let answers = flow % 2 == 1;
        let request = FlowKey {
            netns: 1,
            ifindex: 2,
            source: client,
            destination: server,
            source_port: [high, low],
            destination_port: [1, 187],
            ethertype: [8, 0],
            protocol: 6,
            direction: Direction::Ingress as u8,
            ..FlowKey::default()
        };
        let answer = FlowKey {
            source: server,
            destination: client,
            source_port: [1, 187],
            destination_port: [high, low],
            direction: Direction::Egress as u8,
            ..request
        };
        let key = if answers { answer } else { request };
        let packets = u64::from(flow.wrapping_mul(2_654_435_761) >> 20);
        Sample {
            key,
            counters: FlowCounters {
                packets: packets + 1,
                frames: packets + 1,
                bytes: 100 * packets + 60,
                first_ns: self.now_ns,
                last_ns: self.now_ns,
                source_mac: [2, 0, 0, 0, 0, u8::from(answers)],
                destination_mac: [2, 0, 0, 0, 0, u8::from(!answers)],
                ..FlowCounters::default()
            },
            ..Sample::default()
        }
    }
}

fn address(net: u8, host: u32) -> [u8; 16] {
    let [_, high, middle, low] = host.to_be_bytes();
    [
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, net, high, middle, low,
    ]
}

/// Brings numbers into another order, the same at each run.
fn shuffle(numbers: &mut [u32]) {
    let mut state = 88_172_645_463_325_252_u64;
    for last in (1..numbers.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        numbers.swap(last, (state % (last as u64 + 1)) as usize);
    }
}

/// Milliseconds that something takes, the median of five times.
fn time(mut work: impl FnMut()) -> f64 {
    let once = |_| {
        let began = cpu_ms();
        work();
        ms(began)
    };
    median((0..5).map(once).collect())
}

fn ms(began: f64) -> f64 {
    cpu_ms() - began
}

fn cpu_ms() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// A line of `/proc/self/status`.
fn resident_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    number.unwrap_or_default()
}
