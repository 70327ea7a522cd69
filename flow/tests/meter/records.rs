//! What a record says of a flow.

use crate::driver::{Driver, SECOND, START, count, egress, icmp, sample, tcp, transport};
use netweir_flow::{Icmp, Mac, Protocol, Query, Record, Sample, Settings};
use netweir_wire::{
    map::{Direction, FLOW_FIRST_FRAGMENT, FLOW_LATER_FRAGMENT, FlowCounters, FlowKey},
    packet::{ethertype, protocol},
};

/// The record of one sample.
fn record(sample: Sample) -> Record {
    let settings = Settings {
        wall_offset_ns: 7,
        ..Settings::default()
    };
    let mut driver = Driver::new(&settings);
    driver.drain(&[sample]);
    let mut records = driver.meter.flows(&Query::default());
    assert_eq!(records.len(), 1);
    records.remove(0)
}

#[test]
fn every_field_is_told() {
    let key = FlowKey {
        outer_vlan: [0, 100],
        inner_vlan: [1, 1],
        ..egress(tcp("10.0.0.1:50000 10.0.0.2:443"))
    };
    let record = record(Sample {
        key,
        counters: FlowCounters {
            packets: 3,
            frames: 2,
            bytes: 300,
            first_ns: START - 9,
            last_ns: START - 4,
            source_mac: [2, 0, 0, 0, 0, 1],
            destination_mac: [2, 0, 0, 0, 0, 2],
            tcp_flags: 0x12,
            traffic_class: 0xb9,
            marks: FLOW_FIRST_FRAGMENT,
        },
        ..Sample::default()
    });
    assert_eq!(
        (record.netns, record.ifindex, &*record.interface),
        (1, 2, "eth0")
    );
    assert_eq!(record.direction, Direction::Egress);
    assert_eq!(record.source.to_string(), "10.0.0.1:50000");
    assert_eq!(record.destination.to_string(), "10.0.0.2:443");
    assert_eq!(
        (record.ethertype, record.protocol),
        (ethertype::IPV4, protocol::TCP)
    );
    assert_eq!(record.protocol_name().to_string(), "TCP");
    assert_eq!(record.vlans, [100, 257]);
    assert_eq!(
        (
            record.count.packets,
            record.count.frames,
            record.count.bytes
        ),
        (3, 2, 300)
    );
    assert_eq!(record.delta, record.count);
    assert_eq!(
        (record.first_unix_ns, record.last_unix_ns),
        (START - 2, START + 3)
    );
    assert_eq!(record.duration_ns(), 5);
    assert_eq!(record.source_mac.to_string(), "02:00:00:00:00:01");
    assert_eq!(record.destination_mac, Mac([2, 0, 0, 0, 0, 2]));
    assert_eq!(
        (record.tcp_flags, record.traffic_class, record.dscp()),
        (0x12, 0xb9, 46)
    );
    assert!(record.first_fragment && !record.later_fragment);
    assert_eq!((record.icmp, record.reason), (None, None));
}

#[test]
fn ends_are_written_by_protocol() {
    let later = |mut sample: Sample| {
        sample.counters.marks = FLOW_LATER_FRAGMENT;
        sample
    };
    let of = |key| sample(key, count(1, 60), START);
    let v6 = "[2001:db8::1]:1 [2001:db8::2]:2";
    let frame = |number: u16| FlowKey {
        source: [2, 0, 0, 0, 0, 0xab, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        destination: [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
        ethertype: number.to_be_bytes(),
        ..FlowKey::default()
    };
    let table = [
        (of(tcp(v6)), "TCP [2001:db8::1]:1 [2001:db8::2]:2"),
        (
            of(transport(17, "10.0.0.1:0 10.0.0.2:53")),
            "UDP 10.0.0.1:0 10.0.0.2:53",
        ),
        (
            later(of(transport(17, "10.0.0.1:0 10.0.0.2:0"))),
            "UDP 10.0.0.1 10.0.0.2",
        ),
        (
            of(transport(47, "10.0.0.1:0 10.0.0.2:0")),
            "GRE 10.0.0.1 10.0.0.2",
        ),
        (
            of(transport(200, "10.0.0.1:0 10.0.0.2:0")),
            "200 10.0.0.1 10.0.0.2",
        ),
        (of(icmp("10.0.0.1 10.0.0.2", 8)), "ICMP 10.0.0.1 10.0.0.2"),
        (of(icmp("fe80::1 fe80::2", 128)), "ICMPv6 fe80::1 fe80::2"),
        (of(frame(0x0806)), "ARP 02:00:00:00:00:ab ff:ff:ff:ff:ff:ff"),
        (of(frame(0)), "802.3 02:00:00:00:00:ab ff:ff:ff:ff:ff:ff"),
        (
            of(frame(0x1234)),
            "0x1234 02:00:00:00:00:ab ff:ff:ff:ff:ff:ff",
        ),
        (of(frame(0x0800)), "IP 02:00:00:00:00:ab ff:ff:ff:ff:ff:ff"),
        (of(frame(0x86dd)), "IP6 02:00:00:00:00:ab ff:ff:ff:ff:ff:ff"),
    ];
    for (sample, expected) in table {
        let record = record(sample);
        let name = record.protocol_name();
        let written = format!("{name} {} {}", record.source, record.destination);
        assert_eq!(written, expected);
    }
}

#[test]
fn icmp_has_type_and_code_unless_they_were_in_another_fragment() {
    let echo_reply = |marks| {
        let mut sample = sample(icmp("10.0.0.1 10.0.0.2", 0), count(1, 60), START);
        sample.counters.marks = marks;
        record(sample).icmp
    };
    let read = Some(Icmp { kind: 0, code: 0 });
    assert_eq!(echo_reply(0), read);
    assert_eq!(echo_reply(FLOW_FIRST_FRAGMENT | FLOW_LATER_FRAGMENT), read);
    assert_eq!(echo_reply(FLOW_LATER_FRAGMENT), None);
}

#[test]
fn samples_of_a_flow_are_joined() {
    let key = tcp("10.0.0.1:50000 10.0.0.2:443");
    let mut driver = Driver::new(&Settings::default());
    let mut first = sample(key, count(1, 100), START);
    first.counters.source_mac = [2; 6];
    first.counters.tcp_flags = 2;
    first.counters.traffic_class = 4;
    let mut second = sample(key, count(2, 200), START + SECOND);
    second.counters.source_mac = [4; 6];
    second.counters.tcp_flags = 0x10;
    second.counters.traffic_class = 8;
    driver.drain(&[first]);
    driver.now_ns += SECOND;
    driver.drain(&[second]);
    let record = driver.meter.flows(&Query::default()).remove(0);
    assert_eq!(record.count, count(3, 300));
    assert_eq!(
        (record.first_unix_ns, record.duration_ns()),
        (START, SECOND)
    );
    assert_eq!((record.source_mac, record.tcp_flags), (Mac([2; 6]), 0x12));
    assert_eq!(record.traffic_class, 8);
}

#[test]
fn an_interface_that_nobody_has_told_of_gets_a_name() {
    let key = FlowKey {
        ifindex: 77,
        ..tcp("10.0.0.1:50000 10.0.0.2:443")
    };
    assert_eq!(&*record(sample(key, count(1, 60), START)).interface, "if77");
}

#[test]
fn names_of_protocols_are_read_as_they_are_written() {
    for number in 0..=255 {
        let protocol = Protocol::Ip(number);
        if let Some(name) = protocol.name() {
            assert_eq!(Protocol::from_name(&name.to_lowercase()), Some(protocol));
        }
    }
    assert_eq!(Protocol::from_name("icmp6"), Some(Protocol::Ip(58)));
    assert_eq!(
        Protocol::from_name("arp"),
        Some(Protocol::Ethertype(0x0806))
    );
    assert_eq!(Protocol::from_name("nothing"), None);
}
