//! How long flows live, and when they are reported.

use crate::driver::{Driver, SECOND, START, count, sample, tcp};
use netweir_flow::{EndReason, Query, Rate, Sample, Settings};
use netweir_wire::map::{Count, FlowCounters, FlowKey};

const HOUR: u64 = 3600 * SECOND;

fn key() -> FlowKey {
    tcp("10.0.0.1:50000 10.0.0.2:443")
}

#[test]
fn a_silent_flow_ends_after_the_idle_timeout() {
    let mut driver = Driver::new(&Settings::default());
    driver.packet(key());
    let mut records = Vec::new();
    let mut ended_ns = 0;
    for _ in 0..120 {
        let reported = driver.tick(SECOND);
        if !reported.is_empty() {
            ended_ns = driver.now_ns - START;
        }
        records.extend(reported);
    }
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].reason, Some(EndReason::Idle));
    assert_eq!(
        (records[0].count, records[0].delta),
        (count(1, 100), count(1, 100))
    );
    // No sooner than the time-out, and later by no more than a bucket's width and a tick.
    assert!(
        (60 * SECOND..=63 * SECOND).contains(&ended_ns),
        "{ended_ns}"
    );
    assert_eq!(driver.meter.accounting().flows, 0);
}

#[test]
fn packets_keep_a_flow_alive() {
    let mut driver = Driver::new(&Settings::default());
    for _ in 0..30 {
        driver.packet(key());
        assert!(driver.tick(50 * SECOND).is_empty());
    }
}

#[test]
fn a_flow_that_lasts_is_reported_every_active_timeout_with_what_is_new() {
    let mut driver = Driver::new(&Settings::default());
    let mut records = Vec::new();
    for _ in 0..2 * HOUR / (10 * SECOND) {
        driver.packet(key());
        records.extend(driver.tick(10 * SECOND));
    }
    records.extend(driver.tick(HOUR));
    let reasons: Vec<_> = records.iter().filter_map(|record| record.reason).collect();
    let [middle @ .., EndReason::Idle] = &reasons[..] else {
        panic!("ended by {reasons:?}");
    };
    assert_eq!(middle, [EndReason::Active; 3]);
    let told = records
        .iter()
        .fold(Count::default(), |sum, record| sum + record.delta);
    assert_eq!(told, count(720, 72_000));
    assert_eq!(records[3].count, told);
    assert!(records.iter().all(|record| record.first_unix_ns == START));
}

#[test]
fn a_flow_that_comes_back_begins_anew() {
    let mut driver = Driver::new(&Settings::default());
    driver.packet(key());
    assert_eq!(driver.tick(HOUR).len(), 1);
    driver.packet(key());
    let records = driver.tick(HOUR);
    assert_eq!(records[0].count, count(1, 100));
    assert_eq!(records[0].first_unix_ns, START + HOUR);
}

#[test]
fn the_end_reports_what_no_record_has_told() {
    let mut driver = Driver::new(&Settings {
        active_ns: 60 * SECOND,
        idle_ns: HOUR,
        ..Settings::default()
    });
    let told = tcp("10.0.0.3:1 10.0.0.2:443");
    driver.packet(key());
    driver.packet(told);
    assert_eq!(driver.tick(70 * SECOND).len(), 2);
    driver.packet(key());
    let records = driver.meter.finish(driver.now_ns);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].reason, Some(EndReason::Exit));
    assert_eq!(
        (records[0].count, records[0].delta),
        (count(2, 200), count(1, 100))
    );
    assert!(driver.meter.finish(driver.now_ns).is_empty());
}

#[test]
fn a_long_silence_within_the_idle_timeout_is_not_reported() {
    let mut driver = Driver::new(&Settings {
        active_ns: 60 * SECOND,
        idle_ns: HOUR,
        ..Settings::default()
    });
    driver.packet(key());
    let reports = (0..50)
        .map(|_| driver.tick(60 * SECOND).len())
        .sum::<usize>();
    assert_eq!(reports, 1);
}

#[test]
fn timeouts_of_zero_end_and_report_at_every_tick() {
    let mut driver = Driver::new(&Settings {
        active_ns: 0,
        idle_ns: 0,
        ..Settings::default()
    });
    for _ in 0..3 {
        driver.packet(key());
        let records = driver.tick(SECOND);
        assert_eq!(records[0].reason, Some(EndReason::Idle));
    }
}

#[test]
fn a_full_table_refuses_new_flows_and_counts_them() {
    let mut driver = Driver::new(&Settings {
        max_flows: 1,
        ..Settings::default()
    });
    driver.packet(key());
    driver.packet(tcp("10.0.0.3:1 10.0.0.2:443"));
    driver.packet(key());
    let accounting = driver.meter.accounting();
    assert_eq!(
        (accounting.flows, accounting.table_full),
        (1, count(1, 100))
    );
    assert_eq!(accounting.in_flows, count(2, 200));
    driver.tick(HOUR);
    driver.packet(tcp("10.0.0.3:1 10.0.0.2:443"));
    assert_eq!(driver.meter.accounting().table_full, count(1, 100));
}

#[test]
fn times_that_cannot_be_are_mended() {
    let times = |first_ns, last_ns| Sample {
        key: key(),
        counters: FlowCounters {
            first_ns,
            last_ns,
            ..sample(key(), count(1, 100), 0).counters
        },
        ..Sample::default()
    };
    let mut driver = Driver::new(&Settings::default());
    driver.drain(&[times(u64::MAX, u64::MAX)]);
    let read = |driver: &Driver| {
        let record = driver.meter.flows(&Query::default()).remove(0);
        (record.first_unix_ns, record.last_unix_ns)
    };
    assert_eq!(read(&driver), (START, START));
    driver.drain(&[times(START - 1, START - 5)]);
    assert_eq!(read(&driver), (START - 5, START));
    driver.meter.tick(START - SECOND);
    assert_eq!(read(&driver), (START - 5, START));
    assert_eq!(driver.tick(HOUR).len(), 1);
}

#[test]
fn a_rate_is_that_of_the_last_tick() {
    let mut driver = Driver::new(&Settings::default());
    let rate = |driver: &Driver| {
        let Rate {
            bytes_per_second,
            packets_per_second,
        } = driver.meter.flows(&Query::default())[0].rate;
        (bytes_per_second, packets_per_second)
    };
    driver.packet(key());
    driver.packet(key());
    assert_eq!(rate(&driver), (0.0, 0.0));
    driver.tick(2 * SECOND);
    assert_eq!(rate(&driver), (100.0, 1.0));
    driver.packet(key());
    assert_eq!(
        rate(&driver),
        (100.0, 1.0),
        "the tick under way does not count yet"
    );
    driver.tick(SECOND / 2);
    assert_eq!(rate(&driver), (200.0, 2.0));
    driver.tick(0);
    assert_eq!(rate(&driver), (200.0, 2.0), "no time has passed");
    driver.tick(SECOND);
    assert_eq!(rate(&driver), (0.0, 0.0));
    driver.packet(key());
    assert_eq!(rate(&driver), (0.0, 0.0));
}

#[test]
fn hours_pass_in_milliseconds() {
    let mut driver = Driver::new(&Settings::default());
    let mut told = Count::default();
    let mut packets = 0;
    for second in 0..6 * 3600_u64 {
        for host in 0..3 {
            let port = 1024 + (second + host * 7919) % 5000;
            driver.packet(tcp(&format!("10.0.0.{host}:{port} 10.1.0.1:443")));
            packets += 1;
        }
        for record in driver.tick(SECOND) {
            told += record.delta;
        }
    }
    for record in driver.meter.finish(driver.now_ns) {
        told += record.delta;
    }
    assert_eq!(told, count(packets, packets * 100));
    assert_eq!(driver.meter.audit(), driver.meter.accounting());
}
