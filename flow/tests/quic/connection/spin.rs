//! When the spin bit says how long a round trip takes.

use super::world::{CLIENT, FIRST, MS, SERVER, World, world};
use netweir_flow::quic::{
    Sender,
    connection::{Outcome, SpinState},
};
use netweir_packets::quic::{client_initial, handshake, ping, server_initial};
use netweir_wire::{map::SpinSums, packet::quic::Version};

/// A connection whose handshake took a round trip of 40 ms.
fn shaken() -> World {
    let mut world = world();
    world.client(client_initial(Version::V1, FIRST, CLIENT).carrying(ping()));
    world.now_ns += 29 * MS;
    world.server(server_initial(Version::V1, FIRST, CLIENT, SERVER).carrying(ping()));
    world.now_ns += 9 * MS;
    world.client(handshake(Version::V1, SERVER, CLIENT, &[7; 60]));
    world
}

fn sums(turns: u32, packets: u32, each_ns: u64) -> SpinSums {
    SpinSums {
        sum_ns: each_ns * u64::from(turns),
        min_ns: if turns > 0 { each_ns - each_ns / 10 } else { 0 },
        max_ns: if turns > 0 { each_ns + each_ns / 10 } else { 0 },
        turns,
        packets,
    }
}

fn state_of(events: &[SpinSums]) -> SpinState {
    let mut world = shaken();
    for &sums in events {
        assert_eq!(world.spin(Sender::Server, sums), Outcome::Matched);
    }
    assert_eq!(world.only().spin_state(Sender::Client), SpinState::TooFew);
    world.only().spin_state(Sender::Server)
}

#[test]
fn turns_of_a_round_trip_are_credible_and_timed() {
    let mut world = shaken();
    for _ in 0..4 {
        world.spin(Sender::Server, sums(5, 200, 45 * MS));
    }
    assert_eq!(world.only().spin_state(Sender::Server), SpinState::Credible);
    let time = world.only().server_spin.time().unwrap();
    assert_eq!(time.mean_ns, 45 * MS);
    assert_eq!(
        (time.min_ns, time.max_ns),
        (45 * MS - 45 * MS / 10, 45 * MS + 45 * MS / 10)
    );
    assert_eq!(world.only().server_spin.turns(), (20, 800));
    // Packets that overtook each other at one turn do not spoil it, nor its time.
    let mut overtaken = sums(3, 200, 45 * MS);
    overtaken.min_ns = 3_000;
    world.spin(Sender::Server, overtaken);
    assert_eq!(world.only().spin_state(Sender::Server), SpinState::Credible);
    assert_eq!(world.only().server_spin.time(), Some(time));
}

#[test]
fn what_is_no_round_trip_is_noise() {
    // Every packet at random.
    assert_eq!(state_of(&[sums(100, 200, 40 * MS)]), SpinState::Noisy);
    // In bursts.
    assert_eq!(state_of(&[sums(20, 200, 40_000)]), SpinState::Noisy);
    // Far from the handshake, both ways.
    assert_eq!(state_of(&[sums(20, 2000, MS)]), SpinState::Noisy);
    assert_eq!(state_of(&[sums(20, 2000, 900 * MS)]), SpinState::Noisy);
    assert_eq!(state_of(&[sums(20, 2000, 100 * MS)]), SpinState::Credible);
    assert_eq!(state_of(&[sums(20, 2000, 350 * MS)]), SpinState::Credible);
}

/// What is told of a sender that sends 15 packets each 100 ms, over a path of 50 ms: a turn is short
/// where two bursts follow each other, or a packet was lost.
fn of_idle_sender(shortest_ns: u64) -> SpinSums {
    SpinSums {
        sum_ns: 2 * 110 * MS + shortest_ns,
        min_ns: shortest_ns,
        max_ns: 115 * MS,
        turns: 3,
        packets: 45,
    }
}

#[test]
fn idle_time_is_no_part_of_the_round_trip() {
    let mut world = shaken();
    for number in 0..40 {
        world.now_ns += 249 * MS;
        let shortest_ns = if number % 8 == 3 { 55 * MS } else { 100 * MS };
        world.spin(Sender::Client, of_idle_sender(shortest_ns));
    }
    let connection = world.only();
    assert_eq!(connection.spin_state(Sender::Client), SpinState::Credible);
    let time = connection.client_spin.time().unwrap();
    assert!(time.mean_ns > 100 * MS && time.max_ns == 115 * MS);
    assert_eq!(connection.spin_round_trip_ns(), Some(55 * MS));
    // What overtook another packet once is none either.
    world.spin(Sender::Client, of_idle_sender(MS));
    assert_eq!(world.only().spin_round_trip_ns(), Some(55 * MS));
    assert_eq!(world.only().client_spin.time().unwrap().min_ns, MS);
    // The other side, which waits less, says more.
    for _ in 0..4 {
        world.spin(Sender::Server, sums(5, 200, 50 * MS));
    }
    assert_eq!(world.only().spin_round_trip_ns(), Some(45 * MS));
}

#[test]
fn a_sender_that_always_waits_says_nothing_of_the_round_trip() {
    // Twice what the handshake took, and more.
    let mut world = shaken();
    for _ in 0..40 {
        world.spin(Sender::Client, of_idle_sender(100 * MS));
    }
    assert_eq!(world.only().spin_state(Sender::Client), SpinState::Idle);
    assert_eq!(world.only().spin_round_trip_ns(), None);
    // Nobody knows what the handshake took.
    for (packets, expected) in [(320, SpinState::Credible), (319, SpinState::Idle)] {
        let mut world = super::world::world();
        let answer = server_initial(Version::V1, FIRST, CLIENT, SERVER).carrying(ping());
        world.server(answer);
        world.client(handshake(Version::V1, SERVER, CLIENT, &[7; 60]));
        world.spin(Sender::Client, sums(5, packets, 100 * MS));
        assert_eq!(world.only().spin_state(Sender::Client), expected);
    }
}

#[test]
fn a_round_trip_is_that_of_late() {
    let mut world = shaken();
    let mut tell = |times, each_ns| {
        for _ in 0..times {
            world.now_ns += 499 * MS;
            world.spin(Sender::Client, sums(5, 400, each_ns));
        }
        world.only().spin_round_trip_ns()
    };
    assert_eq!(tell(10, 40 * MS), Some(36 * MS));
    // A longer path: the shorter one is forgotten within 20 seconds, not at once.
    assert_eq!(tell(10, 200 * MS), Some(36 * MS));
    assert_eq!(tell(30, 200 * MS), Some(180 * MS));
    // After a pause at once.
    world.now_ns += 60_000 * MS;
    world.spin(Sender::Client, sums(5, 400, 300 * MS));
    assert_eq!(world.only().spin_round_trip_ns(), Some(270 * MS));
}

#[test]
fn a_bit_that_does_not_turn_is_disabled() {
    assert_eq!(state_of(&[sums(0, 30, 0)]), SpinState::TooFew);
    assert_eq!(
        state_of(&[sums(0, 30, 0), sums(0, 40, 0)]),
        SpinState::Disabled
    );
    assert_eq!(state_of(&[sums(2, 100, 40 * MS)]), SpinState::TooFew);
}

#[test]
fn the_spin_of_an_unknown_5_tuple_is_counted_as_that() {
    let mut world = world();
    let outcome = world.spin(Sender::Client, sums(20, 2000, MS));
    assert_eq!(outcome, Outcome::NoConnection);
}
