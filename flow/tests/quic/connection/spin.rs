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
