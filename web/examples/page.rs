//! The page with made-up traffic, to work on it without privileges and without packets.
//!
//! `cargo run -p netweir-web --example page`, then open `http://127.0.0.1:8089`. With the argument
//! `empty` there are interfaces, but no packets; with `stale` the meter stops after some ticks.

#![expect(
    clippy::print_stdout,
    reason = "whoever starts it must know where to look"
)]

use netweir_flow::{
    Batch, Hook, Interface, InterfaceId, InterfaceSample, Label, Labelled, Meter, Sample,
};
use netweir_web::{State, Ticker, serve, ticker};
use netweir_wire::map::{
    Class, Count, Direction, FlowCounters, FlowKey, InterfaceCounters, InterfaceKey, RuleAction,
    RuleMark, Volume,
};
use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, Ipv6Addr},
    sync::{Arc, PoisonError, RwLock},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::net::TcpListener;

const INTERVAL: Duration = Duration::from_secs(1);
const FLOWS: u64 = 300;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let mut meter = Meter::new(&netweir_flow::Settings::default(), now_ns());
    let names = [
        ("eth0", Hook::Tcx),
        ("wg0", Hook::Clsact),
        ("<i>x</i>", Hook::XdpNative),
    ];
    for (ifindex, (name, hook)) in (2..).zip(names) {
        meter.add_interface(interface(ifindex, name, hook));
    }
    let labels = [
        ("payments", RuleAction::Count),
        ("suspect", RuleAction::Drop),
    ];
    let rules = (1..).zip(labels).map(|(number, (name, action))| Labelled {
        number,
        action,
        label: Label {
            id: number,
            name: name.into(),
        },
    });
    meter.set_rules(&rules.collect::<Vec<_>>());
    let meter = Arc::new(RwLock::new(meter));
    let (ticker, ticks) = ticker(INTERVAL);
    let state = State::new(Arc::clone(&meter), ticks, netweir_web::Settings::default());
    thread::spawn(move || feed(&meter, &ticker, &wanted));
    let listener = TcpListener::bind("127.0.0.1:8089").await?;
    println!("http://{}", listener.local_addr()?);
    serve(listener, state, async {
        // Without signals there is nothing to wait for, and it goes on.
        tokio::signal::ctrl_c().await.ok();
    })
    .await
}

/// Feeds the meter for ever.
fn feed(meter: &RwLock<Meter>, ticker: &Ticker, wanted: &str) {
    let mut random = Random(1);
    let mut shown = BTreeMap::new();
    for number in 0_u64.. {
        if wanted == "stale" && number > 3 {
            thread::sleep(Duration::MAX);
        }
        thread::sleep(INTERVAL);
        let mut batch = Batch {
            now_ns: now_ns(),
            ..Batch::default()
        };
        if wanted != "empty" {
            fill(&mut batch, &mut random, &mut shown);
        }
        let mut meter = meter.write().unwrap_or_else(PoisonError::into_inner);
        meter.apply(&batch);
        meter.tick(now_ns());
        drop(meter);
        ticker.tick();
    }
}

fn fill(
    batch: &mut Batch,
    random: &mut Random,
    shown: &mut BTreeMap<InterfaceKey, InterfaceCounters>,
) {
    for index in 0..FLOWS {
        let packets = random.below(1 << (index % 14));
        if packets == 0 {
            continue;
        }
        let sample = sample(index, packets, 60 + random.below(1440), batch.now_ns);
        let key = InterfaceKey {
            netns: sample.key.netns,
            ifindex: sample.key.ifindex,
            direction: sample.key.direction.into(),
        };
        let lost = u64::from(sample.key.ifindex == 4 && random.below(20) == 0);
        count(shown.entry(key).or_default(), &sample, lost);
        batch.flows.push(sample);
    }
    batch.interfaces = shown
        .iter()
        .map(|(&key, &counters)| InterfaceSample { key, counters })
        .collect();
}

/// Adds what a flow had to its interface, and packets that are in no flow.
fn count(counters: &mut InterfaceCounters, sample: &Sample, lost: u64) {
    let count = sample.counters.count();
    let stray = Count {
        packets: lost,
        frames: lost,
        bytes: lost * 60,
    };
    counters.seen += count + stray;
    counters.counted += count;
    if sample.rule.action() == RuleAction::Drop {
        counters.dropped += count.volume();
    }
    counters.lost[0] += stray.volume();
    let port = u16::from_be_bytes(sample.key.destination_port);
    let mut class = |class: Class, volume: Volume| counters.classes[class as usize] += volume;
    if sample.key.protocol == 6 {
        class(Class::Tcp, count.volume());
        class(
            if port == 80 {
                Class::Http
            } else {
                Class::Https
            },
            count.volume(),
        );
    } else {
        class(Class::Udp, count.volume());
    }
}

fn sample(index: u64, packets: u64, packet_bytes: u64, now_ns: u64) -> Sample {
    let low = (index % 250) as u8;
    let (protocol, port) = match index % 5 {
        0 => (17, 53_u16),
        1 => (6, 80),
        2 => (17, 443),
        _ => (6, 443),
    };
    let is_ipv6 = index.is_multiple_of(7);
    let (source, destination) = if is_ipv6 {
        let ip = |last| Ipv6Addr::new(0x2001, 0xdb8, 0x85a3, 0x1f, 0, 0x8a2e, 0x370, last);
        (ip(index as u16).octets(), ip(1).octets())
    } else {
        let ip = |a, b| Ipv4Addr::new(a, 168, b, low).to_ipv6_mapped().octets();
        (ip(192, 1), ip(198, 51))
    };
    Sample {
        key: FlowKey {
            netns: 1,
            ifindex: [2, 2, 2, 3, 4][(index % 5) as usize],
            source,
            destination,
            source_port: (40_000 + index as u16).to_be_bytes(),
            destination_port: port.to_be_bytes(),
            ethertype: if is_ipv6 { [0x86, 0xdd] } else { [8, 0] },
            protocol,
            direction: if index.is_multiple_of(3) {
                Direction::Ingress
            } else {
                Direction::Egress
            } as u8,
            ..FlowKey::default()
        },
        counters: FlowCounters {
            packets,
            frames: packets,
            bytes: packets * packet_bytes,
            first_ns: now_ns,
            last_ns: now_ns,
            tcp_flags: 0x1a,
            ..FlowCounters::ZERO
        },
        rule: match index % 9 {
            0..4 => RuleMark::new(1, RuleAction::Count),
            4 => RuleMark::new(2, RuleAction::Drop),
            _ => RuleMark::NONE,
        },
    }
}

fn interface(ifindex: u32, name: &str, hook: Hook) -> Interface {
    Interface {
        id: InterfaceId { netns: 1, ifindex },
        name: name.into(),
        netns_name: None,
        hook,
        loopback: false,
        link: None,
        present: true,
    }
}

/// Nanoseconds since 1970, which also serve as the clock of the samples.
fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_nanos() as u64
}

/// Numbers that look random (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound.max(1)
    }
}
