//! Short headers: counted, told now and then, and their spin bit timed.

use netweir_agent::now_ns;
use netweir_packets::quic::short;
use netweir_tests::{Pinned, Program, Rig, await_that, is_root};
use netweir_wire::{
    map::{QUIC_SHORT_BYTES, QuicEvent, QuicEventKind, SpinSums},
    packet::{LinkType, quic::SPIN_BIT},
};

use super::{check_books, counters, frame, rig, run_offloaded, told};

/// A short header is told four times a second at most.
const PAUSE_NS: u64 = 250_000_000;
/// A timer tick at the lowest frequency.
const TICK_NS: u64 = 10_000_000;

#[test]
fn short_headers_are_counted_and_one_is_told_per_pause() {
    if !is_root() {
        return;
    }
    let _pinned = Pinned::to_one_cpu().unwrap();
    for program in Program::all().filter(|program| program.link != LinkType::Ip) {
        let mut rig = rig(program);
        let payload = short(&[7; 8], &[0x5a; 1000]);
        let began = now_ns();
        let (mut sent, mut events) = (0, Vec::new());
        await_that(|| {
            program
                .run(&mut rig.object, &frame(5000, &payload), 100)
                .unwrap();
            sent += 100;
            events.append(&mut rig.events());
            match events.len() {
                0..3 => Err(format!("{} events", events.len())),
                _ => Ok(()),
            }
        });
        let times: Vec<u64> = events.iter().map(|(event, _)| event.time_ns).collect();
        for pair in times.windows(2) {
            assert!(pair[1] - pair[0] + TICK_NS >= PAUSE_NS, "{times:?}");
        }
        // The first one at once.
        assert!(times[0] < began + PAUSE_NS, "{began} {times:?}");
        for (event, bytes) in &events {
            assert_eq!(event.kind, QuicEventKind::Short as u8);
            assert_eq!(event.payload_bytes as usize, payload.len());
            assert_eq!(bytes[..], payload[..QUIC_SHORT_BYTES]);
        }
        let batch = rig.drain().unwrap();
        check_books(&batch, false);
        assert_eq!(batch.quic.short, sent, "{}", program.name);
        assert_eq!(batch.quic.told, [0, events.len() as u64, 0]);
    }
}

#[test]
fn every_short_header_of_an_offloaded_frame_is_counted() {
    if !is_root() {
        return;
    }
    for program in [Program::TC_INGRESS, Program::TC_EGRESS] {
        let mut rig = rig(program);
        for (segments, last) in [(1, 30), (2, 1), (128, 25), (64, 24)] {
            let bytes = (segments - 1) * 25 + last;
            let payload = vec![0x41; bytes];
            let before = counters(&mut rig).short;
            run_offloaded(
                &mut rig,
                program,
                if segments == 1 { 30 } else { 25 },
                &payload,
            );
            let counted = counters(&mut rig).short - before;
            assert_eq!(counted, segments as u64, "{}", program.name);
        }
        check_books(&rig.drain().unwrap(), false);
    }
}

/// Which flow turns, which does not, and which turns within a frame.
#[test]
fn turns_of_the_spin_bit_are_timed() {
    if !is_root() {
        return;
    }
    let _pinned = Pinned::to_one_cpu().unwrap();
    for program in Program::all().filter(|program| program.link != LinkType::Ip) {
        let mut rig = rig(program);
        let frames = [0, SPIN_BIT].map(|bit| frame(5000, &[0x40 | bit; 100]));
        let mut times = Vec::new();
        let (event, _) = await_that(|| {
            let before = now_ns();
            rig.run(program, &frames[times.len() % 2]).unwrap();
            times.push((before, now_ns()));
            // Another flow whose bit does not turn, and turns that the last of a frame takes back.
            rig.run(program, &frame(5001, &[0x60; 100])).unwrap();
            let events = rig.events();
            let spins = told(&events, QuicEventKind::Spin);
            spins
                .first()
                .map(|event| (*event).clone())
                .ok_or_else(|| format!("{times:?}"))
        });
        assert_eq!(event.key.source_port, 5000_u16.to_be_bytes());
        check_spin(&event, &times);
        assert_eq!(counters(&mut rig).told[2], 1, "{}", program.name);
    }
}

/// Compares with when packets were sent: the first one has the bit for the first time, and from the
/// second one on it turns.
fn check_spin(event: &QuicEvent, times: &[(u64, u64)]) {
    let SpinSums {
        sum_ns,
        min_ns,
        max_ns,
        turns,
        packets,
    } = event.spin;
    assert_eq!((event.payload_bytes, event.captured_bytes), (0, 0));
    assert_eq!(packets as usize, times.len());
    assert_eq!(turns as usize, times.len() - 2);
    // What was between the beginnings and the ends of two packets, at least and at most.
    let (first, last) = (times[1], times[times.len() - 1]);
    assert!((last.0 - first.1..=last.1 - first.0).contains(&sum_ns));
    let between = |pair: &[(u64, u64)]| (pair[1].0 - pair[0].1, pair[1].1 - pair[0].0);
    let between: Vec<_> = times[1..].windows(2).map(between).collect();
    let least = between.iter().map(|(least, _)| *least);
    let most = between.iter().map(|(_, most)| *most);
    assert!((least.clone().min().unwrap()..=most.clone().min().unwrap()).contains(&min_ns));
    assert!((least.max().unwrap()..=most.max().unwrap()).contains(&max_ns));
}

/// The datagrams of a frame are sent at once: what turns within it is no round trip.
#[test]
fn a_turn_within_a_frame_is_none() {
    if !is_root() {
        return;
    }
    let program = Program::TC_EGRESS;
    let mut rig = rig(program);
    let datagrams = |bits: [u8; 4]| bits.map(|bit| [0x40 | bit; 30]).concat();
    let run = |rig: &mut Rig, bits| run_offloaded(rig, program, 30, &datagrams(bits));
    let began = now_ns();
    await_that(|| {
        run(&mut rig, [0, SPIN_BIT, SPIN_BIT, 0]);
        match now_ns() - began {
            0..500_000_000 => Err(String::new()),
            _ => Ok(()),
        }
    });
    assert_eq!(told(&rig.events(), QuicEventKind::Spin).len(), 0);
    // Only then does the last one differ.
    run(&mut rig, [0, 0, 0, SPIN_BIT]);
    run(&mut rig, [0; 4]);
    let events = rig.events();
    let quic = counters(&mut rig);
    assert_eq!(
        told(&events, QuicEventKind::Spin).len(),
        1,
        "{quic:?} {events:?}"
    );
}
