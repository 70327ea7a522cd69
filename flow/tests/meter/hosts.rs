//! Totals of addresses.

use crate::driver::{Driver, SECOND, START, count, egress, on_loopback, tcp, volume};
use netweir_flow::{Host, Query, Settings, SortKey};
use netweir_wire::map::FlowKey;

fn hosts(driver: &Driver) -> Vec<Host> {
    driver.meter.hosts(&Query {
        sort: SortKey::Source,
        descending: false,
        ..Query::default()
    })
}

#[test]
fn both_ends_are_credited() {
    let mut driver = Driver::new(&Settings::default());
    driver.packet(tcp("10.0.0.1:50000 10.0.0.2:443"));
    driver.packet(egress(tcp("10.0.0.2:443 10.0.0.1:50000")));
    driver.packet(tcp("10.0.0.3:50000 10.0.0.2:443"));
    driver.tick(2 * SECOND);
    let [first, second, third] = &hosts(&driver)[..] else {
        panic!("not three hosts");
    };
    assert_eq!(first.address.to_string(), "10.0.0.1");
    assert_eq!((first.sent, first.received), (count(1, 100), count(1, 100)));
    assert_eq!(
        (second.sent, second.received),
        (count(1, 100), count(2, 200))
    );
    assert_eq!((third.sent, third.received), (count(1, 100), count(0, 0)));
    assert_eq!(second.received_rate.bytes_per_second, 100.0);
    assert_eq!(second.sent_rate.packets_per_second, 0.5);
    assert_eq!((second.first_unix_ns, second.last_unix_ns), (START, START));
}

#[test]
fn totals_outlast_flows() {
    let mut driver = Driver::new(&Settings::default());
    driver.packet(tcp("10.0.0.1:50000 10.0.0.2:443"));
    driver.tick(3600 * SECOND);
    driver.packet(tcp("10.0.0.1:50000 10.0.0.2:443"));
    assert_eq!(hosts(&driver)[0].sent, count(2, 200));
    assert_eq!(hosts(&driver)[0].last_unix_ns, START + 3600 * SECOND);
}

#[test]
fn a_packet_over_loopback_is_credited_once() {
    let mut driver = Driver::new(&Settings::default());
    let key = on_loopback(tcp("127.0.0.1:50000 127.0.0.1:443"));
    driver.packet(egress(key));
    driver.packet(key);
    let [host] = &hosts(&driver)[..] else {
        panic!("not one host");
    };
    assert_eq!((host.sent, host.received), (count(1, 100), count(1, 100)));
}

#[test]
fn what_there_is_no_room_for_is_counted() {
    let mut driver = Driver::new(&Settings {
        max_hosts: 2,
        ..Settings::default()
    });
    driver.packet(tcp("10.0.0.1:50000 10.0.0.2:443"));
    driver.packet(tcp("10.0.0.3:50000 10.0.0.2:443"));
    driver.packet(tcp("10.0.0.3:50000 10.0.0.4:443"));
    assert_eq!(hosts(&driver)[1].received, count(2, 200));
    let accounting = driver.meter.accounting();
    assert_eq!(
        (accounting.hosts, accounting.hosts_full),
        (2, volume(3, 300))
    );
    assert_eq!(accounting.flows, 3);
}

#[test]
fn frames_that_are_not_ip_credit_nobody() {
    let mut driver = Driver::new(&Settings::default());
    driver.packet(FlowKey {
        ethertype: [8, 6],
        ..FlowKey::default()
    });
    assert!(hosts(&driver).is_empty());
}
