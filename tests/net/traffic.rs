//! Traffic whose flows are known beforehand, to the byte.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
};

use netweir_packets::frame::{
    ACK, DESTINATION_MAC, cut, ethernet, ethernet_ipv4, ethernet_ipv6, ethernet_to, fragment, icmp,
    ipv4, ipv6, sctp, tcp, udp, vlan,
};
use netweir_tests::{Counted, Side, Table, World};
use netweir_wire::packet::{ethertype, protocol};

/// Port of the near side.
const PORT: u16 = 7000;

/// Adds what came and went by the near interface.
fn add(table: &mut Table, direction: &str, flow: &str, counted: Counted) {
    let before = table.insert(format!("w0 {direction} {flow}"), counted);
    assert_eq!(before, None, "{flow}");
}

/// As many bytes from the far side to the near one as back, over TCP.
///
/// The number of packets is what the kernel says that it sent; each has 12 bytes of options, those
/// that open the connection 20.
pub(crate) fn tcp_both_ways(world: &World, version: usize, bytes: usize, table: &mut Table) {
    let before = [&world.near, &world.far].map(segments);
    let near = SocketAddr::new(world.near.addresses[version], PORT);
    let listener = world.near.enter(|| TcpListener::bind(near)).unwrap();
    let client = thread::scope(|scope| {
        let server = scope.spawn(move || answer(&listener, bytes));
        let client = world.far.enter(|| TcpStream::connect(near)).unwrap();
        (&client).write_all(&vec![1; bytes]).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        (&client).read_to_end(&mut answer).unwrap();
        assert_eq!(answer.len(), bytes);
        server.join().unwrap();
        client.local_addr().unwrap()
    });
    world.near.await_tcp_end();
    let header_bytes = if near.is_ipv4() {
        14 + 20 + 32
    } else {
        14 + 40 + 32
    };
    let ends = [
        ("egress", segments(&world.near) - before[0], (near, client)),
        ("ingress", segments(&world.far) - before[1], (client, near)),
    ];
    for (direction, packets, (from, to)) in ends {
        let flow = format!(
            "TCP {} {} > {} {}",
            from.ip(),
            from.port(),
            to.ip(),
            to.port()
        );
        let bytes = packets * header_bytes + 8 + bytes as u64;
        add(
            table,
            direction,
            &flow,
            Counted {
                packets,
                frames: packets,
                bytes,
            },
        );
    }
}

/// TCP segments that a namespace has sent.
fn segments(side: &Side) -> u64 {
    assert_eq!(side.snmp("Tcp", "RetransSegs"), 0, "the pair loses nothing");
    side.snmp("Tcp", "OutSegs")
}

fn answer(listener: &TcpListener, bytes: usize) {
    let (mut server, _) = listener.accept().unwrap();
    let mut question = vec![0; bytes];
    server.read_exact(&mut question).unwrap();
    server.write_all(&question).unwrap();
    assert_eq!(server.read(&mut [0]).unwrap(), 0);
}

/// Ten datagrams of 100 bytes, each answered by one of 10 bytes.
pub(crate) fn udp_both_ways(world: &World, version: usize, table: &mut Table) {
    let bind = |side: &Side, port| {
        let address = SocketAddr::new(side.addresses[version], port);
        (side.enter(|| UdpSocket::bind(address)).unwrap(), address)
    };
    let (near, near_address) = bind(&world.near, PORT);
    let (far, far_address) = bind(&world.far, PORT + 1);
    for _ in 0..10 {
        assert_eq!(far.send_to(&[1; 100], near_address).unwrap(), 100);
        assert_eq!(near.recv_from(&mut [0; 200]).unwrap(), (100, far_address));
        assert_eq!(near.send_to(&[2; 10], far_address).unwrap(), 10);
        assert_eq!(far.recv_from(&mut [0; 200]).unwrap(), (10, near_address));
    }
    let header_bytes = if near_address.is_ipv4() { 42 } else { 62 };
    let ends = [
        ("ingress", (far_address, near_address), 100),
        ("egress", (near_address, far_address), 10),
    ];
    for (direction, (from, to), bytes) in ends {
        let flow = format!(
            "UDP {} {} > {} {}",
            from.ip(),
            from.port(),
            to.ip(),
            to.port()
        );
        add(
            table,
            direction,
            &flow,
            Counted::frames(10, header_bytes + bytes),
        );
    }
}

/// Three echo requests of each IP version, which the near kernel answers.
pub(crate) fn echo(world: &World, table: &mut Table) {
    let [near, near6] = world.near.addresses.map(|address| address.to_string());
    let [far, far6] = world.far.addresses.map(|address| address.to_string());
    let rest = [0, 7, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8];
    let four = ipv4(protocol::ICMP)
        .between(&far, &near)
        .carrying(icmp(8, 0, &rest));
    let six = ipv6(protocol::ICMPV6)
        .between(&far6, &near6)
        .carrying(icmp(128, 0, &rest));
    for _ in 0..3 {
        world
            .far
            .send([&ethernet_ipv4(&four), &ethernet_ipv6(&six)]);
    }
    let four_bytes = (14 + four.len()) as u64;
    let six_bytes = (14 + six.len()) as u64;
    for (direction, flow, bytes) in [
        ("ingress", format!("ICMP 8/0 {far} > {near}"), four_bytes),
        ("egress", format!("ICMP 0/0 {near} > {far}"), four_bytes),
        (
            "ingress",
            format!("ICMPv6 128/0 {far6} > {near6}"),
            six_bytes,
        ),
        (
            "egress",
            format!("ICMPv6 129/0 {near6} > {far6}"),
            six_bytes,
        ),
    ] {
        add(table, direction, &flow, Counted::frames(3, bytes));
    }
}

/// Frames that no socket of this kernel can send, with the flow that each is: none is answered.
pub(crate) fn crafted() -> Vec<(Vec<u8>, &'static str)> {
    let datagram = udp(1000, 2000, &[7; 1200]);
    let packet = |field, payload: &[u8]| {
        ethernet_ipv4(ipv4(protocol::UDP).fragment(field).carrying(payload))
    };
    let small = ipv4(protocol::UDP).carrying(udp(3000, 4000, &[7; 30]));
    let fragmented = |field, payload: &[u8]| {
        let inner = fragment(protocol::UDP, field, payload);
        ethernet_ipv6(ipv6(protocol::FRAGMENT).carrying(inner))
    };
    vec![
        (
            ethernet_ipv4(ipv4(protocol::SCTP).carrying(sctp(5000, 6000))),
            "SCTP 10.0.0.1 5000 > 10.0.0.2 6000",
        ),
        (
            ethernet(ethertype::VLAN, vlan(10, ethertype::IPV4, &small)),
            "UDP 10.0.0.1 3000 > 10.0.0.2 4000 [10]",
        ),
        (
            ethernet(
                ethertype::SERVICE_VLAN,
                vlan(20, ethertype::VLAN, vlan(30, ethertype::IPV4, &small)),
            ),
            "UDP 10.0.0.1 3000 > 10.0.0.2 4000 [20, 30]",
        ),
        (
            packet(0x2000, &datagram[..800]),
            "UDP 10.0.0.1 1000 > 10.0.0.2 2000",
        ),
        (packet(100, &datagram[800..]), "UDP 10.0.0.1 > 10.0.0.2"),
        (
            fragmented(1, &datagram[..800]),
            "UDP 2001:db8::1 1000 > 2001:db8::2 2000",
        ),
        (
            fragmented(800, &datagram[800..]),
            "UDP 2001:db8::1 > 2001:db8::2",
        ),
        // As long as the MTU of 9000 lets it be.
        (
            ethernet_ipv4(
                ipv4(protocol::TCP).carrying([tcp(8000, 9000, ACK), vec![7; 8960]].concat()),
            ),
            "TCP 10.0.0.1 8000 > 10.0.0.2 9000",
        ),
        (
            cut(ethernet_to(DESTINATION_MAC, 0x88b5, [0; 46]), 60),
            "0x88b5 02:00:00:00:00:01 > 02:00:00:00:00:02",
        ),
    ]
}

/// Sends the crafted frames, the first once, the next twice and so on.
pub(crate) fn send_crafted(side: &Side, direction: &str, table: &mut Table) {
    for ((frame, flow), count) in crafted().into_iter().zip(1..) {
        side.send(std::iter::repeat_n(&frame, count));
        add(
            table,
            direction,
            flow,
            Counted::frames(count as u64, frame.len() as u64),
        );
    }
}
