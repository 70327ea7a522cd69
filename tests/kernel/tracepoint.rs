//! The tracepoint programs, live: the kernel runs them over no frame of ours.

use std::{
    thread,
    time::{Duration, Instant},
};

use aya::{
    Btf,
    programs::{BtfTracePoint, RawTracePoint},
};
use netweir_agent::{
    Netns,
    attach::{MapSizes, Object, Purpose},
    collect::Collector,
    scratch::{FrameSocket, veth},
    watch,
};
use netweir_flow::Batch;
use netweir_tests::{Feature, drain, is_root, udp_frame};
use netweir_wire::{
    map::{Direction, InterfaceKey},
    name,
};

const RECEIVE: &str = "netif_receive_skb";
const TRANSMIT: &str = "net_dev_queue";
const FRAMES: u64 = 100;

#[test]
fn tracepoints_count_what_is_watched() {
    if !is_root() || !Feature::TracedPages.is_there_or_skip() {
        return;
    }
    count_watched(|object| {
        let types = Btf::from_sys_fs().unwrap();
        let both = [
            (name::TRACE_RECEIVE, RECEIVE),
            (name::TRACE_TRANSMIT, TRANSMIT),
        ];
        for (name, tracepoint) in both {
            let load = |program: &mut BtfTracePoint| program.load(tracepoint, &types);
            object.program(name, load).unwrap().attach().unwrap();
        }
    });
}

#[test]
fn tracepoints_without_paged_data_count_what_is_watched() {
    if !is_root() {
        return;
    }
    count_watched(|object| {
        let both = [
            (name::TRACE_RECEIVE_LINEAR, RECEIVE),
            (name::TRACE_TRANSMIT_LINEAR, TRANSMIT),
        ];
        for (name, tracepoint) in both {
            let program = object.program(name, RawTracePoint::load).unwrap();
            program.attach(tracepoint).unwrap();
        }
    });
}

/// Interfaces of two namespaces that have the same index, of which the agent knows one.
#[test]
fn equal_indexes_never_mix() {
    if !is_root() {
        return;
    }
    let ends = ["left", "right"].map(|name| Netns::anonymous(name).unwrap());
    let [left, right] = &ends;
    veth((left, "left"), (right, "right")).unwrap();
    let keys = [(left, "left"), (right, "right")]
        .map(|(netns, name)| interface(netns, name, Direction::Egress));
    assert_eq!(keys[0].ifindex, keys[1].ifindex);
    let sizes = MapSizes {
        cache: 16_384,
        flows: 64,
        ring: 4096,
        quic: 0,
        interfaces: 256,
    };
    let mut object = Object::load(&Purpose::Tracepoints { any: true }, sizes).unwrap();
    let mut collector = Collector::new(&mut object).unwrap();
    collector.add_interface(keys[0]).unwrap();
    let program = object.program(name::TRACE_TRANSMIT_LINEAR, RawTracePoint::load);
    program.unwrap().attach(TRANSMIT).unwrap();
    let frame = udp_frame(1000, 100);
    for (netns, name) in [(left, "left"), (right, "right")] {
        let socket = FrameSocket::open(netns, name).unwrap();
        for _ in 0..FRAMES {
            socket.send(&frame).unwrap();
        }
    }
    let counted = |batch: &Batch, key: InterfaceKey| {
        let found = batch.interfaces.iter().find(|sample| sample.key == key);
        found.map(|sample| sample.counters.counted.packets)
    };
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let batch = drain(&mut collector).unwrap();
        let both = keys.map(|key| counted(&batch, key));
        if both == [Some(FRAMES); 2] {
            break;
        }
        assert!(Instant::now() < deadline, "{both:?}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Sends frames from one end of a pair to the other, of which egress of the first and ingress of
/// the second are watched, and nothing else is.
fn count_watched(attach: impl FnOnce(&mut Object)) {
    let (left, right) = (
        Netns::anonymous("left").unwrap(),
        Netns::anonymous("right").unwrap(),
    );
    veth((&left, "left"), (&right, "right")).unwrap();
    let sizes = MapSizes {
        cache: 16_384,
        flows: 64,
        ring: 4096,
        quic: 0,
        interfaces: 4,
    };
    let mut object = Object::load(&Purpose::Tracepoints { any: false }, sizes).unwrap();
    let mut collector = Collector::new(&mut object).unwrap();
    let watched = [
        interface(&left, "left", Direction::Egress),
        interface(&right, "right", Direction::Ingress),
    ];
    for key in watched {
        collector.add_interface(key).unwrap();
    }
    attach(&mut object);
    let socket = FrameSocket::open(&left, "left").unwrap();
    let frame = udp_frame(1000, 100);
    for _ in 0..FRAMES {
        socket.send(&frame).unwrap();
    }
    let mut flows = Batch::default().flows;
    let arrived = |flows: &[netweir_flow::Sample], key: InterfaceKey| {
        let of_key = flows.iter().filter(|flow| flow.key.netns == key.netns);
        of_key.map(|flow| flow.counters.packets).sum::<u64>()
    };
    let deadline = Instant::now() + Duration::from_secs(5);
    let batch = loop {
        let mut batch = drain(&mut collector).unwrap();
        flows.append(&mut batch.flows);
        let all = watched.map(|key| arrived(&flows, key)) == [FRAMES; 2];
        if all || Instant::now() > deadline {
            break batch;
        }
        thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(watched.map(|key| arrived(&flows, key)), [FRAMES; 2]);
    assert_eq!(batch.interfaces.len(), 2);
    for sample in batch.interfaces {
        assert!(watched.contains(&sample.key));
        let count = sample.counters.counted;
        assert_eq!(sample.counters.seen, count);
        let bytes = FRAMES * frame.len() as u64;
        assert_eq!(
            (count.packets, count.frames, count.bytes),
            (FRAMES, FRAMES, bytes)
        );
    }
    let ports = |flow: &netweir_flow::Sample| flow.key.source_port == 1000_u16.to_be_bytes();
    assert!(flows.iter().all(ports));
}

fn interface(netns: &Netns, name: &str, direction: Direction) -> InterfaceKey {
    let devices = watch::list(netns).unwrap();
    let device = devices.iter().find(|device| device.name == name).unwrap();
    InterfaceKey {
        netns: netns.inode(),
        ifindex: device.ifindex,
        direction: direction as u32,
    }
}
