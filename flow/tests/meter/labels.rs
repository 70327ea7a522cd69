//! Labels: which flow bears which, what records say of it, and what is counted under each.

use crate::driver::{Driver, SECOND, START, count, interface, sample, tcp, volume};
use netweir_flow::{
    EndReason, Filter, Hook, Interface, Label, LabelTotals, Labelled, Meter, Query, Record,
    RuleTotals, Sample, Settings, SortKey,
};
use netweir_wire::map::{Count, FlowKey, RULE_NUMBERS, RuleAction, RuleMark};

pub(crate) const NAMES: [&str; 3] = ["payments", "suspect", "video"];

fn labelled(number: u16, name: &str, action: RuleAction) -> Labelled {
    let id = NAMES.iter().position(|known| *known == name).unwrap_or(9) as u16;
    Labelled {
        number,
        action,
        label: Label {
            id: id + 1,
            name: name.into(),
        },
    }
}

pub(crate) fn counted(number: u16, name: &str) -> Labelled {
    labelled(number, name, RuleAction::Count)
}

/// A sample under the rule of a number; 0 for none.
pub(crate) fn under(number: u16, of: Sample) -> Sample {
    with(RuleMark::new(number, RuleAction::Count), of)
}

fn with(rule: RuleMark, of: Sample) -> Sample {
    Sample { rule, ..of }
}

pub(crate) fn key(port: u16) -> FlowKey {
    tcp(&format!("10.0.0.1:{port} 10.0.0.2:443"))
}

pub(crate) fn name(record: &Record) -> &str {
    record.label().map_or("", |label| &label.name)
}

/// Name and packets of each label, what is unlabelled as "".
pub(crate) fn packets(totals: &[LabelTotals]) -> Vec<(String, u64)> {
    let name = |it: &LabelTotals| it.label.as_ref().map_or("", |label| &label.name).to_owned();
    let row = |it: &LabelTotals| (name(it), it.hits.count.packets);
    totals.iter().map(row).collect()
}

fn expected(rows: &[(&str, u64)]) -> Vec<(String, u64)> {
    let row = |&(name, packets): &(&str, u64)| (name.to_owned(), packets);
    rows.iter().map(row).collect()
}

fn rule(meter: &Meter, number: u16) -> RuleTotals {
    let mut totals = meter.rule_totals().into_iter();
    let found = totals.find(|totals| totals.number == number);
    found.expect("the meter was told of it")
}

#[test]
fn a_flow_bears_the_label_of_its_rule() {
    let mut driver = Driver::new(&Settings::default());
    let drop = labelled(2, "suspect", RuleAction::Drop);
    driver.meter.set_rules(&[counted(1, "payments"), drop]);
    driver.now_ns += SECOND;
    let now_ns = driver.now_ns;
    driver.drain(&[
        under(1, sample(key(1), count(3, 300), now_ns)),
        with(
            RuleMark::new(2, RuleAction::Drop),
            sample(key(2), count(2, 200), now_ns),
        ),
        sample(key(3), count(1, 100), now_ns),
    ]);
    let flows = driver.meter.flows(&Query::default());
    let seen: Vec<_> = flows
        .iter()
        .map(|flow| {
            let decision = flow.decision.as_ref();
            let decided = decision.map(|by| (by.rule, by.action));
            (name(flow), decided)
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("payments", Some((1, RuleAction::Count))),
            ("suspect", Some((2, RuleAction::Drop))),
            ("", None),
        ]
    );
    driver.tick(SECOND);
    let totals = driver.meter.label_totals();
    assert_eq!(
        packets(&totals),
        expected(&[("", 1), ("payments", 3), ("suspect", 2)])
    );
    let suspect = &totals[2];
    assert_eq!(
        (suspect.rules.as_slice(), suspect.hits.flows),
        (&[2][..], 1)
    );
    assert_eq!(suspect.hits.dropped, volume(2, 200));
    assert_eq!(suspect.hits.spared, volume(0, 0));
    assert_eq!(suspect.hits.rate.packets_per_second, 1.0);
    assert_eq!(suspect.hits.last_unix_ns, Some(START + SECOND));
    let payments = rule(&driver.meter, 1);
    assert_eq!((payments.in_force, payments.since_unix_ns), (true, START));
    assert_eq!(payments.hits.count, count(3, 300));
    assert_eq!(payments.hits.dropped, volume(0, 0));
}

#[test]
fn hooks_that_cannot_drop_spare() {
    let mut driver = Driver::new(&Settings::default());
    driver.meter.add_interface(Interface {
        hook: Hook::Tracepoint,
        ..interface(2, "eth0")
    });
    driver
        .meter
        .set_rules(&[labelled(1, "suspect", RuleAction::Drop)]);
    let mark = RuleMark::new(1, RuleAction::Drop);
    driver.drain(&[with(mark, sample(key(1), count(2, 200), START))]);
    let hits = rule(&driver.meter, 1).hits;
    assert_eq!((hits.dropped, hits.spared), (volume(0, 0), volume(2, 200)));
}

#[test]
fn a_deleted_rule_leaves_its_label() {
    let mut driver = Driver::new(&Settings::default());
    driver.meter.set_rules(&[counted(1, "payments")]);
    driver.drain(&[under(1, sample(key(1), count(3, 300), START))]);
    driver.meter.set_rules(&[]);
    assert_eq!(name(&driver.meter.flows(&Query::default())[0]), "payments");
    // What the kernel had counted before the change comes after it.
    driver.drain(&[under(1, sample(key(1), count(1, 100), START))]);
    let totals = driver.meter.label_totals();
    assert_eq!(packets(&totals), expected(&[("", 0), ("payments", 4)]));
    assert_eq!((totals[1].rules.len(), totals[1].hits.flows), (0, 1));
    assert!(!rule(&driver.meter, 1).in_force);
    let records = driver.tick(3600 * SECOND);
    assert_eq!(name(&records[0]), "payments");
    assert_eq!(rule(&driver.meter, 1).hits.flows, 0);
}

#[test]
fn a_flow_that_is_relabelled_reports_what_was_before() {
    let mut driver = Driver::new(&Settings::default());
    driver
        .meter
        .set_rules(&[counted(1, "payments"), counted(2, "video")]);
    driver.drain(&[under(1, sample(key(1), count(3, 300), START))]);
    driver.now_ns += SECOND;
    driver.drain(&[under(2, sample(key(1), count(5, 500), START + SECOND))]);
    let flow = driver.meter.flows(&Query::default()).remove(0);
    assert_eq!((name(&flow), flow.count), ("video", count(8, 800)));
    assert_eq!(flow.delta, count(5, 500));
    let records = driver.tick(SECOND);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].reason, Some(EndReason::Relabelled));
    assert_eq!(name(&records[0]), "payments");
    assert_eq!(
        (records[0].count, records[0].delta),
        (count(3, 300), count(3, 300))
    );
    let records = driver.meter.finish(driver.now_ns);
    assert_eq!(name(&records[0]), "video");
    assert_eq!(
        (records[0].count, records[0].delta),
        (count(8, 800), count(5, 500))
    );
    assert_eq!(
        packets(&driver.meter.label_totals()),
        expected(&[("", 0), ("payments", 3), ("video", 5)])
    );
}

#[test]
fn what_comes_late_is_reported_by_itself() {
    let mut driver = Driver::new(&Settings::default());
    driver.meter.set_rules(&[counted(1, "payments")]);
    driver.drain(&[under(1, sample(key(1), count(1, 100), START))]);
    driver.now_ns += SECOND;
    let now_ns = driver.now_ns;
    driver
        .meter
        .set_rules(&[counted(1, "payments"), counted(2, "video")]);
    // The kernel tells of what is in its cache first, and then of what it has moved out. In the second
    // round both are of the same tick of its clock: the younger rule is the one in force.
    driver.drain(&[
        under(2, sample(key(1), count(5, 500), now_ns)),
        under(1, sample(key(1), count(2, 200), now_ns - 1)),
        under(1, sample(key(1), count(4, 400), now_ns)),
    ]);
    let flow = driver.meter.flows(&Query::default()).remove(0);
    assert_eq!((name(&flow), flow.count), ("video", count(12, 1200)));
    assert_eq!(flow.delta, count(5, 500));
    let records = driver.meter.finish(now_ns);
    let told: Vec<_> = records
        .iter()
        .map(|record| (name(record), record.delta.packets))
        .collect();
    let expected = [
        ("payments", 1),
        ("payments", 2),
        ("payments", 4),
        ("video", 5),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_number_that_is_given_away_again_takes_no_label_along() {
    let mut driver = Driver::new(&Settings::default());
    driver.meter.set_rules(&[counted(1, "payments")]);
    driver.drain(&[under(1, sample(key(1), count(3, 300), START))]);
    driver.now_ns += SECOND;
    driver.packet(key(9));
    driver.meter.set_rules(&[counted(1, "video")]);
    let flows = driver.meter.flows(&Query::default());
    assert!(flows.iter().all(|flow| flow.decision.is_none()));
    let records = driver.tick(SECOND);
    assert_eq!(records.len(), 1);
    assert_eq!(
        (name(&records[0]), records[0].delta),
        ("payments", count(3, 300))
    );
    driver.drain(&[under(1, sample(key(1), count(2, 200), driver.now_ns))]);
    let totals = driver.meter.label_totals();
    assert_eq!(
        packets(&totals),
        expected(&[("", 1), ("payments", 3), ("video", 2)])
    );
    let video = rule(&driver.meter, 1);
    assert_eq!(video.hits.count, count(2, 200));
    assert_eq!(video.since_unix_ns, START + SECOND);
}

#[test]
fn a_rule_that_nobody_told_of_has_no_label() {
    let mut driver = Driver::new(&Settings::default());
    driver.drain(&[under(
        RULE_NUMBERS - 1,
        sample(key(1), count(3, 300), START),
    )]);
    let flow = driver.meter.flows(&Query::default()).remove(0);
    let decision = flow.decision.expect("a rule has decided");
    assert_eq!((decision.rule, decision.label), (RULE_NUMBERS - 1, None));
    assert_eq!(packets(&driver.meter.label_totals()), expected(&[("", 3)]));
    // Numbers that no rule can have are no rules.
    driver
        .meter
        .set_rules(&[counted(0, "video"), counted(RULE_NUMBERS, "video")]);
    assert_eq!(packets(&driver.meter.label_totals()), expected(&[("", 3)]));
}

#[test]
fn labels_are_no_more_than_twice_the_numbers() {
    let mut meter = Meter::new(&Settings::default(), START);
    let numbers = u32::from(RULE_NUMBERS);
    for round in 0..40 {
        let told: Vec<_> = (0..1024)
            .map(|number| Labelled {
                number: number as u16 + 1,
                action: RuleAction::Count,
                label: Label {
                    id: (round * 1024 + number) as u16,
                    name: format!("label-{}", round * 1024 + number).into(),
                },
            })
            .collect();
        meter.set_rules(&told);
        let flow = sample(key(round as u16 + 1), count(1, 100), START);
        meter.apply_flows(START, &[under(1, flow)]);
    }
    let totals = meter.label_totals();
    assert!(totals.len() <= 2 * numbers as usize, "{}", totals.len());
    let all: u64 = totals.iter().map(|it| it.hits.count.packets).sum();
    assert_eq!(all, 40);
    // Of labels that had to go, what was counted is unlabelled.
    assert!(packets(&totals)[0].1 > 10, "{:?}", totals[0]);
}

#[test]
fn without_room_records_have_it_under_the_next_rule() {
    let mut driver = Driver::new(&Settings {
        max_flows: 1,
        ..Settings::default()
    });
    driver
        .meter
        .set_rules(&[counted(1, "payments"), counted(2, "video")]);
    for number in [1, 2, 1, 2] {
        driver.drain(&[under(number, sample(key(1), count(1, 100), START))]);
        driver.now_ns += SECOND;
    }
    let accounting = driver.meter.accounting();
    // What waits for two records in a row counts twice.
    assert_eq!(accounting.mislabelled, count(3, 300));
    let records = driver.meter.finish(driver.now_ns);
    let told = records
        .iter()
        .fold(Count::default(), |sum, it| sum + it.delta);
    assert_eq!((told, records.len()), (count(4, 400), 2));
    assert_eq!(
        packets(&driver.meter.label_totals()),
        expected(&[("", 0), ("payments", 2), ("video", 2)])
    );
}

#[test]
fn relabelled_flows_can_be_had_at_once() {
    let mut driver = Driver::new(&Settings::default());
    driver.meter.set_rules(&[counted(1, "payments")]);
    for port in 1..=5 {
        driver.packet(key(port));
    }
    driver.now_ns += SECOND;
    for port in 1..=5 {
        driver.drain(&[under(1, sample(key(port), count(1, 100), driver.now_ns))]);
    }
    assert_eq!(
        driver.meter.relabelled(3).map(|records| records.len()),
        Some(3)
    );
    assert_eq!(
        driver.meter.relabelled(3).map(|records| records.len()),
        Some(2)
    );
    assert_eq!(driver.meter.relabelled(3), None);
}

#[test]
fn filters_and_orders_know_labels() {
    let mut driver = Driver::new(&Settings::default());
    driver
        .meter
        .set_rules(&[counted(1, "payments"), counted(2, "eu:video")]);
    for port in 1..=3 {
        driver.drain(&[under(port - 1, sample(key(port), count(1, 100), START))]);
    }
    let ports = |query: Query| -> Vec<_> {
        let flows = driver.meter.flows(&query);
        flows.iter().filter_map(|flow| flow.source.port).collect()
    };
    for (text, expected) in [
        ("label payments", vec![2]),
        ("label eu:video", vec![3]),
        ("label \"eu:video\" or rule 1", vec![2, 3]),
        ("not label payments", vec![1, 3]),
        ("label \"\"", vec![1]),
        ("rule 0", vec![1]),
        ("rule 2", vec![3]),
        ("label pay", vec![]),
    ] {
        let filter: Filter = text.parse().expect(text);
        let records = driver.meter.flows(&Query::default());
        let by_record = records.iter().filter(|it| filter.matches(it)).count();
        assert_eq!(by_record, expected.len(), "{text}");
        assert_eq!(filter.to_string().parse(), Ok(filter.clone()), "{text}");
        let query = Query {
            filter: Some(filter.clone()),
            sort: SortKey::Source,
            descending: false,
            ..Query::default()
        };
        assert_eq!(ports(query), expected, "{text}");
        assert!(filter.for_kernel().is_err(), "{text}");
        let narrowed = filter.and(Filter::of_label("payments"));
        let is_payments = expected.contains(&2);
        let query = Query {
            filter: Some(narrowed),
            ..Query::default()
        };
        assert_eq!(!ports(query).is_empty(), is_payments, "{text}");
    }
    let by_label = Query {
        sort: SortKey::Label,
        descending: false,
        ..Query::default()
    };
    assert_eq!(ports(by_label), [1, 3, 2]);
}
