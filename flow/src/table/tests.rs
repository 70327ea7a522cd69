//! That numbers and what flows share are given back.

use super::{Arrival, Limits, Table};
use crate::{Sample, rate::Ticks};
use netweir_wire::map::{FlowCounters, FlowKey};

#[test]
fn what_flows_share_goes_with_the_last_of_them() {
    let limits = Limits {
        idle_ns: 10,
        active_ns: 10,
        max_flows: 20_000,
    };
    let mut table = Table::new(limits, 3, 0);
    let ticks = Ticks::new(0);
    for round in 0..3_u64 {
        let now_ns = round * 1_000_000_000;
        for number in 0..30_000_u32 {
            let sample = sample(number);
            let hash = table.prepare(&[sample])[0];
            let arrival = Arrival {
                is_credit: true,
                drops: false,
                now_ns,
                ticks,
            };
            table.add(&sample, hash, arrival);
        }
        assert_eq!((table.len(), table.hosts.len()), (20_000, 3));
        assert!(table.guests.len() > 10_000 && table.links.len() == 14);
        let visited = table.report_due(now_ns + 900_000_000, usize::MAX, &mut |_, _| {});
        assert_eq!((visited, table.len()), (20_000, 0));
        assert_eq!((table.guests.len(), table.links.len()), (0, 0));
        assert_eq!(table.end(), 20_000, "numbers are given out again");
        assert!(
            (0..crate::index::Index::SHARDS)
                .all(|shard| { table.index.of_shard(shard).next().is_none() })
        );
    }
    assert_eq!(table.full().packets, 30_000);
    assert_eq!(table.in_flows().packets, 60_000);
}

fn sample(number: u32) -> Sample {
    let [_, _, high, low] = number.to_be_bytes();
    let address = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, high, low];
    let ethertype = if number.is_multiple_of(2) {
        [8, 0]
    } else {
        [8, 6]
    };
    Sample {
        key: FlowKey {
            source: address,
            destination: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 2, 0, 1],
            ethertype,
            ..FlowKey::default()
        },
        counters: FlowCounters {
            packets: 1,
            source_mac: [(number % 7) as u8; 6],
            ..FlowCounters::default()
        },
        ..Sample::default()
    }
}
