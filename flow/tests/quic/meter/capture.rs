//! What the datagrams of a capture tell.

use super::world::{CLIENT, FIRST, HEADER_BYTES, MS, SECOND, SERVER, world, world_with};
use netweir_flow::{
    Query,
    quic::{
        self, Counted, PacketKind, Sender,
        connection::{Certainty, Outcome, Place, SpinState},
        layout::Undecoded,
    },
};
use netweir_packets::quic::{client_initial, crypto, handshake, ping, short};
use netweir_wire::{
    map::{CidRoute, Count, QuicLoss, Volume},
    packet::quic::Version,
};

fn packets(count: Count) -> u64 {
    count.packets
}

#[test]
fn a_connection_has_its_name_its_backend_and_every_packet() {
    let mut world = world(&["telementry port=443"]);
    world.shake_hands();
    world.send(20);
    for _ in 0..10 {
        world.server(short(CLIENT, &[9; 1000]));
    }
    world.hand_over();
    let record = world.only();
    let connection = &record.connection;
    assert_eq!(connection.certainty, Certainty::Proven);
    assert_eq!(connection.version, Some(Version::V1));
    let hello = connection.hello.as_ref().unwrap();
    assert_eq!(hello.server_name.as_deref(), Some("netweir.example"));
    assert_eq!(connection.timing.round_trip_ns(), Some(2 * MS));
    let backend = connection.backend.as_ref().unwrap();
    assert_eq!((backend.backend, backend.queue), (Some(300), Some(44)));
    assert_eq!(
        (packets(record.client_sent), packets(record.server_sent)),
        (22, 11)
    );
    assert_eq!((&*record.interface, record.sampling), ("test.pcap", 1));
    assert_eq!(record.unix_ns(connection.first_ns), 1_000 * SECOND + MS);

    let counted: Vec<_> = world.meter.quic().unwrap().backends().collect();
    let expected = Counted {
        layout: "telementry".into(),
        backend: Some(300),
        queue: Some(44),
        volume: Volume {
            packets: 20,
            bytes: 20 * 49,
        },
    };
    // What goes to the client goes to no port that a layout is for.
    assert_eq!(counted, [expected]);
    let kernel = world.books().kernel;
    assert_eq!((kernel.long, kernel.short, kernel.decoded), (3, 30, 20));
    assert_eq!(kernel.undecoded[Undecoded::NoLayout as usize], 10);
}

#[test]
fn flows_and_conversations_say_of_which_connection_they_are() {
    let mut world = world(&["telementry port=443"]);
    // A guess that is not shown.
    world.client_port = 49_999;
    world.send(1);
    world.client_port = 50_000;
    world.shake_hands();
    world.client_port = 50_001;
    world.client([0x13; 60]);
    world.hand_over();
    let expected = quic::Summary {
        certainty: Certainty::Proven,
        version: Some(Version::V1),
        server_name: Some("netweir.example".into()),
        backend: Ok(CidRoute {
            backend: Some(300),
            queue: Some(44),
        }),
    };
    let flows = world.meter.flows(&Query::default());
    let quic: Vec<_> = flows.iter().map(|flow| flow.quic.as_deref()).collect();
    assert_eq!(quic.len(), 4);
    for (flow, quic) in flows.iter().zip(quic) {
        let ports = [flow.source.port, flow.destination.port];
        let expected = ports.contains(&Some(50_000)).then_some(&expected);
        assert_eq!(quic, expected, "{ports:?}");
    }
    let connections = world.meter.connections(&Query::default());
    let quic: Vec<_> = connections
        .iter()
        .filter_map(|one| one.quic.as_deref())
        .collect();
    assert_eq!(quic, [&expected]);
    // Also at their end: the connection goes after its flows, in the same tick.
    let records = world.meter.tick(world.now_ns + 100 * SECOND);
    let told = records.iter().filter(|record| record.quic.is_some());
    assert_eq!((records.len(), told.count()), (4, 2));
    assert_eq!(world.connections(), []);
}

#[test]
fn what_came_in_is_in_live_and_ended_connections_or_in_none() {
    let mut world = world(&[]);
    world.shake_hands();
    world.hand_over();
    world.client_port = 50_001;
    // No event comes of empty datagrams.
    world.client([]);
    world.hand_over();
    let table = world.books().table;
    assert_eq!(
        [table.live, table.ended, table.unclaimed].map(packets),
        [3, 0, 1]
    );
    world.meter.tick(world.now_ns + 100 * SECOND);
    let books = world.books();
    let table = &books.table;
    assert_eq!(
        [table.live, table.ended, table.unclaimed].map(packets),
        [0, 3, 1]
    );
    assert_eq!((books.connections, books.guesses, books.ended), (0, 0, 1));
}

#[test]
fn short_headers_are_told_four_times_a_second() {
    let mut world = world(&[]);
    world.send(1000);
    world.hand_over();
    let kernel = world.books().kernel;
    assert_eq!((kernel.short, kernel.told[1]), (1000, 4));
    // Each flow by itself.
    world.client_port = 50_001;
    world.send(1);
    world.hand_over();
    assert_eq!(world.books().kernel.told[1], 5);
}

#[test]
fn turns_of_the_spin_bit_are_round_trips() {
    let mut world = world(&[]);
    world.shake_hands_within(22 * MS);
    for number in 0..2000 {
        let mut packet = short(SERVER, &[9; 40]);
        packet[0] |= if number / 20 % 2 == 0 { 0 } else { 0x20 };
        world.client(packet);
    }
    world.hand_over();
    let connection = world.only().connection;
    assert_eq!(connection.spin_state(Sender::Client), SpinState::Credible);
    let time = connection.client_spin.time().unwrap();
    assert_eq!([time.min_ns, time.mean_ns, time.max_ns], [20 * MS; 3]);
    assert_eq!(connection.spin_round_trip_ns(), Some(20 * MS));
    assert_eq!(connection.spin_state(Sender::Server), SpinState::TooFew);
}

#[test]
fn the_time_in_which_an_application_is_idle_is_no_round_trip() {
    let mut world = world(&[]);
    world.shake_hands_within(22 * MS);
    // A burst of five packets each 100 ms; each fourth is answered, and another follows at once.
    let mut bit = 0;
    for burst in 0..60 {
        let packets = if burst % 4 == 0 { 10 } else { 5 };
        for number in 0..packets {
            if number % 5 == 0 {
                bit ^= 0x20;
                world.now_ns += if number == 0 { 80 } else { 20 } * MS;
            }
            let mut packet = short(SERVER, &[9; 40]);
            packet[0] |= bit;
            world.client(packet);
        }
    }
    world.hand_over();
    let connection = world.only().connection;
    assert_eq!(connection.spin_state(Sender::Client), SpinState::Credible);
    let time = connection.client_spin.time().unwrap();
    assert!(time.mean_ns > 60 * MS, "{time:?}");
    assert_eq!(
        (time.min_ns, connection.spin_round_trip_ns()),
        (25 * MS, Some(25 * MS))
    );
}

#[test]
fn a_bit_that_never_turns_is_disabled() {
    let mut world = world(&[]);
    world.shake_hands();
    for (packets, expected) in [(1900, SpinState::TooFew), (200, SpinState::Disabled)] {
        world.send(packets);
        world.hand_over();
        let connection = world.only().connection;
        assert_eq!(connection.spin_state(Sender::Client), expected);
        // One packet tells nothing, however long it is ago.
        assert_eq!(connection.spin_state(Sender::Server), SpinState::TooFew);
    }
}

#[test]
fn a_bit_that_turns_at_random_is_noise() {
    let mut world = world(&[]);
    world.shake_hands();
    for number in 0..2000_u32 {
        let mut packet = short(SERVER, &[9; 40]);
        packet[0] |= (number.wrapping_mul(0x9e37_79b9) >> 26) as u8 & 0x20;
        world.client(packet);
    }
    world.hand_over();
    let connection = world.only().connection;
    assert_eq!(connection.spin_state(Sender::Client), SpinState::Noisy);
}

#[test]
fn padding_of_the_link_is_no_part_of_a_datagram() {
    let mut world = world(&["telementry port=443"]);
    let mut packet = netweir_packets::frame::ipv4(17).carrying(netweir_packets::frame::udp(
        50_000,
        443,
        &short(SERVER, &[9; 3]),
    ));
    packet.extend([0; 20]);
    world.frame(packet.len(), &packet);
    world.hand_over();
    let counted: Vec<_> = world.meter.quic().unwrap().backends().collect();
    assert_eq!(counted[0].volume.bytes, 12);
}

#[test]
fn what_was_not_captured_is_lost_or_not_readable() {
    let mut world = world(&[]);
    let hello = client_initial(Version::V1, FIRST, CLIENT).carrying(crypto(0, &[1; 100]));
    let datagram = netweir_packets::frame::udp(50_000, 443, &hello);
    let packet = netweir_packets::frame::ipv4(17).carrying(datagram);
    let headers = HEADER_BYTES as usize;
    for (captured, lost, unreadable) in [(headers, 1, 0), (headers + 30, 1, 1), (headers - 8, 1, 1)]
    {
        world.frame(packet.len(), &packet[..captured]);
        world.hand_over();
        let books = world.books();
        assert_eq!(books.kernel.lost[QuicLoss::Unreadable as usize], lost);
        assert_eq!(books.table.outcome(Outcome::Unreadable), unreadable);
    }
    assert_eq!(world.connections(), []);
}

#[test]
fn encrypted_ids_are_counted_where_there_is_a_key() {
    // The draft's appendix B.2: server ID ed793a, nonce ee080dbf.
    let line = "quic-lb config=0 server-id=3 nonce=4 key=8f95f09245765f80256934e50c66207f port=443";
    let mut world = world(&[line]);
    let cid = [0x07, 0x20, 0xb1, 0xd0, 0x7b, 0x35, 0x9d, 0x3c];
    world.client(short(&cid, &[9; 40]));
    world.hand_over();
    let counted: Vec<_> = world.meter.quic().unwrap().backends().collect();
    assert_eq!(counted[0].backend, Some(0x00ed_793a));
    assert_eq!((counted[0].queue, &*counted[0].layout), (None, "quic-lb 0"));
}

#[test]
fn sums_are_over_what_is_shown() {
    let mut world = world(&["telementry port=443"]);
    world.shake_hands();
    world.send(5);
    world.hand_over();
    let mut sums = quic::Sums::default();
    while sums.read(&world.meter) {}
    let totals = sums.finish();
    let place = Place {
        layout: "telementry".into(),
        number: 300,
    };
    for share in [
        &totals.versions[&Some(Version::V1)],
        &totals.backends[&place],
    ] {
        assert_eq!((share.connections, packets(share.from_clients)), (1, 7));
    }
    assert_eq!(totals.queues.keys().next().unwrap().number, 44);
}

#[test]
fn datagrams_are_traced_for_who_takes_them() {
    let settings = quic::Settings {
        max_traced: 3,
        ..quic::Settings::default()
    };
    let mut world = world_with(&[], settings);
    world.shake_hands();
    // Several packets in a datagram.
    let next = client_initial(Version::V1, FIRST, CLIENT)
        .to(SERVER)
        .padded_to(0);
    let next = next.packet_number(1, 1).carrying(ping());
    world.client([next, handshake(Version::V1, SERVER, CLIENT, &[7; 60])].concat());
    world.send(1);
    world.hand_over();
    let traced = world.meter.take_datagrams();
    assert_eq!((traced.datagrams.len(), traced.missed), (3, 1));
    let [first, answer, _] = &traced.datagrams[..] else {
        panic!("{traced:#?}");
    };
    assert_eq!(first.unix_ns, 1_000 * SECOND + MS);
    assert_eq!(
        (first.payload_bytes, first.outcome),
        (1200, Outcome::Proven)
    );
    assert_eq!(first.packets[0].kind, PacketKind::Initial);
    assert_eq!(first.packets[0].version, Some(Version::V1));
    assert_eq!(
        (&*first.packets[0].dcid, &*first.packets[0].scid),
        (FIRST, CLIENT)
    );
    assert_eq!(answer.source.to_string(), "10.0.0.2:443");
    assert_eq!(&*answer.packets[0].scid, SERVER);
    let kinds: Vec<_> = traced.datagrams[2]
        .packets
        .iter()
        .map(|one| one.kind)
        .collect();
    assert_eq!(kinds, [PacketKind::Handshake]);
    // What was taken makes room.
    world.client(client_initial(Version::V1, FIRST, CLIENT).carrying(ping()));
    world.hand_over();
    let traced = world.meter.take_datagrams();
    assert_eq!((traced.datagrams.len(), traced.missed), (1, 0));
    assert_eq!(world.books().untraced, 1);
}

#[test]
fn what_pads_a_datagram_is_no_packet() {
    let settings = quic::Settings {
        max_traced: 3,
        ..quic::Settings::default()
    };
    let mut world = world_with(&[], settings);
    let initial = client_initial(Version::V1, FIRST, CLIENT).padded_to(0);
    let initial = initial.carrying(ping());
    let short = short(SERVER, &[9; 40]);
    world.client([&initial[..], &[0; 700]].concat());
    world.client([&initial[..], &short, &[0; 700]].concat());
    // A peer may pad with other bytes.
    world.client([&initial[..], &[0x2a; 700]].concat());
    world.hand_over();
    let traced = world.meter.take_datagrams();
    let kinds = traced.datagrams.iter().map(|one| {
        let kinds = one.packets.iter().map(|one| one.kind.name());
        kinds.collect::<Vec<_>>().join("+")
    });
    let kinds: Vec<_> = kinds.collect();
    assert_eq!(kinds, ["initial", "initial+short", "initial"]);
    let outcomes: Vec<_> = traced.datagrams.iter().map(|one| one.outcome).collect();
    assert_eq!(outcomes, [Outcome::Proven; 3]);
    assert_eq!(world.books().guesses, 0);
}
