//! A full map of backends: what it has no room for is counted, to the last datagram.

use netweir_packets::quic::short;
use netweir_tests::{Program, is_root};
use netweir_wire::map::{QuicBackendKey, Volume};

use super::{
    backend::{cid, layouts, rig_with_layouts},
    check_books, frame, run_offloaded,
};

/// Backends and queues that the kernel tells apart.
const ROOM: u16 = 1 << 14;
/// Those that come when the map is full.
const SURPLUS: u16 = 100;
/// Bytes of a payload.
const BYTES: usize = 50;

fn payload(backend: u16) -> Vec<u8> {
    short(&cid(backend, 0), &[1; BYTES - 9])
}

fn numbers(backends: &[(QuicBackendKey, Volume)]) -> Vec<(u64, u64)> {
    let mut numbers: Vec<_> = backends
        .iter()
        .map(|(key, volume)| {
            assert_eq!(volume.bytes, volume.packets * BYTES as u64);
            (key.backend, volume.packets)
        })
        .collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn what_a_full_map_of_backends_has_no_room_for_is_counted() {
    if !is_root() {
        return;
    }
    let layouts = layouts(&["telementry port=443"]);
    let program = Program::TC_EGRESS;
    let mut rig = rig_with_layouts(program, &layouts);
    for backend in 0..ROOM + SURPLUS {
        rig.run(program, &frame(5000, &payload(backend))).unwrap();
    }
    // Those that have a place are counted on, and nobody else: not in offloaded frames either.
    rig.run(program, &frame(5000, &payload(0))).unwrap();
    // Of those without a place the first three are counted together.
    let none = ROOM + SURPLUS;
    let backends = [none, none, 7, none, 7, none + 1];
    let datagrams = backends.map(payload).concat();
    run_offloaded(&mut rig, program, BYTES, &datagrams);
    let batch = rig.drain().unwrap();
    check_books(&batch, true);
    let (room, surplus) = (u64::from(ROOM), u64::from(SURPLUS));
    let counted = (batch.quic.decoded, batch.quic.no_room);
    assert_eq!(counted, (room + 3, surplus + 4));
    let mut first: Vec<_> = (0..room).map(|backend| (backend, 1)).collect();
    (first[0].1, first[7].1) = (2, 3);
    assert!(numbers(&batch.quic_backends) == first);

    // With each drain there is room again.
    for backend in [0, none, none + 1, 0] {
        rig.run(program, &frame(5000, &payload(backend))).unwrap();
    }
    let batch = rig.drain().unwrap();
    check_books(&batch, true);
    let counted = (batch.quic.decoded, batch.quic.no_room);
    assert_eq!(counted, (room + 7, surplus + 4));
    let none = u64::from(none);
    let added = [(0, 2), (none, 1), (none + 1, 1)];
    assert_eq!(numbers(&batch.quic_backends), added);
    assert!(rig.drain().unwrap().quic_backends.is_empty());
}
