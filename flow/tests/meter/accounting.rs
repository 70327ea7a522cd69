//! Where every packet went.

use crate::driver::{Driver, START, count, interface, sample, tcp, tcp_counters, volume};
use netweir_flow::{Batch, Difference, Hook, Imbalance, InterfaceSample, Query, Settings};
use netweir_wire::{
    map::{FlowKey, InterfaceKey, LossReason, StrayReason},
    packet::Problem,
};

fn difference(packets: i64, bytes: i64) -> Difference {
    Difference { packets, bytes }
}

#[test]
fn every_border_is_told() {
    let mut driver = Driver::new(&Settings::default());
    let mut counters = tcp_counters(count(40, 4000));
    counters.counted = count(8, 800);
    counters.filtered = volume(20, 2000);
    counters.sampled = volume(10, 1000);
    counters.lost[LossReason::FlowMapFull as usize] = volume(1, 90);
    counters.problems[Problem::NetworkMalformed as usize] = 3;
    let mut strays = [volume(0, 0); StrayReason::ALL.len()];
    strays[StrayReason::Unreadable as usize] = volume(2, 120);
    driver.meter.apply(&Batch {
        now_ns: START,
        flows: vec![sample(tcp("10.0.0.1:1 10.0.0.2:2"), count(5, 500), START)],
        interfaces: vec![InterfaceSample {
            key: InterfaceKey {
                netns: 1,
                ifindex: 2,
                direction: 0,
            },
            counters,
        }],
        strays,
        ..Batch::default()
    });
    let accounting = driver.meter.accounting();
    let expected = Imbalance {
        kernel: difference(1, 110),
        in_flight: difference(3, 300),
        table: difference(0, 0),
    };
    assert_eq!(accounting.imbalance(), expected);
    assert_eq!(accounting.strays, strays);
    let lines = &accounting.interfaces;
    assert_eq!(lines.len(), 4, "two interfaces of two directions");
    let line = &lines[2];
    assert_eq!((&*line.name, line.id.ifindex), ("eth0", 2));
    assert_eq!(line.imbalance(), expected);
    assert_eq!(
        (line.hook, line.filtered, line.sampled),
        (Hook::Tcx, volume(20, 2000), volume(10, 1000))
    );
    assert_eq!(
        (line.lost_total(), line.received),
        (volume(1, 90), count(5, 500))
    );
    assert_eq!(line.problems[Problem::NetworkMalformed as usize], 3);
}

#[test]
fn malformed_samples_are_counted_and_in_no_view() {
    let mut driver = Driver::new(&Settings::default());
    driver.packet(FlowKey {
        direction: 7,
        ..tcp("10.0.0.1:1 10.0.0.2:2")
    });
    let accounting = driver.meter.accounting();
    assert_eq!(accounting.malformed, count(1, 100));
    assert_eq!(accounting.imbalance().table, difference(0, 0));
    assert!(driver.meter.flows(&Query::default()).is_empty());
    assert!(driver.meter.hosts(&Query::default()).is_empty());
}

#[test]
fn samples_without_packets_are_ignored() {
    let mut driver = Driver::new(&Settings::default());
    driver.drain(&[sample(tcp("10.0.0.1:1 10.0.0.2:2"), count(0, 100), START)]);
    let accounting = driver.meter.accounting();
    assert_eq!((accounting.received, accounting.flows), (count(0, 0), 0));
}

#[test]
fn strays_that_fall_lack_a_collector_whose_counts_stay() {
    let mut driver = Driver::new(&Settings::default());
    for packets in [5, 9, 2, 3] {
        driver.meter.apply(&Batch {
            now_ns: START,
            strays: [volume(packets, packets * 100); StrayReason::ALL.len()],
            ..Batch::default()
        });
    }
    // 7 of 9 were those of one that is gone, and the others count on.
    assert_eq!(driver.meter.accounting().strays[0], volume(10, 1000));
}

#[test]
fn what_is_in_no_line_for_want_of_room_is_told() {
    let mut driver = Driver::new(&Settings {
        max_interfaces: 2,
        ..Settings::default()
    });
    driver.meter.add_interface(interface(3, "eth1"));
    driver.packet(FlowKey {
        ifindex: 3,
        ..tcp("10.0.0.1:1 10.0.0.2:2")
    });
    let accounting = driver.meter.accounting();
    assert_eq!(
        (accounting.unlisted, accounting.in_flows),
        (count(1, 100), count(1, 100))
    );
    assert_eq!(
        driver.meter.flows(&Query::default())[0].interface,
        "if3".into()
    );
}
