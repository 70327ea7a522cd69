//! Views that are read in slices.

use crate::driver::{Driver, SECOND, count, egress, sample, tcp};
use netweir_flow::{Connection, Filter, Host, Listing, Meter, Query, Record, Settings, SortKey};

/// More than a slice of flows, many of them equal in most ways.
fn driver() -> Driver {
    let mut driver = Driver::new(&Settings::default());
    for number in 0..12_000_u32 {
        let [_, _, high, low] = number.to_be_bytes();
        let key = tcp(&format!(
            "10.0.{high}.{low}:{} 10.255.0.1:443",
            50_000 + number % 7
        ));
        let answer = tcp(&format!(
            "10.255.0.1:443 10.0.{high}.{low}:{}",
            50_000 + number % 7
        ));
        let packets = 1 + u64::from(number % 10);
        driver.drain(&[
            sample(key, count(packets, packets * 100), driver.now_ns),
            sample(egress(answer), count(1, 100), driver.now_ns),
        ]);
    }
    driver.tick(SECOND);
    driver
}

fn slices<T>(
    query: &Query,
    meter: &Meter,
    read: fn(&mut Listing<T>, &Meter) -> bool,
) -> (Vec<T>, usize) {
    let mut listing = Listing::new(query.clone());
    let mut slices = 1;
    while read(&mut listing, meter) {
        slices += 1;
    }
    (listing.finish(), slices)
}

#[test]
fn slices_give_what_one_look_gives() {
    let meter = driver().meter;
    let filter = Filter::parse("net 10.0.16.0/20 and not port 50003").ok();
    for sort in SortKey::ALL {
        for (limit, filter) in [(0, None), (1, None), (50, filter.clone()), (9_000, None)] {
            let query = Query {
                filter,
                sort,
                limit: Some(limit),
                descending: limit % 3 == 0,
                ..Query::default()
            };
            let (records, number) = slices(&query, &meter, Listing::<Record>::read);
            assert_eq!(records, meter.flows(&query), "{query:?}");
            assert!(number > 2, "{number} slices");
            let (connections, _) = slices(&query, &meter, Listing::<Connection>::read);
            assert_eq!(connections, meter.connections(&query), "{query:?}");
            let (hosts, _) = slices(&query, &meter, Listing::<Host>::read);
            assert_eq!(hosts, meter.hosts(&query), "{query:?}");
        }
    }
}

#[test]
fn a_limit_keeps_the_first_ones_of_all() {
    let meter = driver().meter;
    for sort in [SortKey::Bytes, SortKey::Source, SortKey::Protocol] {
        let query = |limit| Query {
            sort,
            limit,
            ..Query::default()
        };
        let all = meter.flows(&query(None));
        assert_eq!(meter.flows(&query(Some(5_000))), all[..5_000], "{sort}");
        let all = meter.connections(&query(None));
        assert_eq!(all.len(), 12_000);
        assert_eq!(
            meter.connections(&query(Some(5_000))),
            all[..5_000],
            "{sort}"
        );
    }
}

#[test]
fn a_meter_may_change_between_slices() {
    let mut driver = driver();
    let mut flows = Listing::<Record>::new(Query::default());
    let mut connections = Listing::<Connection>::new(Query::default());
    assert!(flows.read(&driver.meter) && connections.read(&driver.meter));
    assert_eq!(driver.tick(3600 * SECOND).len(), 24_000);
    driver.packet(tcp("10.0.0.1:1 10.0.0.2:443"));
    while flows.read(&driver.meter) {}
    while connections.read(&driver.meter) {}
    let read = flows.finish();
    assert!(read.len() < 24_000 && !read.is_empty());
    // Those that were read at all were read as a whole.
    assert!(connections.finish().iter().all(|it| it.forward.packets > 0));
}
