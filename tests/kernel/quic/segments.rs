//! Datagrams that a socket hands over in one piece (`UDP_SEGMENT`), live: the look takes frames apart
//! where the kernel has not done so before.

use std::net::{SocketAddr, UdpSocket};

use aya::programs::{Xdp, XdpMode};
use netweir_agent::{
    attach::{Object, Purpose, Variant},
    collect::Collector,
};
use netweir_packets::quic::short;
use netweir_peers::send_segments;
use netweir_tests::{Program, Rig, Traced, World, await_that, interface_key, is_root};
use netweir_wire::map::{Direction, InterfaceKey, QuicCounters, QuicEventKind, QuicLoss};

use super::{
    PORT, SIZES,
    backend::{cid, layouts},
    long, told,
};

/// Bytes of each datagram but the last one of a frame.
const SEGMENT: usize = 100;
/// Datagrams of a frame.
const DATAGRAMS: u8 = 10;

const LAYOUTS: Variant = Variant {
    filters: false,
    sampling: 1,
    layouts: true,
    heads_per_second: 0,
};

/// What is sent: a frame of long headers and one of short ones.
fn frames() -> [Vec<u8>; 2] {
    let short = |salt| short(&cid(9, salt), &[salt as u8; SEGMENT - 9]);
    let mut frames = [
        (0..DATAGRAMS)
            .flat_map(|number| long(number, SEGMENT))
            .collect::<Vec<u8>>(),
        (0..u32::from(DATAGRAMS)).flat_map(short).collect(),
    ];
    for frame in &mut frames {
        frame.truncate(frame.len() - SEGMENT / 2);
    }
    frames
}

/// A network whose frames are as long as those of others, with offloads.
fn world() -> World {
    let world = World::new();
    world.offload(true);
    for side in [&world.near, &world.far] {
        side.text("ip", &["link", "set", side.interface, "mtu", "1500"]);
    }
    world
}

/// Whether the kernel hands such frames through a virtual pair as they are (Linux 5.11); says that the
/// test is skipped where it does not.
fn is_whole_or_skip() -> bool {
    let world = world();
    let near = SocketAddr::new(world.near.addresses[0], PORT);
    let _listening = world.near.enter(|| UdpSocket::bind(near).unwrap());
    let any = SocketAddr::new(world.far.addresses[0], 0);
    let socket = world.far.enter(|| UdpSocket::bind(any).unwrap());
    let before = world.far.counters().sent_frames;
    send_segments(&socket, near, &[0; 2 * SEGMENT], SEGMENT).unwrap();
    let is_whole = world.far.counters().sent_frames == before + 1;
    if !is_whole {
        println!("skipped: this kernel has no UDP segments over virtual pairs");
    }
    is_whole
}

fn rig(purpose: &Purpose, netns: u32, watched: &[InterfaceKey]) -> Rig {
    let mut object = Object::load_variant(purpose, SIZES, LAYOUTS).unwrap();
    let collector = Collector::new(&mut object).unwrap();
    let mut rig = Rig::of(netns, object, collector).unwrap();
    let layouts = layouts(&["telementry port=443"]);
    rig.collector.set_layouts(layouts.program()).unwrap();
    for key in watched {
        rig.collector.add_interface(*key).unwrap();
    }
    rig
}

/// Sends the frames, and waits until as many datagrams were looked at; with the long headers that were
/// told.
fn look(world: &World, rig: &mut Rig, datagrams: u64) -> (QuicCounters, Vec<Vec<u8>>) {
    let near = SocketAddr::new(world.near.addresses[0], PORT);
    let far = SocketAddr::new(world.far.addresses[0], 5000);
    // Nothing is answered.
    let _listening = world.near.enter(|| UdpSocket::bind(near).unwrap());
    let socket = world.far.enter(|| UdpSocket::bind(far).unwrap());
    for frame in frames() {
        send_segments(&socket, near, &frame, SEGMENT).unwrap();
    }
    let mut events = Vec::new();
    let counters = await_that(|| {
        events.append(&mut rig.events());
        let quic = rig.drain().unwrap().quic;
        let told: u64 = quic.told.iter().sum();
        let has_come = quic.long + quic.short == datagrams && told == events.len() as u64;
        has_come.then_some(quic).ok_or(format!("{quic:?}"))
    });
    let long = told(&events, QuicEventKind::Long);
    (
        counters,
        long.into_iter().map(|(_, bytes)| bytes.clone()).collect(),
    )
}

/// Every datagram, `times`.
fn check_each(counters: &QuicCounters, long: &[Vec<u8>], times: usize) {
    let each = u64::from(DATAGRAMS) * times as u64;
    assert_eq!(
        (counters.long, counters.short, counters.decoded),
        (each, each, each)
    );
    assert_eq!(counters.lost, [0; 4]);
    let [expected, _] = frames();
    for number in expected.chunks(SEGMENT) {
        let found = long.iter().filter(|bytes| bytes[..] == *number);
        assert_eq!(found.count(), times);
    }
}

/// At both ends: as the sender queues the frames, and as the other receives them.
fn trace(traced: Traced) -> (QuicCounters, Vec<Vec<u8>>) {
    let world = world();
    let watched = [
        interface_key(&world.far.netns, world.far.interface, Direction::Egress),
        interface_key(&world.near.netns, world.near.interface, Direction::Ingress),
    ];
    let mut rig = rig(&Purpose::Tracepoints { any: false }, 0, &watched);
    traced.attach(&mut rig.object);
    look(&world, &mut rig, 4 * u64::from(DATAGRAMS))
}

#[test]
fn tracepoints_take_frames_apart() {
    if is_root() && Traced::Paged.is_there_or_skip() {
        let (counters, long) = trace(Traced::Paged);
        check_each(&counters, &long, 2);
    }
}

/// The kernel puts what is to be segmented into pages.
#[test]
fn tracepoints_without_paged_data_count_each_datagram_as_unreadable() {
    if is_root() && is_whole_or_skip() {
        let (counters, _) = trace(Traced::Linear);
        let all = 4 * u64::from(DATAGRAMS);
        assert_eq!((counters.long, counters.short), (all, 0));
        assert_eq!(counters.lost[QuicLoss::Unreadable as usize], all);
    }
}

fn at_xdp(mode: XdpMode, datagrams: u64) -> (QuicCounters, Vec<Vec<u8>>) {
    let world = world();
    let netns = &world.near.netns;
    let watched = interface_key(netns, world.near.interface, Direction::Ingress);
    let purpose = Purpose::Interfaces {
        netns: netns.inode(),
    };
    let mut rig = rig(&purpose, netns.inode(), &[watched]);
    let program: &mut Xdp = rig.object.program(Program::xdp().name, Xdp::load).unwrap();
    let attached = netns.enter(|| program.attach(world.near.interface, mode));
    attached.unwrap().unwrap();
    look(&world, &mut rig, datagrams)
}

/// A pair with a program in the driver has each datagram segmented on the way to it.
#[test]
fn xdp_sees_each_datagram() {
    if is_root() {
        let (counters, long) = at_xdp(XdpMode::Driver, 2 * u64::from(DATAGRAMS));
        check_each(&counters, &long, 1);
    }
}

/// Nothing tells the program behind the driver that a frame is more than one datagram.
#[test]
fn generic_xdp_takes_a_frame_for_one_datagram() {
    if is_root() && is_whole_or_skip() {
        let (counters, long) = at_xdp(XdpMode::Skb, 2);
        assert_eq!((counters.long, counters.short, counters.decoded), (1, 1, 1));
        assert_eq!(counters.lost, [0; 4]);
        let [frame, _] = frames();
        assert_eq!(long, [frame]);
    }
}
