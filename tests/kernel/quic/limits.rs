//! How much is told: what is more is counted under its reason, to the last datagram.

use netweir_agent::{
    attach::{MapSizes, Variant},
    now_ns,
};
use netweir_tests::{Pinned, Program, Rig, is_root};
use netweir_wire::map::{QuicEventKind, QuicLoss};

use super::{SIZES, check_books, frame, long, rig_of, told};

/// Events of a flow in a second, and twice as many at once.
const OF_FLOW: u64 = 64;
/// Events of a CPU in a second, and as many at once.
const OF_CPU: u64 = 20_000;
/// What has no place in a ring of a page is lost; here everything has.
const ROOMY: MapSizes = MapSizes {
    quic: 1 << 24,
    ..SIZES
};

/// How many may have been told, since then, of so many a second and so many at once.
fn most(per_second: u64, at_once: u64, since_ns: u64) -> u64 {
    at_once + (now_ns() - since_ns) * per_second / 1_000_000_000 + 1
}

#[test]
fn a_flood_of_one_flow_is_limited() {
    if !is_root() {
        return;
    }
    const FLOOD: u32 = 100_000;
    for program in [Program::xdp(), Program::TC_INGRESS, Program::TC_EGRESS] {
        let _pinned = Pinned::to_one_cpu().unwrap();
        let mut rig = rig_of(program, ROOMY, Variant::default());
        let began = now_ns();
        program
            .run(&mut rig.object, &frame(5000, &long(1, 1200)), FLOOD)
            .unwrap();
        let most = most(OF_FLOW, 2 * OF_FLOW, began);
        // Another flow has an allowance of its own.
        rig.run(program, &frame(5001, &long(1, 1200))).unwrap();
        let events = rig.events();
        let is_other = |port: [u8; 2]| port == 5001_u16.to_be_bytes();
        let others = events
            .iter()
            .filter(|(event, _)| is_other(event.key.source_port));
        assert_eq!(others.count(), 1);
        let batch = rig.drain().unwrap();
        check_books(&batch, false);
        let quic = batch.quic;
        assert_eq!(quic.long, u64::from(FLOOD) + 1);
        assert_eq!(quic.told[0], events.len() as u64);
        assert!((2 * OF_FLOW..=most + 1).contains(&quic.told[0]), "{quic:?}");
        let lost = quic.long - quic.told[0];
        assert_eq!(quic.lost[QuicLoss::FlowLimit as usize], lost);
    }
}

#[test]
fn a_flood_of_many_flows_is_limited() {
    if !is_root() {
        return;
    }
    const FLOWS: u16 = 1000;
    const OF_EACH: u32 = 100;
    let _pinned = Pinned::to_one_cpu().unwrap();
    let program = Program::TC_INGRESS;
    let mut rig = rig_of(program, ROOMY, Variant::default());
    let began = now_ns();
    for port in 0..FLOWS {
        let frame = frame(1000 + port, &long(1, 40));
        program.run(&mut rig.object, &frame, OF_EACH).unwrap();
    }
    let events = rig.events();
    let batch = rig.drain().unwrap();
    check_books(&batch, false);
    let quic = batch.quic;
    assert_eq!(quic.long, u64::from(FLOWS) * u64::from(OF_EACH));
    assert_eq!(quic.told, [events.len() as u64, 0, 0]);
    assert!(
        (OF_CPU..=most(OF_CPU, OF_CPU, began)).contains(&quic.told[0]),
        "{quic:?}"
    );
    assert_ne!(quic.lost[QuicLoss::CpuLimit as usize], 0);
    assert_eq!(quic.lost[QuicLoss::RingFull as usize], 0);
}

/// Short headers and the spin bit leave a half of the allowance to long headers.
#[test]
fn a_half_of_the_allowance_is_kept_for_long_headers() {
    if !is_root() {
        return;
    }
    let _pinned = Pinned::to_one_cpu().unwrap();
    let program = Program::TC_INGRESS;
    let mut rig = rig_of(program, ROOMY, Variant::default());
    let began = now_ns();
    // All but a few of those that a CPU has at once.
    let flows = (OF_CPU / (2 * OF_FLOW)) as u16 - 1;
    let open = |rig: &mut Rig, flow: u16| {
        let frame = frame(1000 + flow, &long(1, 40));
        let times = 2 * OF_FLOW as u32;
        program.run(&mut rig.object, &frame, times).unwrap();
    };
    (0..flows).for_each(|flow| open(&mut rig, flow));
    let wanted = u64::from(flows) * 2 * OF_FLOW;
    // Some of them may share a place, and then its allowance.
    let mut more = flows..2 * flows;
    let mut long_told = rig.drain().unwrap().quic.told[QuicEventKind::Long as usize];
    while long_told < wanted {
        open(&mut rig, more.next().unwrap());
        long_told = rig.drain().unwrap().quic.told[QuicEventKind::Long as usize];
    }
    rig.run(program, &frame(6000, &[0x40; 40])).unwrap();
    let half_again = now_ns() - began > 450_000_000;
    let events = rig.events();
    let told_long = told(&events, QuicEventKind::Long).len() as u64;
    assert_eq!(told_long, long_told);
    let told_short = told(&events, QuicEventKind::Short).len();
    assert!(told_short == 0 || half_again);
    check_books(&rig.drain().unwrap(), false);
}

#[test]
fn what_a_full_ring_has_no_room_for_is_counted() {
    if !is_root() {
        return;
    }
    let sizes = MapSizes {
        quic: 4096,
        ..SIZES
    };
    let program = Program::TC_EGRESS;
    let _pinned = Pinned::to_one_cpu().unwrap();
    let mut rig = rig_of(program, sizes, Variant::default());
    // Room for three of them, time and again: also around the ring's end.
    for round in 1..=10 {
        for number in 0..10 {
            rig.run(program, &frame(5000, &long(number, 1000))).unwrap();
        }
        let events = rig.events();
        let numbers: Vec<u8> = events.iter().map(|(_, bytes)| bytes[6]).collect();
        assert_eq!(numbers, [0, 1, 2]);
        let batch = rig.drain().unwrap();
        check_books(&batch, false);
        assert_eq!(batch.quic.told[0], 3 * round);
        assert_eq!(batch.quic.lost[QuicLoss::RingFull as usize], 7 * round);
    }
}

#[test]
fn nothing_is_looked_at_without_a_ring() {
    if !is_root() {
        return;
    }
    let sizes = MapSizes { quic: 0, ..SIZES };
    for program in Program::all() {
        let mut rig = rig_of(program, sizes, Variant::default());
        let frame = frame(5000, &long(1, 100));
        let frame = match program.link {
            netweir_wire::packet::LinkType::Ip => &frame[14..],
            _ => &frame[..],
        };
        rig.run(program, frame).unwrap();
        rig.run(program, frame).unwrap();
        assert_eq!(rig.events(), []);
        let batch = rig.drain().unwrap();
        assert_eq!(batch.quic, Default::default());
        assert_eq!(batch.flows[0].counters.packets, 2);
    }
}
