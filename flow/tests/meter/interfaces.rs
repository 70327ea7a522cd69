//! Counters, rates and peaks of interfaces, and sums over them.

use crate::driver::{Driver, SECOND, START, count, interface, tcp_counters};
use netweir_flow::{
    Batch, Hook, Interface, InterfaceId, InterfaceSample, InterfaceState, Settings,
};
use netweir_wire::map::{Class, Direction, InterfaceKey};

const ID: InterfaceId = InterfaceId {
    netns: 1,
    ifindex: 2,
};

fn state(driver: &Driver, ifindex: u32) -> &InterfaceState {
    let mut states = driver.meter.interfaces();
    match states.find(|state| state.interface.id.ifindex == ifindex) {
        Some(state) => state,
        None => panic!("no interface {ifindex}"),
    }
}

#[test]
fn rates_are_over_a_tick_and_peaks_stay() {
    let mut driver = Driver::new(&Settings::default());
    for (bytes, expected) in [(1000, 500.0), (5000, 2000.0), (5000, 0.0), (5200, 100.0)] {
        driver.drain_interface(2, Direction::Ingress, count(bytes / 100, bytes));
        driver.tick(2 * SECOND);
        let ingress = state(&driver, 2).direction(Direction::Ingress);
        assert_eq!(ingress.rate().bytes_per_second, expected);
        assert_eq!(ingress.class_rate(Class::Tcp), ingress.rate());
        assert_eq!(ingress.class_rate(Class::Udp).bytes_per_second, 0.0);
    }
    let state = state(&driver, 2);
    assert_eq!(state.rate().bits_per_second(), 800.0);
    assert_eq!(state.peak().bytes_per_second, 2000.0);
    assert_eq!(state.peak().packets_per_second, 20.0);
    assert_eq!(
        state.direction(Direction::Egress).peak().packets_per_second,
        0.0
    );
}

#[test]
fn drains_between_two_ticks_are_one_rate() {
    let mut driver = Driver::new(&Settings::default());
    for bytes in [100, 200, 300] {
        driver.drain_interface(2, Direction::Egress, count(1, bytes));
    }
    driver.tick(SECOND);
    assert_eq!(state(&driver, 2).rate().bytes_per_second, 300.0);
    driver.tick(SECOND);
    assert_eq!(state(&driver, 2).rate().bytes_per_second, 0.0);
}

/// What an interface has given up is kept, whatever its new counters show: less than that, or more.
#[test]
fn counters_that_were_given_up_stay() {
    let sample = |seen| InterfaceSample {
        key: InterfaceKey {
            netns: ID.netns,
            ifindex: ID.ifindex,
            direction: Direction::Ingress as u32,
        },
        counters: tcp_counters(seen),
    };
    for (rest, expected) in [(20, 1020), (30, 1030), (5000, 6000)] {
        let mut driver = Driver::new(&Settings::default());
        // Of 1,020, the counters that go had 1,000 and the new ones 20, which count on.
        driver.drain_interface(2, Direction::Ingress, count(1, 1020));
        driver.tick(SECOND);
        driver.meter.apply(&Batch {
            now_ns: driver.now_ns,
            settled: vec![sample(count(1, 1000))],
            interfaces: vec![sample(count(1, rest))],
            ..Batch::default()
        });
        driver.tick(SECOND);
        let ingress = state(&driver, 2).direction(Direction::Ingress);
        assert_eq!(ingress.counters().seen.bytes, expected);
        let new = (expected - 1020) as f64;
        assert_eq!(ingress.rate().bytes_per_second, new);
    }
}

#[test]
fn counters_that_fall_have_begun_anew() {
    let mut driver = Driver::new(&Settings::default());
    driver.drain_interface(2, Direction::Ingress, count(10, 1000));
    driver.tick(SECOND);
    driver.drain_interface(2, Direction::Ingress, count(3, 300));
    driver.drain_interface(2, Direction::Ingress, count(4, 400));
    driver.tick(SECOND);
    let ingress = state(&driver, 2).direction(Direction::Ingress);
    assert_eq!(ingress.counters(), tcp_counters(count(14, 1400)));
    assert_eq!(ingress.rate().bytes_per_second, 400.0);
}

#[test]
fn an_interface_that_goes_stays_listed_with_its_totals() {
    let mut driver = Driver::new(&Settings::default());
    driver.drain_interface(2, Direction::Ingress, count(10, 1000));
    driver.meter.remove_interface(ID);
    driver.meter.add_interface(interface(9, "eth0"));
    driver.drain_interface(9, Direction::Ingress, count(5, 500));
    assert!(!state(&driver, 2).interface.present);
    assert!(state(&driver, 9).interface.present);
    let totals = driver.meter.totals(Some("eth0")).unwrap();
    assert_eq!(totals.total, count(15, 1500));
}

#[test]
fn an_interface_that_is_told_anew_keeps_its_counters() {
    let mut driver = Driver::new(&Settings::default());
    driver.drain_interface(7, Direction::Ingress, count(10, 1000));
    let unknown = &state(&driver, 7).interface;
    assert_eq!((&*unknown.name, unknown.hook), ("if7", Hook::Unknown));
    driver.meter.add_interface(Interface {
        hook: Hook::XdpNative,
        ..interface(7, "wan")
    });
    let known = state(&driver, 7);
    assert_eq!(
        (&*known.interface.name, known.interface.hook.name()),
        ("wan", "xdp-native")
    );
    assert_eq!(
        known.direction(Direction::Ingress).counters().seen,
        count(10, 1000)
    );
}

#[test]
fn totals_are_sums_over_interfaces_and_directions() {
    let mut driver = Driver::new(&Settings::default());
    driver.drain_interface(1, Direction::Ingress, count(1, 100));
    driver.drain_interface(2, Direction::Ingress, count(2, 200));
    driver.drain_interface(2, Direction::Egress, count(4, 400));
    driver.tick(2 * SECOND);
    driver.tick(2 * SECOND);
    driver.drain_interface(2, Direction::Egress, count(5, 500));
    driver.tick(SECOND);
    let all = driver.meter.totals(None).unwrap();
    assert_eq!((all.total, all.uptime_ns), (count(8, 800), 5 * SECOND));
    assert_eq!(all.rate.bytes_per_second, 100.0);
    assert_eq!(all.average.bytes_per_second, 160.0);
    assert_eq!(all.peak.bytes_per_second, 350.0);
    assert_eq!(all.class(Class::Https).total, count(8, 800).volume());
    assert_eq!(
        (all.percent(Class::Tcp), all.percent(Class::Http)),
        (100.0, 0.0)
    );
    let one = driver.meter.totals(Some("eth0")).unwrap();
    assert_eq!(
        (one.total, one.peak.bytes_per_second),
        (count(7, 700), 300.0)
    );
    let silent = Driver::new(&Settings::default())
        .meter
        .totals(None)
        .unwrap();
    assert_eq!(silent.percent(Class::Tcp), 0.0);
    assert_eq!(driver.meter.totals(Some("eth1")), None);
}

#[test]
fn interfaces_past_the_limit_are_passed_over_and_counted() {
    let mut driver = Driver::new(&Settings {
        max_interfaces: 2,
        ..Settings::default()
    });
    driver.meter.add_interface(interface(3, "eth1"));
    driver.drain_interface(4, Direction::Ingress, count(1, 100));
    driver.drain_interface(2, Direction::Ingress, count(1, 100));
    driver.meter.apply(&Batch {
        now_ns: START,
        ..Batch::default()
    });
    assert_eq!(driver.meter.interfaces().count(), 2);
    assert_eq!(driver.meter.accounting().interfaces_passed_over, 2);
}

/// What was counted and taken before there was this meter is in the totals and in the books, and in no
/// rate.
#[test]
fn counters_that_are_older_than_the_meter() {
    let key = InterfaceKey {
        netns: ID.netns,
        ifindex: ID.ifindex,
        direction: Direction::Ingress as u32,
    };
    let mut driver = Driver::new(&Settings::default());
    for seen in [count(30, 3000), count(34, 3400)] {
        driver.meter.apply(&Batch {
            now_ns: driver.now_ns,
            interfaces: vec![InterfaceSample {
                key,
                counters: tcp_counters(seen),
            }],
            taken_before: vec![(key, count(20, 2000))],
            ..Batch::default()
        });
        driver.tick(SECOND);
        let ingress = state(&driver, 2).direction(Direction::Ingress);
        assert_eq!(ingress.counters().seen, seen);
        // What was taken before is not on its way.
        let in_flight = driver.meter.accounting().imbalance().in_flight;
        assert_eq!(in_flight.packets, seen.packets as i64 - 20);
        let expected = if seen.packets == 30 { 0.0 } else { 400.0 };
        assert_eq!(ingress.rate().bytes_per_second, expected);
    }
}
