//! The tracepoint programs where the kernel's packets cannot be read: each is counted as that.

use std::{
    thread,
    time::{Duration, Instant},
};

use aya::{RawTracePointRunOptions, TestRun, programs::RawTracePoint};
use netweir_agent::{
    Netns,
    attach::{MapSizes, Object, Purpose},
    collect::Collector,
    scratch::{FrameSocket, veth},
};
use netweir_tests::{Traced, drain, is_root, udp_frame};
use netweir_wire::{
    map::{Direction, Volume},
    name,
};

const SIZES: MapSizes = MapSizes {
    cache: 16_384,
    flows: 64,
    ring: 4096,
    quic: 0,
    interfaces: 4,
};
const FRAMES: u64 = 100;

/// Programs that are given a packet where no memory is.
#[test]
fn packets_at_no_address_are_unreadable() {
    if !is_root() {
        return;
    }
    let mut object = Object::load(&Purpose::Tracepoints { any: true }, SIZES).unwrap();
    let mut collector = Collector::new(&mut object).unwrap();
    let mut expected = Volume::ZERO;
    for name in [name::TRACE_RECEIVE_LINEAR, name::TRACE_TRANSMIT_LINEAR] {
        let program = object.program(name, RawTracePoint::load).unwrap();
        // Nothing is at the beginning, and this is no address at all.
        for address in [0, 0xdead_0000_0000_0100] {
            let mut options = RawTracePointRunOptions::new();
            options.args[0] = address;
            program.test_run(options).unwrap();
            // How long it is stands where nothing can be read.
            expected.packets += 1;
        }
        let batch = drain(&mut collector).unwrap();
        assert_eq!(batch.strays, [Volume::ZERO, expected], "{name}");
        assert_eq!((batch.interfaces, batch.flows), (vec![], vec![]), "{name}");
    }
}

#[test]
fn packets_of_unknown_types_are_unreadable() {
    if is_root() {
        count_unreadable(Traced::Linear);
    }
}

#[test]
fn packets_of_unknown_types_are_unreadable_with_paged_data() {
    if is_root() && Traced::Paged.is_there_or_skip() {
        count_unreadable(Traced::Paged);
    }
}

/// Programs that know the offsets of no field, as under a kernel whose types are others: what they
/// take for the address of the device is none. All frames that are sent have to show; others of this
/// host do as well.
fn count_unreadable(traced: Traced) {
    for direction in [Direction::Ingress, Direction::Egress] {
        count_unreadable_at(traced, direction);
    }
}

fn count_unreadable_at(traced: Traced, direction: Direction) {
    let ends = ["left", "right"].map(|name| Netns::anonymous(name).unwrap());
    let [left, right] = &ends;
    veth((left, "left"), (right, "right")).unwrap();
    // Only a load for tracepoints is given the offsets.
    let mut object = Object::load(&Purpose::Interfaces { netns: 7 }, SIZES).unwrap();
    let mut collector = Collector::new(&mut object).unwrap();
    traced.attach_at(&mut object, direction);
    let socket = FrameSocket::open(left, "left").unwrap();
    for _ in 0..FRAMES {
        socket.send(&udp_frame(1000, 100)).unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let batch = drain(&mut collector).unwrap();
        let [full, unreadable] = batch.strays;
        assert_eq!((full, unreadable.bytes), (Volume::ZERO, 0));
        assert_eq!((batch.interfaces, batch.flows), (vec![], vec![]));
        if unreadable.packets >= FRAMES {
            break;
        }
        assert!(Instant::now() < deadline, "{unreadable:?}");
        thread::sleep(Duration::from_millis(1));
    }
}
