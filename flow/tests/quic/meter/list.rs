//! Which connections a view has, in what order.

use super::world::{World, world};
use netweir_flow::{Filter, Listing, Meter, Query, Settings, SortKey, quic};

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
