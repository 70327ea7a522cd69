//! What else is common on the same ports.

use super::world::{CLIENT, FIRST, SERVER, World, check, world};
use netweir_flow::quic::{
    Sender,
    connection::{Certainty, Outcome, Resemblance, Standing},
};
use netweir_packets::quic::short;

/// Numbers that look random and are the same each time.
fn random(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
}

fn nothing_is_shown(world: &World) {
    let shown: Vec<_> = world.table.iter().collect();
    assert!(shown.is_empty(), "{shown:#?}");
    let counters = world.table.counters();
    for outcome in [Outcome::Proven, Outcome::Matched] {
        assert_eq!(counters.outcome(outcome), 0);
    }
    check(&world.table);
}

#[test]
fn dns_with_any_id_is_never_quic() {
    let mut world = world();
    let name = b"\x07netweir\x07example\x00\x00\x01\x00\x01";
    for id in (0..=u16::MAX).step_by(97) {
        let id = id.to_be_bytes();
        let question = [&id[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 1], name, &[0; 11]].concat();
        let answer = [
            &id[..],
            &[0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0],
            name,
            &[0xc0; 32],
        ]
        .concat();
        assert_eq!(world.client(question), Outcome::NotQuic);
        assert_eq!(world.server(answer), Outcome::NotQuic);
    }
    let counters = world.table.counters();
    assert_eq!(counters.resemblance(Resemblance::Dns), counters.events);
    assert_eq!(world.table.len(), (0, 0));
    nothing_is_shown(&world);
}

#[test]
fn stun_dtls_and_turn_channels_are_never_quic() {
    let mut world = world();
    for round in 0..40_u8 {
        let stun = [&[0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42][..], &[round; 20]].concat();
        let dtls = [&[22, 0xfe, 0xfd, 0, 0][..], &[round; 60]].concat();
        let sealed = [&[0x2e, round, 0, 0x20][..], &[round; 32]].concat();
        let channel = [&[0x40, round, 0, 101][..], &[round; 101]].concat();
        for datagram in [stun, dtls, sealed, channel] {
            assert_eq!(world.client(&datagram), Outcome::NotQuic);
            assert_eq!(world.server(&datagram), Outcome::NotQuic);
        }
    }
    let counters = world.table.counters();
    let each = [Resemblance::Stun, Resemblance::Dtls, Resemblance::Turn];
    assert_eq!(each.map(|one| counters.resemblance(one)), [80, 160, 80]);
    nothing_is_shown(&world);
}

#[test]
fn rtp_is_never_quic() {
    let mut world = world();
    for sequence in 0..2000_u16 {
        let mut random = random(u64::from(sequence) + 1);
        let [high, low] = sequence.to_be_bytes();
        let mut packet = vec![0x80, 0x60 | low & 0x80, high, low];
        packet.extend(random.by_ref().take(1196));
        let outcome = world.client(&packet);
        assert_eq!(outcome, Outcome::NotQuic, "{:02x?}", &packet[..12]);
    }
    nothing_is_shown(&world);
}

#[test]
fn noise_is_never_more_than_a_guess_and_soon_not_even_that() {
    for flow in 0..500 {
        let mut world = world();
        for number in 0..40 {
            let mut random = random(flow * 1000 + number + 1);
            let length = 20 + usize::from(random.next().unwrap());
            let packet: Vec<_> = random.by_ref().take(length).collect();
            world.client(&packet);
        }
        nothing_is_shown(&world);
    }
}

#[test]
fn a_version_that_nobody_defined_begins_nothing_but_with_a_first_flight() {
    let mut world = world();
    let ids = [&[0xc1, 0x12, 0x34, 0x56, 0x78, 8][..], FIRST, &[5], CLIENT].concat();
    for (length, guesses) in [(100, 0), (1199, 0), (1200, 1)] {
        let mut packet = ids.clone();
        packet.resize(length, 0x77);
        world.client(packet);
        assert_eq!(world.table.len(), (0, guesses));
    }
    nothing_is_shown(&world);
}

#[test]
fn packets_whose_first_byte_never_varies_are_no_candidate() {
    let mut world = world();
    for number in 0..50_u8 {
        world.client(short(SERVER, &[number; 40]));
    }
    nothing_is_shown(&world);
}

#[test]
fn a_candidate_is_dropped_when_something_speaks_against_it() {
    let unknown = [&[0xc1, 0x12, 0x34, 0x56, 0x78, 0, 0][..], &[5; 60]].concat();
    let stun = [&[0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42][..], &[7; 20]].concat();
    for (against, resemblance) in [
        (unknown, Resemblance::UnknownVersion),
        (stun, Resemblance::Stun),
        (vec![0x13; 60], Resemblance::NoFixedBit),
    ] {
        let mut world = world();
        for number in 0..8_u8 {
            let mut packet = short(SERVER, &[9; 40]);
            packet[0] = 0x60 | number;
            world.client(packet);
        }
        assert_eq!(world.only().standing, Standing::Candidate);
        assert_eq!(world.client(against), Outcome::NotQuic);
        assert_eq!(world.client(short(SERVER, &[9; 40])), Outcome::NotQuic);
        nothing_is_shown(&world);
        let all: Vec<_> = world.table.all().map(|one| one.standing).collect();
        assert_eq!(all, [Standing::NotQuic(resemblance)]);
    }
}

#[test]
fn what_shares_a_proven_connections_ports_changes_nothing_of_it() {
    let mut world = world();
    world.shake_hands();
    let stun = [&[0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42][..], &[7; 20]].concat();
    assert_eq!(world.client(stun), Outcome::NotQuic);
    let rtp = [&[0x80, 0x60, 0, 1][..], &[7; 200]].concat();
    assert_eq!(world.server(rtp), Outcome::NotQuic);
    assert_eq!(world.only().certainty, Certainty::Proven);
    // Peers that agreed on it may clear the fixed bit (RFC 9287).
    let mut greased = short(SERVER, &[9; 40]);
    greased[0] = 0x13;
    assert_eq!(world.client(greased), Outcome::Matched);
    let cids = [Sender::Client, Sender::Server].map(|side| world.only().cids_of(side).len());
    assert_eq!(cids, [1, 2]);
}
