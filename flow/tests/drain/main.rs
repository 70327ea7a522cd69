//! The protocol of a drain as a model: two epochs, lists, maps and a ring, and everything that can
//! happen between any two steps.
//!
//! The model has what the kernel programs and the agent's collector have in common, and nothing
//! else: who reads or writes what, in which order. Programs are delayed between reading the epoch
//! and counting in it, readers die between any two steps. Whatever the order, each packet is handed
//! over once or told as lost. With any of the rules left out some order breaks that.

mod model;

use model::{Event, Model, Rules};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..model::CPUS, 0..model::FLOWS).prop_map(|(cpu, flow)| Event::Start { cpu, flow }),
        4 => (0..model::CPUS).prop_map(|cpu| Event::Finish { cpu }),
        8 => Just(Event::Read),
        1 => Just(Event::Die),
    ]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    vec(event(), 0..300)
}

/// Whether every packet is accounted for in the end.
fn is_exact(rules: Rules, events: &[Event]) -> bool {
    let mut model = Model::new(rules);
    for &event in events {
        model.happen(event);
    }
    model.finish();
    model.is_exact()
}

/// Looks for an order of events in which a packet is lost or handed over twice.
fn counterexample(rules: Rules) -> Option<Vec<Event>> {
    let config = Config {
        cases: 1024,
        failure_persistence: None,
        ..Config::default()
    };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, random);
    let found = runner.run(&events(), |events| {
        prop_assert!(is_exact(rules, &events));
        Ok(())
    });
    match found {
        Ok(()) => None,
        Err(TestError::Fail(_, events)) => Some(events),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn every_packet_is_handed_over_once_or_told_as_lost() {
    assert_eq!(counterexample(Rules::ALL), None);
}

#[test]
fn no_rule_can_be_left_out() {
    let without = [
        Rules {
            waits: false,
            ..Rules::ALL
        },
        Rules {
            decides_first: false,
            ..Rules::ALL
        },
        Rules {
            clears_after_others: false,
            ..Rules::ALL
        },
        Rules {
            skips_taken_frames: false,
            ..Rules::ALL
        },
        Rules {
            closes_only_what_is_taken: false,
            ..Rules::ALL
        },
    ];
    for rules in without {
        let events = counterexample(rules);
        println!("{rules:?}: {events:?}");
        assert!(events.is_some(), "{rules:?} would do");
    }
}

#[test]
fn without_waiting_a_program_that_is_late_is_lost() {
    let late = Event::Start { cpu: 0, flow: 1 };
    let drain = [Event::Read; model::STEPS];
    let events = [&[late], &drain[..], &[Event::Finish { cpu: 0 }]].concat();
    assert!(is_exact(Rules::ALL, &events));
    assert!(!is_exact(
        Rules {
            waits: false,
            ..Rules::ALL
        },
        &events
    ));
}
