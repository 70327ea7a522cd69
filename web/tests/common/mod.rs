//! A meter with known traffic, and requests to a router that serves it.

#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "each test file uses its part, and a failure shall say where it is"
)]

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use http_body_util::BodyExt;
use netweir_flow::{
    Batch, Hook, Interface, InterfaceId, InterfaceSample, Label, Labelled, Meter, Sample, Settings,
};
use netweir_web::{State, Ticker, router, ticker};
use netweir_wire::{
    map::{
        Class, Count, Direction, FlowCounters, FlowKey, HeadCounters, InterfaceCounters,
        InterfaceKey, PacketHead, RuleAction, RuleMark, Volume,
    },
    packet::LinkType,
};
use serde_json::Value;
use std::{
    net::Ipv4Addr,
    sync::{Arc, RwLock},
    time::Duration,
};
use tower::ServiceExt;

/// 2026-01-01T00:00:00Z.
const WALL_NS: i64 = 1_767_225_600_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;

/// A server without a socket.
pub struct Server {
    pub router: Router,
    pub state: State,
    pub ticker: Ticker,
    pub meter: Arc<RwLock<Meter>>,
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

impl Server {
    /// A server of a meter, with the default settings.
    pub fn of(meter: Meter) -> Self {
        Self::with(meter, netweir_web::Settings::default())
    }

    pub fn with(meter: Meter, settings: netweir_web::Settings) -> Self {
        let meter = Arc::new(RwLock::new(meter));
        let (ticker, ticks) = ticker(Duration::from_secs(1));
        let state = State::new(Arc::clone(&meter), ticks, settings);
        Self {
            router: router(state.clone()),
            state,
            ticker,
            meter,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(request("GET", path)).await
    }

    pub async fn ask(&self, request: Request<Body>) -> Answer {
        let (head, body) = self.open(request).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// The response with a body that is still to come.
    pub async fn open(&self, request: Request<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.unwrap()
    }
}

pub fn request(method: &str, path: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost:8080")
        .body(Body::empty())
        .unwrap()
}

/// A meter that was started and never fed.
pub fn empty_meter() -> Meter {
    sampling_meter(1)
}

fn sampling_meter(sampling: u32) -> Meter {
    let settings = Settings {
        sampling,
        wall_offset_ns: WALL_NS,
        ..Settings::default()
    };
    Meter::new(&settings, 0)
}

/// `eth0` with a TCP connection, and `eth1` with an ARP request, after one tick of two seconds.
pub fn meter() -> Meter {
    let mut meter = empty_meter();
    feed(&mut meter);
    meter
}

/// The same of one frame in 100, and of what `eth1` sent all was left out: 4 packets by the filter,
/// 5 by sampling.
pub fn sampled_meter() -> Meter {
    let mut meter = sampling_meter(100);
    feed(&mut meter);
    let counters = InterfaceCounters {
        seen: Count {
            packets: 9,
            frames: 9,
            bytes: 1000,
        },
        filtered: Volume {
            packets: 4,
            bytes: 400,
        },
        sampled: Volume {
            packets: 5,
            bytes: 600,
        },
        ..InterfaceCounters::ZERO
    };
    meter.apply(&Batch {
        interfaces: vec![of(3, Direction::Egress, counters)],
        ..Batch::default()
    });
    meter
}

/// The same under rules: `payments` counts what comes in by TCP, `suspect` drops what goes out, of which
/// the first heads are told; then another rule decides about what comes in.
pub fn labelled_meter() -> Meter {
    let mut meter = empty_meter();
    let told = |number, action, name: &str| Labelled {
        number,
        action,
        label: Label {
            id: number + 6,
            name: name.into(),
        },
    };
    let rules = [
        told(1, RuleAction::Count, "payments"),
        told(2, RuleAction::Drop, "suspect"),
        told(3, RuleAction::Sample, "suspect"),
    ];
    meter.set_rules(&rules);
    for (ifindex, name) in [(2, "eth0"), (3, "eth1")] {
        meter.add_interface(interface(ifindex, name));
    }
    let mut batch = batch();
    batch.flows[0].rule = RuleMark::new(1, RuleAction::Count);
    batch.flows[1].rule = RuleMark::new(2, RuleAction::Drop);
    batch.interfaces[1].counters.dropped = batch.flows[1].counters.count().volume();
    batch.heads = HeadCounters {
        told: 3,
        passed_over: 90,
        lost: [4, 2, 1],
        ..HeadCounters::default()
    };
    let key = batch.flows[1].key;
    meter.apply(&batch);
    for (rule, byte) in [(3, 0xab), (3, 0), (0, 1)] {
        let mark = match rule {
            0 => RuleMark::NONE,
            number => RuleMark::new(number, RuleAction::Sample),
        };
        let head = PacketHead {
            key,
            time_ns: SECOND_NS,
            frame_bytes: 1514,
            captured_bytes: 2,
            rule: mark.0,
        };
        meter.apply_head(&head, &[byte, 0x0f]);
    }
    meter.tick(2 * SECOND_NS);
    meter.set_rules(&rules[1..]);
    meter
}

fn feed(meter: &mut Meter) {
    for (ifindex, name) in [(2, "eth0"), (3, "eth1")] {
        meter.add_interface(interface(ifindex, name));
    }
    meter.apply(&batch());
    meter.tick(2 * SECOND_NS);
}

fn batch() -> Batch {
    let opening = counters(10, 1000, 0x12);
    let tcp = key(
        2,
        Direction::Ingress,
        ([10, 0, 0, 1], 50_000),
        ([10, 0, 0, 2], 443),
    );
    let reply = key(
        2,
        Direction::Egress,
        ([10, 0, 0, 2], 443),
        ([10, 0, 0, 1], 50_000),
    );
    let mut https = seen(opening.count(), &[Class::Ipv4, Class::Tcp, Class::Https]);
    // One packet more was seen than was counted.
    https.seen += one_packet();
    https.lost[0] += one_packet().volume();
    Batch {
        now_ns: 2 * SECOND_NS,
        flows: vec![
            sample(tcp, opening),
            sample(reply, counters(5, 500, 0x11)),
            sample(arp(), counters(1, 42, 0)),
        ],
        interfaces: vec![
            of(2, Direction::Ingress, https),
            of(
                2,
                Direction::Egress,
                seen(
                    counters(5, 500, 0).count(),
                    &[Class::Ipv4, Class::Tcp, Class::Https],
                ),
            ),
            of(
                3,
                Direction::Ingress,
                seen(counters(1, 42, 0).count(), &[Class::OtherFamily]),
            ),
        ],
        ..Batch::default()
    }
}

fn one_packet() -> Count {
    Count {
        packets: 1,
        frames: 1,
        bytes: 100,
    }
}

pub fn interface(ifindex: u32, name: &str) -> Interface {
    Interface {
        id: InterfaceId { netns: 9, ifindex },
        name: name.into(),
        netns_name: None,
        hook: Hook::Tcx,
        loopback: false,
        link: Some(LinkType::Ethernet),
        present: true,
    }
}

fn sample(key: FlowKey, counters: FlowCounters) -> Sample {
    Sample {
        key,
        counters,
        ..Sample::default()
    }
}

fn of(ifindex: u32, direction: Direction, counters: InterfaceCounters) -> InterfaceSample {
    let key = InterfaceKey {
        netns: 9,
        ifindex,
        direction: direction as u32,
    };
    InterfaceSample { key, counters }
}

fn seen(count: Count, classes: &[Class]) -> InterfaceCounters {
    let mut counters = InterfaceCounters {
        seen: count,
        counted: count,
        ..InterfaceCounters::ZERO
    };
    for &class in classes {
        counters.classes[class as usize] = Volume {
            packets: count.packets,
            bytes: count.bytes,
        };
    }
    counters
}

fn counters(packets: u64, bytes: u64, tcp_flags: u16) -> FlowCounters {
    FlowCounters {
        packets,
        frames: packets,
        bytes,
        first_ns: SECOND_NS,
        last_ns: SECOND_NS + 500_000_000,
        source_mac: [2, 0, 0, 0, 0, 1],
        tcp_flags,
        traffic_class: 0xb8,
        ..FlowCounters::ZERO
    }
}

fn key(
    ifindex: u32,
    direction: Direction,
    (source, source_port): ([u8; 4], u16),
    (destination, destination_port): ([u8; 4], u16),
) -> FlowKey {
    FlowKey {
        netns: 9,
        ifindex,
        source: Ipv4Addr::from(source).to_ipv6_mapped().octets(),
        destination: Ipv4Addr::from(destination).to_ipv6_mapped().octets(),
        source_port: source_port.to_be_bytes(),
        destination_port: destination_port.to_be_bytes(),
        ethertype: [8, 0],
        outer_vlan: [0, 7],
        protocol: 6,
        direction: direction as u8,
        ..FlowKey::default()
    }
}

fn arp() -> FlowKey {
    let mut key = FlowKey {
        netns: 9,
        ifindex: 3,
        ethertype: [8, 6],
        ..FlowKey::default()
    };
    key.source[..6].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    key.destination[..6].copy_from_slice(&[0xff; 6]);
    key
}
