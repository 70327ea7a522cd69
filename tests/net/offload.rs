//! Offloaded frames: one frame of the kernel is many packets of the wire.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
};

use netweir_tests::{Counted, Server, Side, World, is_root, sum};
use rustix::process::Signal;

const BYTES: u64 = 50_000_000;
/// Link, network and transport header with time stamps.
const HEADER_BYTES: u64 = 14 + 20 + 32;
#[test]
fn tcx_counts_segments() {
    counts_segments(&["--hook", "tc"]);
}

#[test]
fn clsact_counts_segments() {
    counts_segments(&["--hook", "tc", "--set", "tc=clsact"]);
}

#[test]
fn tracepoint_counts_segments() {
    counts_segments(&["--hook", "tracepoint"]);
}

/// XDP comes before the skb: nothing tells it how many packets a frame was.
#[test]
fn xdp_counts_frames() {
    if !is_root() {
        return;
    }
    let world = common_link();
    let server = Server::start(&world, &["--hook", "xdp"]);
    transfer(&world.far, &world.near);
    world.near.await_tcp_end();
    let counters = world.near.counters();
    server.await_seen(counters.received_frames);
    let expected = Counted {
        packets: counters.received_frames,
        frames: counters.received_frames,
        bytes: counters.received_bytes + 14 * counters.received_frames,
    };
    assert_eq!(sum(&server.flows(), ""), expected);
    server.child.end(Signal::TERM).books();
}

/// With offloads, and the segments of a common link.
fn common_link() -> World {
    let world = World::new();
    world.offload(true);
    for side in [&world.near, &world.far] {
        side.text("ip", &["link", "set", side.interface, "mtu", "1500"]);
    }
    world
}

/// TCP segments that a namespace has sent.
fn segments(side: &Side) -> u64 {
    side.snmp("Tcp", "OutSegs") + side.snmp("Tcp", "RetransSegs")
}

fn counts_segments(arguments: &[&str]) {
    if !is_root() {
        return;
    }
    for upload in [true, false] {
        let world = common_link();
        let server = Server::start(&world, arguments);
        let (from, to) = if upload {
            (&world.near, &world.far)
        } else {
            (&world.far, &world.near)
        };
        transfer(from, to);
        world.near.await_tcp_end();
        let packets = [segments(&world.far), segments(&world.near)];
        let accounting = server.await_seen(packets.iter().sum());
        assert_eq!(accounting["balanced"], true);
        let counters = world.near.counters();
        let frames = [counters.received_frames, counters.sent_frames];
        let bytes = [counters.received_bytes, counters.sent_bytes];
        let flows = server.flows();
        assert_eq!(flows.len(), 2, "{flows:#?}");
        for (index, direction) in ["ingress", "egress"].into_iter().enumerate() {
            let (packets, frames) = (packets[index], frames[index]);
            let bytes = bytes[index] + (packets - frames) * HEADER_BYTES;
            let expected = Counted {
                packets,
                frames,
                bytes,
            };
            assert_eq!(
                Counted::of(&accounting["interfaces"][index]["seen"]),
                expected
            );
            assert_eq!(sum(&flows, direction), expected);
        }
        let data = usize::from(upload);
        assert!(packets[data] > BYTES / 1448, "{packets:?}");
        assert!(frames[data] < packets[data] / 10, "{frames:?}");
        server.child.end(Signal::TERM).books();
    }
}

fn transfer(from: &Side, to: &Side) {
    let address = SocketAddr::new(to.addresses[0], 7000);
    let listener = to.enter(|| TcpListener::bind(address)).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            assert_eq!(io::copy(&mut stream, &mut io::sink()).unwrap(), BYTES);
        });
        let mut stream = from.enter(|| TcpStream::connect(address)).unwrap();
        let block = vec![1; 1_000_000];
        (0..BYTES / 1_000_000).for_each(|_| stream.write_all(&block).unwrap());
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    });
}
