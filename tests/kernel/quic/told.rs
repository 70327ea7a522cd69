//! Long headers are told whole, each datagram once, and nothing else is looked at.

use netweir_agent::now_ns;
use netweir_packets::{
    frame::{cut, ethernet, ethernet_ipv4, ethernet_ipv6, fragment, ipv4, ipv6, padded, udp, vlan},
    quic::{client_initial, short},
};
use netweir_tests::{Program, Reading, Rig, is_root};
use netweir_wire::{
    map::{QUIC_CAPTURED_BYTES, QuicEventKind, QuicLoss},
    packet::{LinkType, ethertype, protocol, quic::Version},
};

use super::{PORT, check_books, counters, frame, long, rig, run_offloaded, told};

/// A client's first datagram.
fn initial() -> Vec<u8> {
    client_initial(Version::V1, &[7; 8], &[8; 5]).carrying([1; 40])
}

/// The same datagram in every kind of frame that a program takes.
fn frames(program: Program, payload: &[u8]) -> Vec<Vec<u8>> {
    let datagram = udp(5000, PORT, payload);
    let (v4, v6) = (ipv4(protocol::UDP), ipv6(protocol::UDP));
    let packets = [v4.carrying(&datagram), v6.carrying(&datagram)];
    if program.link == LinkType::Ip {
        return packets.to_vec();
    }
    let [v4, v6] = packets;
    let answer = ipv4(protocol::UDP)
        .between("10.0.0.2", "10.0.0.1")
        .carrying(udp(PORT, 5000, payload));
    vec![
        ethernet_ipv4(&v4),
        ethernet_ipv6(&v6),
        ethernet_ipv4(answer),
        ethernet(ethertype::VLAN, vlan(10, ethertype::IPV4, &v4)),
        ethernet(
            ethertype::SERVICE_VLAN,
            vlan(10, ethertype::VLAN, vlan(20, ethertype::IPV6, &v6)),
        ),
        // Options: the long way alone reads them.
        ethernet_ipv4(ipv4(protocol::UDP).options(&[1; 8]).carrying(&datagram)),
    ]
}

#[test]
fn a_long_header_is_told_whole() {
    if !is_root() {
        return;
    }
    for program in Program::all() {
        let mut rig = rig(program);
        let mut sent = 0;
        for payload in [initial(), long(1, 15), long(2, 2047), long(3, 2100)] {
            for frame in frames(program, &payload) {
                // First a flow that the cache does not know, or has no time of yet, then one it does.
                for _ in 0..2 {
                    is_told(&mut rig, program, &frame, &payload);
                    sent += 1;
                }
            }
        }
        let batch = rig.drain().unwrap();
        check_books(&batch, false);
        assert_eq!((batch.quic.long, batch.quic.told), (sent, [sent, 0, 0]));
    }
}

fn is_told(rig: &mut Rig, program: Program, frame: &[u8], payload: &[u8]) {
    let before = now_ns();
    rig.run(program, frame).unwrap();
    let events = rig.events();
    let [(event, bytes)] = &events[..] else {
        panic!("{}: {} events", program.name, events.len());
    };
    let sample = Reading::new(frame, program.link).sample(rig.interface(program));
    assert_eq!(event.key, sample.key, "{}", program.name);
    assert_eq!(event.kind, QuicEventKind::Long as u8);
    assert_eq!(event.payload_bytes as usize, payload.len());
    assert!((before..=now_ns()).contains(&event.time_ns));
    let captured = payload.len().min(QUIC_CAPTURED_BYTES);
    assert_eq!(bytes[..], payload[..captured], "{}", program.name);
    assert_eq!(rig.events(), [], "an event is read once");
}

#[test]
fn what_is_no_datagram_between_quic_ports_is_not_looked_at() {
    if !is_root() {
        return;
    }
    let payload = long(1, 100);
    let to = |number, port| udp(number, port, &payload);
    let later = ipv4(protocol::UDP).fragment(0x0010);
    let frames = [
        ethernet_ipv4(ipv4(protocol::UDP).carrying(to(5000, 53))),
        ethernet_ipv6(ipv6(protocol::UDP).carrying(to(444, 442))),
        ethernet_ipv4(ipv4(protocol::TCP).carrying([to(5000, PORT), vec![0x50; 40]].concat())),
        ethernet_ipv4(ipv4(protocol::UDP_LITE).carrying(to(5000, PORT))),
        ethernet_ipv4(later.carrying(to(5000, PORT))),
        ethernet_ipv6(ipv6(protocol::FRAGMENT).carrying(fragment(
            protocol::UDP,
            0x0010,
            to(5000, PORT),
        ))),
        // No payload, with and without padding, and less than a UDP header.
        frame(5000, &[]),
        padded(frame(5000, &[])),
        padded(frame(5001, &[])),
        cut(frame(5002, &[0; 10]), 14 + 20 + 6),
    ];
    for program in Program::all().filter(|program| program.link != LinkType::Ip) {
        let mut rig = rig(program);
        for frame in frames.iter().flat_map(|frame| [frame; 2]) {
            rig.run(program, frame).unwrap();
        }
        assert_eq!(rig.events(), []);
        let quic = counters(&mut rig);
        assert_eq!((quic.long, quic.short), (0, 0), "{}", program.name);
        // The same interface does see them.
        rig.run(program, &frame(5000, &payload)).unwrap();
        assert_eq!(counters(&mut rig).long, 1);
    }
}

/// What UDP says is longer or shorter than what is there.
#[test]
fn a_datagram_ends_where_udp_and_the_frame_say() {
    if !is_root() {
        return;
    }
    let cases = [
        // Padded up to Ethernet's least frame.
        (padded(frame(5000, &long(1, 15))), 15, 15),
        (padded(frame(5000, &[0xc0])), 1, 1),
        // Cut: by a capture, or as a first fragment.
        (cut(frame(5000, &long(1, 1000)), 14 + 28 + 300), 300, 300),
        (
            ethernet_ipv4(
                ipv4(protocol::UDP)
                    .fragment(0x2000)
                    .carrying(cut(udp(5000, PORT, &long(1, 1000)), 8 + 200)),
            ),
            200,
            200,
        ),
    ];
    for program in Program::all().filter(|program| program.link != LinkType::Ip) {
        let mut rig = rig(program);
        for (frame, payload_bytes, captured) in &cases {
            rig.run(program, frame).unwrap();
            let events = rig.events();
            let lengths = events
                .iter()
                .map(|(event, bytes)| (event.payload_bytes, bytes.len()));
            let lengths: Vec<_> = lengths.collect();
            assert_eq!(lengths, [(*payload_bytes, *captured)], "{}", program.name);
        }
        check_books(&rig.drain().unwrap(), false);
    }
}

#[test]
fn every_datagram_of_an_offloaded_frame_is_told() {
    if !is_root() {
        return;
    }
    for program in [Program::TC_INGRESS, Program::TC_EGRESS] {
        let mut rig = rig(program);
        let mut payload: Vec<u8> = (0..9).flat_map(|number| long(number, 100)).collect();
        payload.extend(long(9, 40));
        for _ in 0..2 {
            run_offloaded(&mut rig, program, 100, &payload);
            let events = rig.events();
            let found: Vec<_> = events
                .iter()
                .map(|(event, bytes)| (event.payload_bytes, bytes.clone()))
                .collect();
            let expected: Vec<_> = payload
                .chunks(100)
                .map(|datagram| (datagram.len() as u32, datagram.to_vec()))
                .collect();
            assert_eq!(found, expected, "{}", program.name);
        }
        check_books(&rig.drain().unwrap(), false);
    }
}

#[test]
fn long_and_short_headers_of_one_frame_are_told_apart() {
    if !is_root() {
        return;
    }
    let program = Program::TC_EGRESS;
    let mut rig = rig(program);
    let datagrams = [
        long(1, 60),
        short(&[1; 8], &[0x55; 51]),
        long(2, 60),
        short(&[2; 8], &[0x66; 51]),
    ];
    run_offloaded(&mut rig, program, 60, &datagrams.concat());
    let events = rig.events();
    let bytes_of = |kind| -> Vec<Vec<u8>> {
        let events = told(&events, kind);
        events.iter().map(|(_, bytes)| bytes.clone()).collect()
    };
    assert_eq!(
        bytes_of(QuicEventKind::Long),
        [datagrams[0].clone(), datagrams[2].clone()]
    );
    // Of the short ones the last.
    assert_eq!(bytes_of(QuicEventKind::Short), [datagrams[3].clone()]);
    let quic = counters(&mut rig);
    assert_eq!((quic.long, quic.short), (2, 2));
}

/// A frame has more long headers than are told, or more datagrams than are walked.
#[test]
fn what_is_too_much_in_one_frame_is_lost_under_its_reason() {
    if !is_root() {
        return;
    }
    let program = Program::TC_EGRESS;
    let mut rig = rig(program);
    let payload: Vec<u8> = (0..40).flat_map(|number| long(number, 20)).collect();
    run_offloaded(&mut rig, program, 20, &payload);
    assert_eq!(rig.events().len(), 16);
    let quic = counters(&mut rig);
    assert_eq!((quic.long, quic.told[0]), (40, 16));
    assert_eq!(quic.lost[QuicLoss::FlowLimit as usize], 24);

    run_offloaded(&mut rig, program, 20, &[0x40; 20 * 130 + 5]);
    let batch = rig.drain().unwrap();
    check_books(&batch, false);
    assert_eq!(batch.quic.short, 128);
    assert_eq!(batch.quic.lost[QuicLoss::Unreadable as usize], 3);
}
