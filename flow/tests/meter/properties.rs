//! What holds for any input, hostile ones too.

use crate::driver::{START, interface};
use netweir_flow::{
    Accounting, Batch, Difference, InterfaceSample, Label, Labelled, Listing, Meter, Query, Sample,
    Settings, SortKey,
    quic::{self, connection},
};
use netweir_wire::map::{
    Count, FlowCounters, FlowKey, InterfaceCounters, InterfaceKey, PacketHead, QuicEvent,
    RuleAction, RuleMark, Volume,
};
use proptest::{prelude::*, sample::select};

/// Numbers as hostile as they get, and tame ones.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(u64::MAX),
        any::<u64>(),
        1..2000_u64,
        START..START * 2
    ]
}

/// Keys that often meet again, in any direction, and now and then any bytes at all.
fn key() -> impl Strategy<Value = FlowKey> {
    let tame = (
        select(vec![0x0800_u16, 0x86dd, 0x0806, 0]),
        select(vec![0_u8, 1, 6, 17, 58, 135]),
        (0..3_u8, 0..3_u8),
        (0..3_u8, select(vec![0_u8, 8, 128, 135, 3])),
        (0..4_u32, select(vec![0_u8, 1, 2, 255])),
    );
    tame.prop_map(|(ethertype, protocol, ends, ports, (ifindex, direction))| {
        let address = |last| [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, last];
        FlowKey {
            netns: 1,
            ifindex,
            source: address(ends.0),
            destination: address(ends.1),
            source_port: [0, ports.0],
            destination_port: [ports.1, 0],
            ethertype: ethertype.to_be_bytes(),
            protocol,
            direction,
            ..FlowKey::default()
        }
    })
}

/// Keys of which most are the other direction of another.
fn meeting_key() -> impl Strategy<Value = FlowKey> {
    key().prop_map(|key| FlowKey {
        ifindex: 1,
        ethertype: [8, 0],
        protocol: 6,
        source_port: [0; 2],
        destination_port: [0; 2],
        direction: key.direction & 1,
        ..key
    })
}

pub(crate) fn any_key() -> impl Strategy<Value = FlowKey> {
    let bytes = (
        any::<[u8; 16]>(),
        any::<[u8; 16]>(),
        any::<[u8; 12]>(),
        any::<u32>(),
    );
    bytes.prop_map(|(source, destination, rest, ifindex)| FlowKey {
        netns: ifindex,
        ifindex,
        source,
        destination,
        source_port: [rest[0], rest[1]],
        destination_port: [rest[2], rest[3]],
        ethertype: [rest[4], rest[5]],
        outer_vlan: [rest[6], rest[7]],
        inner_vlan: [rest[8], rest[9]],
        protocol: rest[10],
        direction: rest[11],
        reserved: [0; 4],
    })
}

fn sample() -> impl Strategy<Value = Sample> {
    let key = prop_oneof![9 => key(), 1 => any_key()];
    let counters = (
        number(),
        number(),
        number(),
        number(),
        number(),
        any::<[u8; 4]>(),
    );
    let rule = prop_oneof![2 => Just(0), 1 => 1..4_u16, 1 => any::<u16>()];
    (key, counters, rule).prop_map(
        |(key, (packets, frames, bytes, first_ns, last_ns, rest), rule)| Sample {
            key,
            counters: FlowCounters {
                packets,
                frames,
                bytes,
                first_ns,
                last_ns,
                tcp_flags: u16::from_be_bytes([rest[0], rest[1]]),
                traffic_class: rest[2],
                marks: rest[3],
                ..FlowCounters::default()
            },
            rule: RuleMark(rule),
        },
    )
}

fn interface_sample() -> impl Strategy<Value = InterfaceSample> {
    (0..4_u32, 0..4_u32, number(), number()).prop_map(|(ifindex, direction, packets, bytes)| {
        let count = Count {
            packets,
            frames: packets,
            bytes,
        };
        InterfaceSample {
            key: InterfaceKey {
                netns: 1,
                ifindex,
                direction,
            },
            counters: InterfaceCounters {
                seen: count,
                counted: count,
                ..InterfaceCounters::default()
            },
        }
    })
}

fn batch() -> impl Strategy<Value = Batch> {
    let flows = prop::collection::vec(sample(), 0..20);
    let interfaces = prop::collection::vec(interface_sample(), 0..4);
    (number(), flows, interfaces, number()).prop_map(|(now_ns, flows, interfaces, stray)| {
        let stray = Volume {
            packets: stray,
            bytes: stray,
        };
        Batch {
            now_ns,
            flows,
            interfaces,
            strays: [stray; 2],
            ..Batch::default()
        }
    })
}

/// Small limits, so that they are reached.
fn settings() -> impl Strategy<Value = Settings> {
    (number(), number(), 0..20_usize, 0..4_usize).prop_map(|(idle_ns, active_ns, flows, few)| {
        Settings {
            idle_ns,
            active_ns,
            max_flows: flows,
            max_hosts: few,
            max_interfaces: few,
            sampling: few as u32,
            wall_offset_ns: -5,
            max_heads: few,
            quic: quic_settings(idle_ns, few),
        }
    })
}

fn quic_settings(idle_ns: u64, few: usize) -> quic::Settings {
    let limits = connection::Limits {
        connections: few,
        guesses: few,
        ..connection::Limits::default()
    };
    quic::Settings {
        any_port: true,
        connections: connection::Settings {
            idle_ns,
            limits,
            ..connection::Settings::default()
        },
        max_traced: few,
        ..quic::Settings::default()
    }
}

/// Everything that can be read, read.
fn read_all(meter: &Meter) {
    for sort in SortKey::ALL {
        let query = Query {
            sort,
            limit: Some(3),
            ..Query::default()
        };
        meter.flows(&query);
        meter.connections(&query);
        meter.hosts(&query);
    }
    for record in meter.flows(&Query::default()) {
        drop(format!(
            "{} {} {}",
            record.protocol_name(),
            record.source,
            record.destination
        ));
    }
    meter.totals(None);
    let accounting = meter.accounting();
    accounting.imbalance();
    read_labels(meter, &accounting);
    read_quic(meter);
}

/// What was counted under labels is all that came, but for what has no direction.
fn read_labels(meter: &Meter, accounting: &Accounting) {
    let one_in = u64::from(accounting.sampling);
    let labels = meter.label_totals();
    if one_in == 1 {
        let zero = Count::default();
        let all = labels.iter().fold(zero, |sum, it| sum + it.hits.count);
        assert_eq!(all + accounting.malformed, accounting.received);
    }
    let flows: usize = labels.iter().map(|it| it.hits.flows).sum();
    assert_eq!(flows, accounting.flows);
    meter.rule_totals();
    meter.heads(1);
}

fn read_quic(meter: &Meter) {
    for sort in SortKey::ALL {
        let query = Query {
            sort,
            ..Query::default()
        };
        let mut listing = Listing::<quic::Record>::new(query.clone());
        while listing.read(meter) {}
        assert_eq!(listing.finish(), meter.quic_connections(&query));
    }
    let table = meter.quic().map(|quic| quic.accounting().table);
    let table = table.expect("any port may be one of QUIC");
    assert_eq!(table.outcomes.iter().sum::<u64>(), table.events);
    assert_eq!(table.received, table.live + table.ended + table.unclaimed);
}

/// Events with any bytes, often of flows that samples are of, too.
fn event() -> impl Strategy<Value = (QuicEvent, Vec<u8>)> {
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    (key(), number(), 0..5_u8, bytes).prop_map(|(key, time_ns, kind, bytes)| {
        let event = QuicEvent {
            key,
            time_ns,
            kind,
            payload_bytes: bytes.len() as u32,
            ..QuicEvent::default()
        };
        (event, bytes)
    })
}

/// Rules with any number, and few labels.
fn labelled() -> impl Strategy<Value = Labelled> {
    let number = prop_oneof![3 => 0..4_u16, 1 => any::<u16>()];
    (number, select(RuleAction::ALL.to_vec()), "[ab]").prop_map(|(number, action, name)| Labelled {
        number,
        action,
        label: Label {
            id: number,
            name: name.into(),
        },
    })
}

proptest! {
    #[test]
    fn every_packet_is_accounted_for(
        settings in settings(),
        batches in prop::collection::vec((batch(), number()), 1..12),
        events in prop::collection::vec(event(), 0..12),
        rules in prop::collection::vec(labelled(), 1..5),
    ) {
        let mut meter = Meter::new(&settings, START);
        meter.add_interface(interface(1, "lo"));
        for (number, (batch, tick_ns)) in batches.iter().enumerate() {
            for (event, bytes) in events.iter().skip(number) {
                meter.apply_quic(event, bytes);
                let rule = event.kind.into();
                meter.apply_head(&PacketHead { key: event.key, rule, ..PacketHead::default() }, bytes);
            }
            meter.set_rules(&rules[number % rules.len()..]);
            meter.apply(batch);
            read_all(&meter);
            meter.tick(*tick_ns);
            // The flows summed one by one are what the counters say, and nothing is missing.
            let accounting = meter.audit();
            prop_assert_eq!(&accounting, &meter.accounting());
            prop_assert_eq!(accounting.imbalance().table, Difference::default());
        }
        read_all(&meter);
        meter.finish(u64::MAX);
    }

    #[test]
    fn records_tell_of_each_packet_once(
        batches in prop::collection::vec(prop::collection::vec((key(), 1..50_u64), 0..20), 1..20),
        idle in 1..10_u64,
        active in 1..10_u64,
    ) {
        let settings = Settings { idle_ns: idle << 30, active_ns: active << 30, ..Settings::default() };
        let mut meter = Meter::new(&settings, START);
        let mut records = Vec::new();
        let mut now_ns = START;
        for flows in &batches {
            let of = |&(key, packets): &(FlowKey, u64)| {
                crate::driver::sample(key, crate::driver::count(packets, packets * 60), now_ns)
            };
            meter.apply(&Batch { now_ns, flows: flows.iter().map(of).collect(), ..Batch::default() });
            now_ns += 1 << 30;
            records.extend(meter.tick(now_ns));
        }
        records.extend(meter.finish(now_ns));
        let told = records.iter().fold(Count::default(), |sum, record| sum + record.delta);
        prop_assert_eq!(told, meter.audit().in_flows);
    }

    #[test]
    fn each_flow_is_in_one_connection(keys in prop::collection::hash_set(meeting_key(), 0..30)) {
        let mut meter = Meter::new(&Settings::default(), START);
        let of = |&key| crate::driver::sample(key, crate::driver::count(1, 60), START);
        meter.apply(&Batch { now_ns: START, flows: keys.iter().map(of).collect(), ..Batch::default() });
        let connections = meter.connections(&Query::default());
        let packets = connections.iter().map(|it| it.forward.packets + it.reverse.packets);
        prop_assert_eq!(packets.sum::<u64>(), meter.flows(&Query::default()).len() as u64);
    }
}
