//! One frame in N is counted: views and records show N times as much, the accounting does not.

use crate::driver::{Driver, SECOND, START, count, egress, sample, tcp};
use netweir_flow::{Connection, Difference, Host, Listing, Query, Record, Settings};
use netweir_wire::map::Count;

fn one_in_100() -> Settings {
    Settings {
        sampling: 100,
        ..Settings::default()
    }
}

/// A conversation of 3 packets and 1 back, then a whole tick of 2 s.
fn conversation(settings: &Settings) -> Driver {
    let mut driver = Driver::new(settings);
    let there = tcp("10.0.0.1:50000 10.0.0.2:443");
    let back = egress(tcp("10.0.0.2:443 10.0.0.1:50000"));
    driver.drain(&[
        sample(there, count(3, 300), START),
        sample(back, count(1, 1000), START),
    ]);
    assert!(driver.tick(2 * SECOND).is_empty());
    driver
}

#[test]
fn views_are_multiplied_and_say_so() {
    let driver = conversation(&one_in_100());
    let flows = driver.meter.flows(&Query::default());
    assert_eq!(flows[1].count, count(300, 30_000));
    assert_eq!((flows[1].sampling, driver.meter.sampling()), (100, 100));
    assert_eq!(flows[1].rate.packets_per_second, 150.0);
    assert_eq!(flows[1].rate.bytes_per_second, 15_000.0);
    let connection = &driver.meter.connections(&Query::default())[0];
    assert_eq!(connection.forward, count(300, 30_000));
    assert_eq!(connection.reverse, count(100, 100_000));
    assert_eq!(connection.reverse_rate.packets_per_second, 50.0);
    assert_eq!(connection.sampling, 100);
    let host = &driver.meter.hosts(&Query::default())[0];
    let sums = host.sent + host.received;
    assert_eq!(sums, count(400, 130_000));
    let rates = host.sent_rate.bytes_per_second + host.received_rate.bytes_per_second;
    assert_eq!((rates, host.sampling), (65_000.0, 100));
}

#[test]
fn records_tell_what_they_have_not_told_multiplied() {
    let mut driver = conversation(&one_in_100());
    let told = |records: Vec<Record>| {
        assert!(records.iter().all(|record| record.sampling == 100));
        records
            .iter()
            .fold(Count::default(), |sum, record| sum + record.delta)
    };
    let first = driver.meter.finish(driver.now_ns);
    assert_eq!(told(first), count(400, 130_000));
    driver.packet(tcp("10.0.0.1:50000 10.0.0.2:443"));
    let second = driver.meter.finish(driver.now_ns);
    assert_eq!(second[0].count, count(400, 40_000));
    assert_eq!(told(second), count(100, 10_000));
}

#[test]
fn slices_are_multiplied_and_say_so() {
    let driver = conversation(&one_in_100());
    let (meter, query) = (&driver.meter, Query::default());
    let mut flows = Listing::<Record>::new(query.clone());
    while flows.read(meter) {}
    let flows = flows.finish();
    assert_eq!(flows, meter.flows(&query));
    assert_eq!(
        (flows[1].count, flows[1].sampling),
        (count(300, 30_000), 100)
    );
    let mut connections = Listing::<Connection>::new(query.clone());
    while connections.read(meter) {}
    let connections = connections.finish();
    assert_eq!(connections, meter.connections(&query));
    let sums = (connections[0].forward, connections[0].sampling);
    assert_eq!(sums, (count(300, 30_000), 100));
    let mut hosts = Listing::<Host>::new(query.clone());
    while hosts.read(meter) {}
    let hosts = hosts.finish();
    assert_eq!(hosts, meter.hosts(&query));
    let sums = (hosts[0].sent + hosts[0].received, hosts[0].sampling);
    assert_eq!(sums, (count(400, 130_000), 100));
}

#[test]
fn records_in_pieces_are_multiplied_and_say_so() {
    let told = |mut piece: Box<dyn FnMut() -> Option<Vec<Record>> + '_>| {
        let mut deltas = Count::default();
        while let Some(records) = piece() {
            assert!(records.len() <= 1);
            for record in records {
                assert_eq!((record.sampling, record.delta), (100, record.count));
                deltas += record.delta;
            }
        }
        deltas
    };
    let Driver { mut meter, now_ns } = conversation(&one_in_100());
    let rest = told(Box::new(|| meter.rest(now_ns, 1)));
    assert_eq!(rest, count(400, 130_000));
    let Driver { mut meter, now_ns } = conversation(&one_in_100());
    meter.end_tick(now_ns + 3600 * SECOND);
    let due = told(Box::new(|| meter.due(1)));
    assert_eq!(due, count(400, 130_000));
}

#[test]
fn the_accounting_is_not_multiplied() {
    let driver = conversation(&one_in_100());
    let accounting = driver.meter.audit();
    assert_eq!(accounting.sampling, 100);
    assert_eq!(accounting.received, count(4, 1300));
    assert_eq!(accounting.in_flows, count(4, 1300));
    assert_eq!(accounting.imbalance().table, Difference::default());
}

#[test]
fn every_frame_is_one_in_one_and_in_none() {
    for sampling in [0, 1] {
        let driver = conversation(&Settings {
            sampling,
            ..Settings::default()
        });
        let flows = driver.meter.flows(&Query::default());
        assert_eq!((flows[1].count, flows[1].sampling), (count(3, 300), 1));
    }
}

#[test]
fn what_would_overflow_stops_at_the_greatest_number() {
    let mut driver = Driver::new(&one_in_100());
    let key = tcp("10.0.0.1:50000 10.0.0.2:443");
    driver.drain(&[sample(key, count(2, u64::MAX / 10), START)]);
    let flow = &driver.meter.flows(&Query::default())[0];
    assert_eq!((flow.count.packets, flow.count.bytes), (200, u64::MAX));
    assert_eq!(driver.meter.accounting().received.bytes, u64::MAX / 10);
}
