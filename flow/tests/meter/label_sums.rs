//! What was counted under labels and what records tell of them, under operations at random.

use crate::{
    driver::{Driver, count, sample},
    labels::{NAMES, counted, key, name, packets, under},
};
use netweir_flow::{Record, Settings};
use netweir_wire::map::Count;
use proptest::{prelude::*, sample::select};
use std::collections::HashMap;

/// What may happen to a meter.
#[derive(Clone, Debug)]
enum Step {
    /// Packets of a flow, under one of the rules that there are or were, some time before now.
    Packets(u16, usize, u64, u64),
    /// Other rules: for each number, the label that it has from now on.
    Rules(Vec<(u16, usize)>),
    /// The time passes, and a tick ends.
    Tick(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let packets = (1..5_u16, 0..4_usize, 1..100_u64, 0..20_u64);
    let rules = prop::collection::vec((1..4_u16, 0..NAMES.len()), 0..4);
    prop_oneof![
        6 => packets.prop_map(|(port, rule, packets, ago)| Step::Packets(port, rule, packets, ago)),
        1 => rules.prop_map(Step::Rules),
        1 => (0..60_u64).prop_map(Step::Tick),
    ]
}

/// Packets by label, "" for none.
type Sums = HashMap<String, u64>;

fn told(records: &[Record], sums: &mut Sums) {
    for record in records {
        *sums.entry(name(record).to_owned()).or_default() += record.delta.packets;
    }
}

proptest! {
    #[test]
    fn records_and_totals_agree_for_each_label(
        steps in prop::collection::vec(step(), 0..200),
        max_flows in select(vec![2, 1000]),
        idle_ns in select(vec![1 << 24, u64::MAX]),
    ) {
        let settings = Settings { idle_ns, max_flows, ..Settings::default() };
        let mut driver = Driver::new(&settings);
        // What each number stands for; the last three are told first.
        let mut labels: HashMap<u16, usize> = HashMap::new();
        let (mut counted_under, mut told_of) = (Sums::new(), Sums::new());
        for step in steps {
            match step {
                Step::Packets(port, rule, packets, ago) => {
                    let mut known: Vec<u16> = labels.keys().copied().collect();
                    known.sort_unstable();
                    let number = known.get(rule).copied().unwrap_or(0);
                    let label = labels.get(&number).map_or("", |&place| NAMES[place]);
                    *counted_under.entry(label.to_owned()).or_default() += packets;
                    let of = sample(key(port), count(packets, packets * 60), driver.now_ns - (ago << 20));
                    driver.drain(&[under(number, of)]);
                    // Where there is room for little, what is relabelled is fetched at once.
                    while let Some(records) = driver.meter.relabelled(1) {
                        told(&records, &mut told_of);
                    }
                }
                Step::Rules(rules) => {
                    let rules: HashMap<_, _> = rules.into_iter().collect();
                    let list: Vec<_> = rules.iter().map(|(&number, &place)| counted(number, NAMES[place])).collect();
                    driver.meter.set_rules(&list);
                    labels.extend(rules);
                    while let Some(records) = driver.meter.relabelled(1) {
                        told(&records, &mut told_of);
                    }
                }
                Step::Tick(passed) => told(&driver.tick(passed << 20), &mut told_of),
            }
            let totals = driver.meter.label_totals();
            let sums = packets(&totals).into_iter().filter(|(_, packets)| *packets > 0);
            prop_assert_eq!(sums.collect::<Sums>(), counted_under.clone());
            let flows: usize = totals.iter().map(|it| it.hits.flows).sum();
            prop_assert_eq!(flows, driver.meter.accounting().flows);
            let by_rule: u64 = driver.meter.rule_totals().iter().map(|it| it.hits.count.packets).sum();
            prop_assert!(by_rule <= driver.meter.accounting().received.packets);
        }
        told(&driver.meter.finish(driver.now_ns), &mut told_of);
        let accounting = driver.meter.audit();
        prop_assert_eq!(accounting.mislabelled, Count::default());
        // What there is no room for is in no flow, and in no record.
        let refused = accounting.table_full.packets;
        let all = |sums: &Sums| sums.values().sum::<u64>();
        prop_assert_eq!(all(&told_of) + refused, all(&counted_under));
        if refused == 0 {
            prop_assert_eq!(told_of, counted_under);
        }
    }
}
