//! The look at the tracepoints, live: the kernel runs them over no frame of ours.

use netweir_agent::{
    Netns,
    attach::{Object, Purpose, Variant},
    collect::Collector,
    scratch::{FrameSocket, veth},
};
use netweir_packets::quic::short;
use netweir_tests::{Reading, Rig, Traced, await_that, interface_key, is_root};
use netweir_wire::{
    map::{Direction, QuicBackendKey, QuicCounters, QuicEvent, Volume},
    packet::LinkType,
};

use super::{SIZES, backend::layouts, frame, long};

#[test]
fn tracepoints_look_at_quic() {
    if is_root() && Traced::Paged.is_there_or_skip() {
        look(Traced::Paged);
    }
}

#[test]
fn tracepoints_without_paged_data_look_at_quic() {
    if is_root() {
        look(Traced::Linear);
    }
}

/// What came of the watched interfaces.
#[derive(Default)]
struct Found {
    events: Vec<(QuicEvent, Vec<u8>)>,
    backends: Vec<(QuicBackendKey, Volume)>,
    counters: QuicCounters,
}

/// Sends datagrams from one end of a pair to the other, of which egress of the first and ingress of
/// the second are watched.
fn look(traced: Traced) {
    let [left, right] = ["left", "right"].map(|name| Netns::anonymous(name).unwrap());
    veth((&left, "left"), (&right, "right")).unwrap();
    let variant = Variant {
        layouts: true,
        ..Variant::default()
    };
    let purpose = Purpose::Tracepoints { any: false };
    let mut object = Object::load_variant(&purpose, SIZES, variant).unwrap();
    let collector = Collector::new(&mut object).unwrap();
    let mut rig = Rig::of(7, object, collector).unwrap();
    let layouts = layouts(&["telementry port=443"]);
    rig.collector.set_layouts(layouts.program()).unwrap();
    let watched = [
        interface_key(&left, "left", Direction::Egress),
        interface_key(&right, "right", Direction::Ingress),
    ];
    for key in watched {
        rig.collector.add_interface(key).unwrap();
    }
    traced.attach(&mut rig.object);
    let datagrams = [long(1, 1200), short(&[0, 0, 0, 9, 1, 2, 3, 4], &[6; 100])];
    let socket = FrameSocket::open(&left, "left").unwrap();
    for datagram in &datagrams {
        socket.send(&frame(5000, datagram)).unwrap();
    }
    let mut found = Found::default();
    await_that(|| {
        found.events.append(&mut rig.events());
        let batch = rig.drain().unwrap();
        found.backends.extend(batch.quic_backends);
        found.counters = batch.quic;
        let came = (
            found.counters.long,
            found.counters.short,
            found.events.len(),
        );
        (came == (2, 2, 4)).then_some(()).ok_or(format!("{came:?}"))
    });
    for key in watched {
        let expected = Reading::new(&frame(5000, &datagrams[0]), LinkType::Ethernet).sample(key);
        let of_key = found
            .events
            .iter()
            .filter(|(event, _)| event.key == expected.key);
        let of_key: Vec<_> = of_key.map(|(event, bytes)| (event.kind, bytes)).collect();
        let (long, short) = (&datagrams[0], datagrams[1][..64].to_vec());
        assert_eq!(of_key, [(0, long), (1, &short)]);
    }
    let backends: u64 = found
        .backends
        .iter()
        .map(|(key, volume)| {
            assert_eq!((key.backend, key.queue), (9, 9));
            volume.packets
        })
        .sum();
    assert_eq!((backends, found.counters.decoded), (2, 2));
}
