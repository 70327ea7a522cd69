//! Events with a defect, through the real ring buffer: they are told as such, and those behind them are
//! read.

use netweir_agent::attach::{Object, Purpose, Variant};
use netweir_agent::collect::Collector;
use netweir_flow::{Meter, Settings, quic::connection::Outcome};
use netweir_packets::quic::short;
use netweir_tests::{Program, Rig, is_root, object_with_cut_quic_events};
use netweir_wire::map::{QUIC_CAPTURED_BYTES, QuicEvent};

use super::{SIZES, check_books, frame, long};

/// What programs of the defect object put behind an event, at most.
const MOST: usize = 1023;
const NETNS: u32 = 7;

/// A rig whose programs cut `short_by` bytes off each event, and the bytes of a datagram in it behind
/// [`MOST`], and still say that they are there.
fn rig(short_by: usize) -> Rig {
    let head = size_of::<QuicEvent>() - short_by;
    let object = object_with_cut_quic_events(head as u32, MOST as u32);
    let purpose = Purpose::Interfaces { netns: NETNS };
    let mut object = Object::load_from(&object, &purpose, SIZES, Variant::default()).unwrap();
    let collector = Collector::new(&mut object).unwrap();
    Rig::of(NETNS, object, collector).unwrap()
}

#[test]
fn what_is_behind_a_malformed_event_is_read() {
    if !is_root() {
        return;
    }
    let sent = [
        long(1, 100),
        long(2, MOST + 1),
        long(3, QUIC_CAPTURED_BYTES),
        short(&[4; 8], &[0x5a; 200]),
        long(5, 1500),
        long(6, MOST),
    ];
    for program in [Program::xdp(), Program::TC_INGRESS, Program::TC_EGRESS] {
        let mut rig = rig(0);
        let mut meter = Meter::new(&Settings::default(), 0);
        for round in 1..=20 {
            for (port, payload) in (5000..).zip(&sent) {
                // A flow of its own, of which a short header is told at once.
                let port = port + 10 * round;
                rig.run(program, &frame(port, payload)).unwrap();
            }
            let events = rig.events();
            let found: Vec<_> = events
                .iter()
                .map(|(event, bytes)| (event.kind, &bytes[..]))
                .collect();
            let none = (u8::MAX, &[][..]);
            let expected = [
                (0, &sent[0][..]),
                none,
                none,
                (1, &sent[3][..64]),
                none,
                (0, &sent[5][..]),
            ];
            assert_eq!(found, expected, "{}", program.name);
            for (event, bytes) in &events {
                meter.apply_quic(event, bytes);
            }
        }
        let batch = rig.drain().unwrap();
        check_books(&batch, false);
        let table = meter.quic().unwrap().accounting().table;
        let told: u64 = batch.quic.told.iter().sum();
        assert_eq!((table.events, table.outcomes.iter().sum()), (told, told));
        assert_eq!(table.outcome(Outcome::Malformed), 60);
    }
}

/// Not one of them is long enough for what it says, and some not for an event at all.
#[test]
fn events_that_are_cut_are_malformed() {
    if !is_root() {
        return;
    }
    for short_by in [1, 8, size_of::<QuicEvent>()] {
        let mut rig = rig(short_by);
        for payload in [long(1, 20), short(&[4; 8], &[0x5a; 40]), long(2, 500)] {
            rig.run(Program::TC_INGRESS, &frame(5000, &payload))
                .unwrap();
        }
        let kinds: Vec<_> = rig.events().iter().map(|(event, _)| event.kind).collect();
        assert_eq!(kinds, [u8::MAX; 3], "{short_by}");
        check_books(&rig.drain().unwrap(), false);
    }
}
