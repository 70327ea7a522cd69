//! Work grows with what changed, never with the number of flows that exist.

use crate::driver::{Driver, SECOND, tcp};
use netweir_flow::Settings;

#[test]
fn a_tick_among_many_silent_flows_touches_what_is_due_alone() {
    let mut driver = Driver::new(&Settings::default());
    let key = |number: u32| {
        let [_, high, middle, low] = number.to_be_bytes();
        tcp(&format!("10.{high}.{middle}.{low}:50000 10.255.0.1:443"))
    };
    for number in 0..100_000 {
        driver.packet(key(number));
    }
    for _ in 0..50 {
        for number in 0..10 {
            driver.packet(key(number));
        }
        assert!(driver.tick(SECOND).is_empty());
    }
    assert_eq!(driver.meter.accounting().expiry_visits, 0);
    assert_eq!(driver.tick(20 * SECOND).len(), 99_990);
    let visits = driver.meter.accounting().expiry_visits;
    assert_eq!(
        visits, 100_000,
        "each flow was looked at once, ten were queued anew"
    );
    assert_eq!(driver.tick(100 * SECOND).len(), 10);
    assert_eq!(driver.meter.accounting().expiry_visits, visits + 10);
}
