//! Which, in what order, how many.

use crate::driver::{Driver, SECOND, count, on_loopback, sample, tcp, transport};
use netweir_flow::{Filter, Query, Settings, SortKey};

/// Three flows: the first has the most bytes, the second the most packets and the highest rate.
fn driver() -> Driver {
    let mut driver = Driver::new(&Settings::default());
    let first = tcp("10.0.0.1:3 10.9.0.3:443");
    let second = on_loopback(transport(17, "10.0.0.2:2 10.9.0.2:53"));
    let third = tcp("10.0.0.3:1 10.9.0.1:443");
    driver.drain(&[sample(first, count(1, 9000), driver.now_ns)]);
    driver.tick(SECOND);
    driver.drain(&[sample(second, count(9, 900), driver.now_ns)]);
    driver.drain(&[sample(third, count(2, 200), driver.now_ns + 5)]);
    driver.tick(SECOND);
    driver
}

/// The last byte of the source of each flow.
fn flows(query: &Query) -> String {
    let records = driver().meter.flows(query);
    let addresses = records
        .iter()
        .map(|record| record.source.address.to_string());
    addresses
        .filter_map(|address| address.chars().last())
        .collect()
}

#[test]
fn flows_come_in_the_order_asked_for() {
    let table = [
        (SortKey::Bytes, "321"),
        (SortKey::Packets, "132"),
        (SortKey::Rate, "132"),
        (SortKey::First, "123"),
        (SortKey::Last, "123"),
        (SortKey::Source, "123"),
        (SortKey::Destination, "321"),
        (SortKey::Protocol, "132"),
    ];
    for (sort, ascending) in table {
        let query = |descending, limit| Query {
            sort,
            descending,
            limit,
            ..Query::default()
        };
        assert_eq!(flows(&query(false, None)), ascending, "{sort}");
        assert_eq!(flows(&query(false, Some(2))), ascending[..2], "{sort}");
        assert_eq!(sort.name().to_uppercase().parse(), Ok(sort));
    }
    let by_bytes = |limit| Query {
        limit: Some(limit),
        ..Query::default()
    };
    assert_eq!(
        [0, 1, 3, 9].map(|limit| flows(&by_bytes(limit))),
        ["", "1", "123", "123"]
    );
}

#[test]
fn equal_ones_are_ordered_by_their_keys() {
    let query = Query {
        sort: SortKey::Protocol,
        ..Query::default()
    };
    assert_eq!(flows(&query), "213");
}

#[test]
fn an_unknown_sort_key_is_an_error_that_tells_the_known_ones() {
    let error = "size".parse::<SortKey>().unwrap_err().to_string();
    assert!(
        error.starts_with("unknown sort key `size`: expected bytes, packets"),
        "{error}"
    );
    assert!(SortKey::ALL.iter().all(|key| error.contains(key.name())));
}

#[test]
fn views_have_what_the_interface_and_the_filter_let_through() {
    let filter = |text| Filter::parse(text).ok();
    let query = Query {
        interface: Some("lo".to_owned()),
        ..Query::default()
    };
    assert_eq!(flows(&query), "2");
    let query = Query {
        filter: filter("tcp and dst host 10.9.0.1"),
        ..Query::default()
    };
    assert_eq!(flows(&query), "3");
    let driver = driver();
    let connections = driver.meter.connections(&query);
    assert_eq!(connections[0].initiator.to_string(), "10.0.0.3:1");
    assert_eq!(connections.len(), 1);
    let query = Query {
        filter: filter("net 10.9.0.0/16"),
        limit: Some(1),
        ..Query::default()
    };
    let hosts = driver.meter.hosts(&query);
    assert_eq!((hosts.len(), hosts[0].received), (1, count(1, 9000)));
}
