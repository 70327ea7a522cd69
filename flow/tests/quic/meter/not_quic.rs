//! What else is common on UDP port 443.

use super::world::{World, world};
use netweir_flow::{Query, quic::connection::Outcome};

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

fn nothing_is_shown(mut world: World) {
    world.hand_over();
    assert_eq!(world.connections(), []);
    let books = world.books();
    for outcome in [Outcome::Proven, Outcome::Matched] {
        assert_eq!(books.table.outcome(outcome), 0);
    }
    assert!(books.table.events > 0);
    let flows = world.meter.flows(&Query::default());
    assert!(flows.iter().all(|flow| flow.quic.is_none()));
}

#[test]
fn dns_with_random_ids_is_never_shown() {
    let mut world = world(&[]);
    let name = b"\x07netweir\x07example\x00\x00\x01\x00\x01";
    for id in 0..2000_u64 {
        let id: Vec<_> = random(id).take(2).collect();
        world.client([&id[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0], name].concat());
        world.server(
            [
                &id[..],
                &[0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0],
                name,
                &[7; 32],
            ]
            .concat(),
        );
        world.now_ns += 1_000_000_000;
    }
    nothing_is_shown(world);
}

#[test]
fn stun_and_dtls_are_never_shown() {
    let mut world = world(&[]);
    for number in 0..200 {
        let bytes: Vec<_> = random(number).take(60).collect();
        world.client([&[0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42][..], &bytes[..20]].concat());
        world.server([&[22, 0xfe, 0xfd, 0, 0][..], &bytes].concat());
        world.now_ns += 300_000_000;
    }
    nothing_is_shown(world);
}

#[test]
fn rtp_like_noise_is_never_shown() {
    let mut world = world(&[]);
    for sequence in 0..2000_u16 {
        let [high, low] = sequence.to_be_bytes();
        let mut packet = vec![0x80, 0x60, high, low];
        packet.extend(random(u64::from(sequence) + 1).take(200));
        world.client(packet);
    }
    nothing_is_shown(world);
}
