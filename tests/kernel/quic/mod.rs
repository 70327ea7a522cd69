//! The look at datagrams between QUIC ports: what is told, what is counted, and what is left out.

mod backend;
mod full;
mod limits;
mod live;
mod malformed;
mod property;
mod segments;
mod short;
mod told;

use netweir_agent::attach::{MapSizes, Variant};
use netweir_flow::Batch;
use netweir_packets::frame::{ethernet_ipv4, ipv4, udp};
use netweir_tests::{Program, Rig, SkbContext, udp_frame};
use netweir_wire::{
    map::{QuicCounters, QuicEvent, QuicEventKind},
    packet::{LinkType, protocol},
};

/// A port of QUIC by the corpus.
const PORT: u16 = 443;

const SIZES: MapSizes = MapSizes {
    cache: 16_384,
    flows: 1024,
    ring: 4096,
    quic: 1 << 20,
    interfaces: 4,
};

/// A rig that counts at an interface which is known: so the second frame of a flow takes the short
/// way.
fn rig(program: Program) -> Rig {
    rig_of(program, SIZES, Variant::default())
}

fn rig_of(program: Program, sizes: MapSizes, variant: Variant) -> Rig {
    let mut rig = Rig::variant(7, sizes, variant).unwrap();
    let interface = rig.interface(program);
    rig.collector.add_interface(interface).unwrap();
    // The program is loaded with the first run, which takes its time.
    let other = udp_frame(1, 0);
    let other = match program.link {
        LinkType::Ip => &other[14..],
        _ => &other[..],
    };
    rig.run(program, other).unwrap();
    rig.drain().unwrap();
    rig
}

/// A frame with a datagram from this port to that of QUIC.
fn frame(source_port: u16, payload: &[u8]) -> Vec<u8> {
    ethernet_ipv4(ipv4(protocol::UDP).carrying(udp(source_port, PORT, payload)))
}

/// A datagram with a long header of this many bytes (15 at least); `number` stands in the connection
/// ID.
fn long(number: u8, bytes: usize) -> Vec<u8> {
    let mut packet = vec![0xc3, 0, 0, 0, 1, 8, number, 2, 3, 4, 5, 6, 7, 8, 0];
    packet.resize(bytes, 0xaa);
    packet
}

/// Runs a program over an offloaded frame with these datagrams, which have `segment` bytes each but
/// for the last one.
fn run_offloaded(rig: &mut Rig, program: Program, segment: usize, payload: &[u8]) {
    let segments = payload.len().div_ceil(segment);
    let context = SkbContext::new()
        .segment_bytes(segment as u32)
        .segments(segments as u32);
    rig.run_with(program, &frame(5000, payload), &context)
        .unwrap();
}

/// What was counted of QUIC since the start.
fn counters(rig: &mut Rig) -> QuicCounters {
    rig.drain().unwrap().quic
}

fn told(events: &[(QuicEvent, Vec<u8>)], kind: QuicEventKind) -> Vec<&(QuicEvent, Vec<u8>)> {
    let of_kind = events.iter().filter(|(event, _)| event.kind == kind as u8);
    of_kind.collect()
}

/// Every long header was told or is lost under a reason; every short one is counted by what it names,
/// where there are layouts.
fn check_books(batch: &Batch, has_layouts: bool) {
    let quic = &batch.quic;
    let lost: u64 = quic.lost.iter().sum();
    assert_eq!(quic.long, quic.told[0] + lost, "{quic:?}");
    let undecoded: u64 = quic.undecoded.iter().sum();
    let decoded = quic.decoded + quic.no_room + undecoded;
    assert_eq!(
        decoded,
        if has_layouts { quic.short } else { 0 },
        "{quic:?}"
    );
}
