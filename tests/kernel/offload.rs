//! Offloaded frames: one skb is several packets of the wire.

use netweir_agent::attach::MapSizes;
use netweir_packets::frame::{ACK, ethernet_ipv4, ipv4, tcp};
use netweir_tests::{Program, Reading, Rig, SkbContext, is_root};
use netweir_wire::packet::{LinkType, protocol};

/// Ethernet, IPv4 and TCP, each without options.
const HEADERS: u64 = 54;

struct Offloaded {
    payload: u64,
    segment_bytes: u32,
    segments: u32,
    wire_bytes: u32,
    /// Packets and bytes at ingress.
    received: (u64, u64),
    /// Packets and bytes at egress.
    sent: (u64, u64),
}

fn cases() -> Vec<Offloaded> {
    let of = |payload, (segment_bytes, segments, wire_bytes), received, sent| Offloaded {
        payload,
        segment_bytes,
        segments,
        wire_bytes,
        received,
        sent,
    };
    let three = (3, 3 * HEADERS + 2500);
    vec![
        of(1000, (0, 0, 0), (1, HEADERS + 1000), (1, HEADERS + 1000)),
        of(2500, (1000, 3, 0), three, three),
        // The number of segments is left to be worked out: by a guest, by GRO.
        of(2500, (1000, 0, 0), three, three),
        of(
            2000,
            (1000, 0, 0),
            (2, 2 * HEADERS + 2000),
            (2, 2 * HEADERS + 2000),
        ),
        // Segments without a size are left over from something else.
        of(2500, (0, 3, 0), (1, HEADERS + 2500), (1, HEADERS + 2500)),
        // A tunnel repeats more than the outer headers; the kernel knows how much when it sends.
        of(2500, (1000, 3, 3000), three, (3, 3000)),
        of(
            1000,
            (1000, 1, 2000),
            (1, HEADERS + 1000),
            (1, HEADERS + 1000),
        ),
    ]
}

#[test]
fn segments_are_counted_as_the_wire_carries_them() {
    if !is_root() {
        return;
    }
    let sizes = MapSizes {
        cache: 16_384,
        flows: 16,
        ring: 4096,
        quic: 0,
        interfaces: 4,
    };
    let mut rig = Rig::new(7, sizes).unwrap();
    for (number, case) in cases().into_iter().enumerate() {
        let payload = vec![0; case.payload as usize];
        let segment = [tcp(1000, 2000, ACK), payload].concat();
        let frame = ethernet_ipv4(ipv4(protocol::TCP).carrying(segment));
        let context = SkbContext::new()
            .segment_bytes(case.segment_bytes)
            .segments(case.segments)
            .wire_bytes(case.wire_bytes);
        for (program, (packets, bytes)) in [
            (Program::TC_INGRESS, case.received),
            (Program::TC_EGRESS, case.sent),
        ] {
            rig.run_with(program, &frame, &context).unwrap();
            let found = rig.drain().unwrap();
            let reading = Reading::new(&frame, LinkType::Ethernet).counted_as(packets, bytes);
            let sample = reading.sample(rig.interface(program));
            assert_eq!(found.flows.len(), 1);
            assert_eq!(found.flows[0].key, sample.key);
            assert_eq!(
                found.flows[0].counters.count(),
                reading.count(),
                "{} of case {number}",
                program.name
            );
        }
    }
}
