//! Where the frames go that cross from one interface to another one.

use crate::driver::{Driver, START, count, interface, tcp_counters, volume};
use netweir_flow::{Batch, InlineLoss, InlineSample, InterfaceId, InterfaceSample, Settings};
use netweir_packets::frame::{ethernet_ipv4, ipv4, udp};
use netweir_wire::{
    map::{Bypass, InlineCounters, InterfaceKey, RuleAction, RuleMark, TapMark, TapSlot},
    packet::protocol,
};

const ID: InterfaceId = InterfaceId {
    netns: 1,
    ifindex: 2,
};

/// A meter with what was counted of 100 frames, of which so many were sent by the kernel.
fn metered(sent: u64) -> Driver {
    let mut driver = Driver::new(&Settings::default());
    driver.meter.add_interface(interface(2, "left"));
    driver.meter.add_interface(interface(3, "right"));
    let mut counters = tcp_counters(count(100, 10_000));
    counters.dropped = volume(5, 500);
    driver.meter.apply(&Batch {
        now_ns: START,
        interfaces: vec![InterfaceSample {
            key: InterfaceKey {
                netns: 1,
                ifindex: 2,
                direction: 0,
            },
            counters,
        }],
        inline: vec![InlineSample {
            id: ID,
            other: 3,
            counters: InlineCounters {
                sent,
                unsent: 1,
                refused: 2,
                no_way: 3,
                bypassed: [1, 2, 3, 4, 5],
                withheld: [1, 1, 1, 0, 1],
            },
            tap: TapSlot {
                taken: 40,
                refused: 1,
                done: 37,
                forwarded: 20,
                full: 5,
                down: 6,
                left_behind: 6,
                recorded: 18,
                unrecorded: 2,
                ..TapSlot::default()
            },
        }],
        ..Batch::default()
    });
    driver
}

#[test]
fn every_frame_that_crosses_is_told() {
    let lines = metered(45).meter.accounting().inline;
    let [line] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    assert_eq!((&*line.name, &*line.to), ("left", "right"));
    assert_eq!(
        (line.seen, line.crossed, line.tapped, line.dropped),
        (100, 45, 20, 5)
    );
    let lost: Vec<_> = InlineLoss::ALL
        .map(InlineLoss::name)
        .into_iter()
        .zip(line.lost)
        .collect();
    let expected = [
        ("no_way", 3),
        ("unsent", 1),
        ("refused", 2),
        ("socket_refused", 1),
        ("tap_full", 5),
        ("tap_down", 6),
        ("left_behind", 6),
        ("withheld", 4),
    ];
    assert_eq!(lost, expected);
    assert_eq!(line.lost_total(), 28);
    assert_eq!((line.in_tap, line.unconfirmed()), (2, 0));
    assert_eq!(line.bypassed_total(), 15);
    assert_eq!(line.bypassed[Bypass::TooLong as usize], 4);
    assert_eq!((line.recorded, line.unrecorded), (18, 2));
}

#[test]
fn what_the_kernel_does_not_say_is_unconfirmed() {
    assert_eq!(metered(42).meter.accounting().inline[0].unconfirmed(), 3);
    assert_eq!(metered(46).meter.accounting().inline[0].unconfirmed(), -1);
}

#[test]
fn tapped_frames_are_heads_with_their_queue() {
    let mut driver = metered(45);
    let frame = ethernet_ipv4(ipv4(protocol::UDP).carrying(udp(7, 9, &[1; 600])));
    let mark = TapMark {
        time_ns: START,
        rule: RuleMark::new(4, RuleAction::Tap).0,
        queue: 3,
        reserved: 0,
    };
    driver.meter.apply_tapped(ID, &mark, (2000, &frame));
    let heads = driver.meter.heads(0);
    let [head] = heads.as_slice() else {
        panic!("{heads:?}");
    };
    assert_eq!((&*head.interface, head.queue), ("left", Some(3)));
    assert_eq!((head.action, head.frame_bytes), (RuleAction::Tap, 2000));
    // All of it is kept, not only what the kernel would tell.
    assert_eq!(&*head.bytes, frame);
    assert_eq!(
        (head.source.port, head.destination.port),
        (Some(7), Some(9))
    );
    let books = driver.meter.accounting().heads;
    assert_eq!((books.received, books.tapped, books.drawn), (1, 1, 0));
}
