//! Heads of packets that rules sample.

use crate::driver::{Driver, START, tcp};
use netweir_flow::{Batch, Filter, Label, Labelled, Settings};
use netweir_wire::map::{HEAD_BYTES, HeadCounters, PacketHead, RuleAction, RuleMark};

fn head(port: u16) -> PacketHead {
    PacketHead {
        key: tcp(&format!("10.0.0.1:{port} 10.0.0.2:443")),
        time_ns: START,
        frame_bytes: 1500,
        captured_bytes: 3,
        rule: RuleMark::new(1, RuleAction::Sample).0,
    }
}

fn driver(max_heads: usize) -> Driver {
    let mut driver = Driver::new(&Settings {
        max_heads,
        ..Settings::default()
    });
    driver.meter.set_rules(&[Labelled {
        number: 1,
        action: RuleAction::Sample,
        label: Label {
            id: 1,
            name: "suspect".into(),
        },
    }]);
    driver
}

#[test]
fn the_latest_heads_are_kept() {
    let mut driver = driver(3);
    for port in 1..=5 {
        driver.meter.apply_head(&head(port), &[1, 2, 3]);
    }
    driver.meter.refuse_heads(2);
    let heads = driver.meter.heads(0);
    let ports: Vec<_> = heads.iter().map(|it| (it.number, it.source.port)).collect();
    assert_eq!(ports, [(3, Some(3)), (4, Some(4)), (5, Some(5))]);
    let [.., last] = &heads[..] else {
        panic!("there are some")
    };
    assert_eq!((&*last.bytes, last.frame_bytes), (&[1, 2, 3][..], 1500));
    assert_eq!((&*last.interface, last.unix_ns), ("eth0", START));
    let decision = last.decision.as_ref().expect("a rule has decided");
    assert_eq!(decision.action, RuleAction::Sample);
    let label = decision.label.as_ref().expect("the meter was told of it");
    assert_eq!(&*label.name, "suspect");
    assert_eq!(driver.meter.heads(4).len(), 1);
    assert!(driver.meter.heads(5).is_empty() && driver.meter.heads(u64::MAX).is_empty());
    let accounting = driver.meter.accounting().heads;
    assert_eq!((accounting.received, accounting.kept), (5, 3));
    assert_eq!(accounting.malformed, 2);
}

#[test]
fn how_many_heads_are_kept_can_change() {
    let mut driver = driver(2);
    for (max, kept) in [(2, 2), (4, 4), (3, 3), (0, 0), (1, 1)] {
        driver.meter.set_max_heads(max);
        assert!(driver.meter.accounting().heads.kept <= kept);
        for port in 0..5 {
            driver.meter.apply_head(&head(port), &[1, 2, 3]);
        }
        assert_eq!(driver.meter.accounting().heads.kept, kept);
    }
    assert_eq!(driver.meter.accounting().heads.received, 25);
}

#[test]
fn no_head_is_longer_than_it_may_be() {
    let mut driver = driver(1);
    driver.meter.apply_head(&head(1), &[7; 2000]);
    assert_eq!(driver.meter.heads(0)[0].bytes.len(), HEAD_BYTES);
}

#[test]
fn what_was_drawn_is_told_or_lost() {
    let mut driver = driver(0);
    let observe = |driver: &mut Driver, told, lost| {
        driver.meter.apply(&Batch {
            heads: HeadCounters {
                told,
                lost,
                passed_over: 90,
                ..HeadCounters::default()
            },
            ..Batch::default()
        });
    };
    observe(&mut driver, 10, [1, 2, 3]);
    driver.meter.apply_head(&head(1), &[1]);
    let heads = driver.meter.accounting().heads;
    assert_eq!((heads.drawn, heads.told, heads.lost), (16, 10, [1, 2, 3]));
    assert_eq!((heads.passed_over, heads.received, heads.kept), (90, 1, 0));
    // A collector that is missing leaves what it had counted.
    observe(&mut driver, 4, [0, 0, 3]);
    observe(&mut driver, 5, [0, 0, 3]);
    assert_eq!(driver.meter.accounting().heads.drawn, 17);
}

#[test]
fn a_filter_asks_a_head_all_that_it_asks_a_flow() {
    let mut driver = driver(2);
    let mut tagged = head(1);
    tagged.key.outer_vlan = 7_u16.to_be_bytes();
    let mut frame = PacketHead { rule: 0, ..head(2) };
    frame.key.ethertype = [0x88, 0xcc];
    frame.key.source = [2, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for head in [tagged, frame] {
        driver.meter.apply_head(&head, &[1]);
    }
    let heads = driver.meter.heads(0);
    for (text, expected) in [
        ("src host 10.0.0.1 and dst port 443 and tcp", [true, false]),
        ("src port 2", [false, true]),
        ("vlan 7", [true, false]),
        ("ethertype 0x88cc", [false, true]),
        ("label suspect", [true, false]),
        ("label \"\"", [false, true]),
        ("rule 1", [true, false]),
        ("rule 0", [false, true]),
        ("interface eth0 and in", [true, true]),
        ("out or interface eth1", [false, false]),
    ] {
        let filter = Filter::parse(text).expect(text);
        let found: Vec<_> = heads.iter().map(|head| filter.matches_head(head)).collect();
        assert_eq!(found, expected, "{text}");
    }
}
