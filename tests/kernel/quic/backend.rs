//! Short headers by what their connection IDs name.

use netweir_agent::attach::Variant;
use netweir_flow::{
    quic::layout::{Layout, Layouts},
    rule::Rule,
};
use netweir_packets::quic::short;
use netweir_tests::{Program, Rig, is_root};
use netweir_wire::{
    map::{QuicBackendKey, RuleAction, RuleMark, Undecoded, Volume},
    packet::LinkType,
};

use super::{SIZES, check_books, frame, rig_of, run_offloaded};
use crate::rule::{enforce, numbered};

/// Layouts of some lines.
pub(super) fn layouts(lines: &[&str]) -> Layouts {
    let parsed = lines.iter().flat_map(|line| Layout::parse(line).unwrap());
    Layouts::new(&parsed.collect::<Vec<_>>()).unwrap()
}

pub(super) fn rig_with_layouts(program: Program, layouts: &Layouts) -> Rig {
    let variant = Variant {
        layouts: true,
        ..Variant::default()
    };
    let mut rig = rig_of(program, SIZES, variant);
    rig.collector.set_layouts(layouts.program()).unwrap();
    rig
}

/// What was added to backends since the last time, in the order of the backend and the queue.
fn backends(rig: &mut Rig) -> Vec<(u64, u64, u64, u64)> {
    let batch = rig.drain().unwrap();
    check_books(&batch, true);
    let flat = |(key, volume): &(QuicBackendKey, Volume)| {
        assert_eq!((key.layout, key.named), (0, 3));
        (key.backend, key.queue, volume.packets, volume.bytes)
    };
    let mut found: Vec<_> = batch.quic_backends.iter().map(flat).collect();
    found.sort_unstable();
    found
}

/// A connection ID of the preset `telementry`.
pub(super) fn cid(backend: u16, salt: u32) -> Vec<u8> {
    [&[0, 0][..], &backend.to_be_bytes(), &salt.to_be_bytes()].concat()
}

#[test]
fn short_headers_are_counted_by_backend_and_queue() {
    if !is_root() {
        return;
    }
    let layouts = layouts(&["telementry server=10.0.0.2 port=443"]);
    for program in Program::all().filter(|program| program.link != LinkType::Ip) {
        let mut rig = rig_with_layouts(program, &layouts);
        for (backend, times) in [(5, 3), (70, 2), (5, 1)] {
            for salt in 0..times {
                let payload = short(&cid(backend, salt), &[1; 41]);
                rig.run(program, &frame(5000, &payload)).unwrap();
            }
        }
        let name = program.name;
        let expected = [(5, 5, 4, 200), (70, 6, 2, 100)];
        assert_eq!(backends(&mut rig), expected, "{name}");
        assert_eq!(backends(&mut rig), [], "{name}: nothing was added");
        let payload = short(&cid(70, 9), &[1; 41]);
        rig.run(program, &frame(5000, &payload)).unwrap();
        assert_eq!(backends(&mut rig), [(70, 6, 1, 50)], "{name}");
        // Too short, and to nobody's server.
        rig.run(program, &frame(5000, &short(&[0; 7], &[])))
            .unwrap();
        let mut other = frame(5000, &payload);
        other[14 + 19] = 3;
        rig.run(program, &other).unwrap();
        let quic = rig.drain().unwrap().quic;
        assert_eq!(quic.undecoded[Undecoded::Length as usize], 1);
        assert_eq!(quic.undecoded[Undecoded::NoLayout as usize], 1);
        assert_eq!(quic.decoded, 7);
    }
}

/// What follows a short connection ID is another in each datagram, and is none of it.
#[test]
fn datagrams_of_a_frame_are_counted_by_what_the_layout_sees() {
    if !is_root() {
        return;
    }
    let layouts = layouts(&["custom port=443 length=3 guard=0xff/0x11 backend=8:8 queue=16:8"]);
    for program in [Program::TC_INGRESS, Program::TC_EGRESS] {
        let mut rig = rig_with_layouts(program, &layouts);
        let datagrams: Vec<u8> = (0..100_u8)
            .flat_map(|number| [&[0x41, 0x11, 9, 4], &[number; 21][..]].concat())
            .collect();
        run_offloaded(&mut rig, program, 25, &datagrams);
        assert_eq!(backends(&mut rig), [(9, 4, 100, 2500)], "{}", program.name);
        // The last one is shorter, and one in between is another's.
        let mut datagrams = [[0x41; 25], [0x41; 25], [0x41; 25], [0x41; 25]].concat();
        for (datagram, cid) in datagrams.chunks_mut(25).zip([1, 2, 1, 1]) {
            datagram[1..4].copy_from_slice(&[0x11, cid, 7]);
        }
        run_offloaded(&mut rig, program, 25, &datagrams[..80]);
        let expected = [(1, 7, 3, 55), (2, 7, 1, 25)];
        assert_eq!(backends(&mut rig), expected, "{}", program.name);
        // With another first byte it is no ID of theirs, which the others behind it are again.
        datagrams[25 + 1] = 0x12;
        run_offloaded(&mut rig, program, 25, &datagrams[..80]);
        let batch = rig.drain().unwrap();
        check_books(&batch, true);
        assert_eq!(batch.quic.undecoded[Undecoded::Guard as usize], 1);
        assert_eq!(batch.quic.decoded, 107);
    }
}

/// The rest of a frame is told apart as well that a long header begins.
#[test]
fn short_headers_behind_a_long_one_are_counted() {
    if !is_root() {
        return;
    }
    let layouts = layouts(&["telementry port=443"]);
    let program = Program::TC_EGRESS;
    let mut rig = rig_with_layouts(program, &layouts);
    let mut datagrams = super::long(1, 50);
    for number in 0..3 {
        datagrams.extend(short(&cid(5, 0), &[number; 41]));
    }
    run_offloaded(&mut rig, program, 50, &datagrams);
    assert_eq!(backends(&mut rig), [(5, 5, 3, 150)]);
}

#[test]
fn too_many_connection_ids_of_a_frame_are_counted_as_such() {
    if !is_root() {
        return;
    }
    let layouts = layouts(&["telementry port=443"]);
    let program = Program::TC_EGRESS;
    let mut rig = rig_with_layouts(program, &layouts);
    let datagrams = (0..30).flat_map(|number| short(&cid(number, 0), &[number as u8; 41]));
    run_offloaded(&mut rig, program, 50, &datagrams.collect::<Vec<u8>>());
    let batch = rig.drain().unwrap();
    check_books(&batch, true);
    assert_eq!((batch.quic.decoded, batch.quic.no_room), (4, 26));
}

/// A rule that asks for a backend decides from the packet on that is behind the one which names it.
#[test]
fn rules_know_the_backend() {
    if !is_root() {
        return;
    }
    let layouts = layouts(&["telementry port=443"]);
    let set = numbered([Rule {
        label: "five".into(),
        backend: Some(5),
        ..Rule::default()
    }]);
    for program in Program::all().filter(|program| program.link != LinkType::Ip) {
        let mut rig = rig_with_layouts(program, &layouts);
        enforce(&mut rig, program, &set);
        for backend in [5, 5, 5, 70, 70] {
            let payload = short(&cid(backend, 1), &[1; 41]);
            rig.run(program, &frame(5000, &payload)).unwrap();
        }
        let batch = rig.drain().unwrap();
        let of = |rule: RuleMark| {
            let flows = batch.flows.iter().filter(|flow| flow.rule == rule);
            flows.map(|flow| flow.counters.packets).sum::<u64>()
        };
        // The first one names it, and the fourth one is the first that names another.
        let five = RuleMark::new(1, RuleAction::Count);
        assert_eq!((of(RuleMark::NONE), of(five)), (2, 3), "{}", program.name);
    }
}
