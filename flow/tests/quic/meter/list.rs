//! Which connections a view has, in what order.

use super::world::{CLIENT, HEADER_BYTES, SECOND, World, world};
use netweir_flow::{Filter, Listing, Meter, Query, Rate, Settings, SortKey, quic};
use netweir_packets::quic::short;
use netweir_wire::map::Direction;

/// Connections from three ports, the later ones with more packets.
fn three() -> World {
    let mut world = world(&[]);
    for (port, packets) in [(50_002, 1), (50_000, 5), (50_001, 9)] {
        world.client_port = port;
        world.shake_hands();
        world.send(packets);
    }
    world.hand_over();
    world
}

fn ports(meter: &Meter, query: &Query) -> Vec<u16> {
    let all = meter.quic_connections(query);
    let mut listing = Listing::<quic::Record>::new(query.clone());
    while listing.read(meter) {}
    assert_eq!(listing.finish(), all);
    all.iter().map(|one| one.connection.client.port()).collect()
}

#[test]
fn connections_are_ordered_and_cut() {
    let world = three();
    let query = Query::default();
    assert_eq!(ports(&world.meter, &query), [50_001, 50_000, 50_002]);
    for (sort, expected) in [
        (SortKey::Packets, [50_002, 50_000, 50_001]),
        (SortKey::First, [50_002, 50_000, 50_001]),
        (SortKey::Last, [50_002, 50_000, 50_001]),
        (SortKey::Source, [50_000, 50_001, 50_002]),
        // All are equal, and stand by their keys then.
        (SortKey::Protocol, [50_000, 50_001, 50_002]),
        (SortKey::Destination, [50_000, 50_001, 50_002]),
    ] {
        let query = Query {
            sort,
            descending: false,
            ..Query::default()
        };
        assert_eq!(ports(&world.meter, &query), expected, "{sort}");
        let query = Query {
            limit: Some(2),
            ..query
        };
        assert_eq!(ports(&world.meter, &query), expected[..2], "{sort}");
    }
}

#[test]
fn the_rate_of_a_connection_is_that_of_the_last_whole_tick() {
    let mut world = three();
    let query = Query {
        sort: SortKey::Rate,
        limit: Some(1),
        ..Query::default()
    };
    assert_eq!(world.connections()[0].rate(), Rate::default());
    let begun_ns = world.now_ns;
    world.meter.tick(begun_ns);
    world.client_port = 50_002;
    world.send(4);
    // What the server sends is a rate of its own.
    world.server(short(CLIENT, &[9; 40]));
    world.hand_over();
    world.meter.tick(begun_ns + 2 * SECOND);
    assert_eq!(ports(&world.meter, &query), [50_002]);
    let record = &world.meter.quic_connections(&query)[0];
    let bytes = (HEADER_BYTES + 49) as f64;
    let rate = |packets: f64, bytes: f64| Rate {
        bytes_per_second: packets * bytes / 2.0,
        packets_per_second: packets / 2.0,
    };
    assert_eq!(record.client_rate, rate(4.0, bytes));
    assert_eq!(record.server_rate, rate(1.0, bytes - 3.0));
    assert_eq!(record.rate().packets_per_second, 2.5);
    world.meter.tick(begun_ns + 3 * SECOND);
    assert_eq!(
        world.meter.quic_connections(&query)[0].rate(),
        Rate::default()
    );
}

#[test]
fn a_loopback_device_has_each_packet_in_the_rate_once() {
    let mut world = world(&[]);
    world.shake_hands();
    world.hand_over();
    world.meter.tick(world.now_ns);
    let begun_ns = world.now_ns;
    for direction in [Direction::Egress, Direction::Ingress] {
        world.direction = direction;
        world.send(8);
    }
    world.hand_over();
    world.meter.tick(begun_ns + SECOND);
    assert_eq!(world.only().rate().packets_per_second, 8.0);
}

#[test]
fn a_filter_chooses_connections_by_either_flow() {
    let world = three();
    for (filter, expected) in [
        ("src port 50001", 1),
        ("dst port 50001", 1),
        ("port 443 and udp", 3),
        ("src host 10.0.0.1 and src port 443", 0),
        ("tcp", 0),
        ("in and src port 443", 3),
        ("in and src port 50001", 1),
        ("out", 0),
        ("interface test.pcap", 3),
    ] {
        let query = Query {
            filter: Some(Filter::parse(filter).unwrap()),
            ..Query::default()
        };
        assert_eq!(ports(&world.meter, &query).len(), expected, "{filter}");
    }
    for (interface, expected) in [("test.pcap", 3), ("eth0", 0)] {
        let query = Query {
            interface: Some(interface.to_owned()),
            ..Query::default()
        };
        assert_eq!(ports(&world.meter, &query).len(), expected);
    }
}

#[test]
fn what_is_sampled_is_multiplied_in_views_alone() {
    let mut world = world(&[]);
    world.meter = Meter::new(
        &Settings {
            sampling: 100,
            ..Settings::default()
        },
        0,
    );
    world.shake_hands();
    world.hand_over();
    let record = world.only();
    assert_eq!((record.sampling, record.sent().packets), (100, 300));
    assert_eq!(world.books().table.live.packets, 3);
    let mut sums = quic::Sums::default();
    while sums.read(&world.meter) {}
    let totals = sums.finish();
    let share = totals.versions.values().next().unwrap();
    assert_eq!(share.from_clients.packets, 200);
}
