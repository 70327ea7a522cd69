//! Whatever comes, nothing panics, every identity holds, and limits do.

use super::world::{CLIENT, FIRST, MS, SERVER, address, check, world_with};
use netweir_flow::quic::{
    Sender,
    connection::{Limits, Settings},
};
use netweir_packets::quic::{
    client_hello, client_initial, close, crypto, handshake, ping, retry, server_initial, short,
    version_negotiation, zero_rtt,
};
use netweir_wire::{map::SpinSums, packet::quic::Version};
use proptest::{collection::vec, prelude::*, sample::select};

const LIMITS: Limits = Limits {
    connections: 3,
    guesses: 3,
    cids: 3,
    paths: 2,
    crypto_bytes: 600,
};

#[derive(Clone, Debug)]
enum Step {
    Send(Sender, Vec<u8>),
    Spin(Sender, u32, u32, u64),
    Count(Sender, u64),
    Port(u16),
    Wait(u64),
}

fn cid() -> impl Strategy<Value = Vec<u8>> {
    let others = [
        &[][..],
        &[1],
        FIRST,
        CLIENT,
        SERVER,
        b"another one",
        &[7; 20],
    ];
    select(others.map(<[u8]>::to_vec).to_vec())
}

fn packet() -> impl Strategy<Value = Vec<u8>> {
    let versions = [Version::V1, Version::V2, Version::draft(29)];
    let parts = (
        select(versions.to_vec()),
        cid(),
        cid(),
        cid(),
        0..12_u8,
        any::<u8>(),
    );
    parts.prop_map(|(version, first, dcid, scid, kind, byte)| {
        let initial = client_initial(version, &first, &scid).packet_number(byte.into(), 1);
        let answer = server_initial(version, &first, &dcid, &scid);
        let hello = client_hello().extension(0x0033, &[0x42; 700]).bytes();
        match kind {
            0 => initial.carrying(crypto(0, &hello[..400])),
            1 => initial.to(&dcid).carrying(crypto(400, &hello[400..])),
            2 => initial.token(b"token").carrying(ping()),
            3 => answer.carrying(ping()),
            4 => answer.carrying(close(byte.into(), "")),
            5 => retry(version, &first, (&dcid, &scid), b"token"),
            6 => zero_rtt(version, &dcid, &scid, &[byte; 40]),
            7 => handshake(version, &dcid, &scid, &[byte; 40]),
            8 => version_negotiation(&dcid, &scid, &[Version::V1, version]),
            9 => handshake(
                Version(u32::from(byte) << 8 | 0xface_0000),
                &dcid,
                &scid,
                &[byte; 1200],
            ),
            _ => {
                let mut packet = short(&dcid, &[byte; 40]);
                packet[0] = byte & 0x7f;
                packet
            }
        }
    })
}

fn datagram() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => packet(),
        2 => vec(packet(), 1..4).prop_map(|packets| packets.concat()),
        1 => vec(any::<u8>(), 1..80),
        1 => (packet(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut packet, at, byte)| {
            let at = at.index(packet.len());
            packet[at] ^= byte;
            packet
        }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let sender = || select(vec![Sender::Client, Sender::Server]);
    prop_oneof![
        8 => (sender(), datagram()).prop_map(|(sender, bytes)| Step::Send(sender, bytes)),
        1 => (sender(), any::<u32>(), any::<u32>(), any::<u64>())
            .prop_map(|(sender, turns, packets, ns)| Step::Spin(sender, turns, packets, ns)),
        2 => (sender(), 0..1000_u64).prop_map(|(sender, packets)| Step::Count(sender, packets)),
        2 => (0..5_u16).prop_map(Step::Port),
        1 => (0..20_000_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn any_sequence_of_events_is_accounted_for(steps in vec(step(), 0..80)) {
        let settings = Settings { limits: LIMITS, ..Settings::default() };
        let mut world = world_with(settings, "telementry server=198.51.100.0/24");
        world.client = address("192.0.2.7:50000");
        for step in steps {
            match step {
                Step::Send(sender, bytes) => {
                    world.send(sender, bytes);
                }
                Step::Spin(sender, turns, packets, ns) => {
                    let (sum_ns, min_ns, max_ns) = (ns, ns, ns);
                    world.spin(sender, SpinSums { sum_ns, min_ns, max_ns, turns, packets });
                }
                Step::Count(sender, packets) => world.count(sender, packets),
                Step::Port(port) => world.client.set_port(50_000 + port),
                Step::Wait(ms) => {
                    world.now_ns += ms * MS;
                    world.ended();
                }
            }
            check(&world.table);
            let (known, guesses) = world.table.len();
            prop_assert!(known <= LIMITS.connections && guesses <= LIMITS.guesses);
            prop_assert!(world.table.crypto_bytes() <= LIMITS.crypto_bytes);
            for one in world.table.all() {
                prop_assert!(one.client_cids.len().max(one.server_cids.len()) <= LIMITS.cids);
                one.spin_state(Sender::Client);
                one.client_spin.time();
            }
            let (paths, cids) = world.table.indexed();
            let entries = known + guesses;
            prop_assert!(paths <= entries * LIMITS.paths && cids <= entries * LIMITS.cids * 2);
        }
        world.now_ns += 200_000 * MS;
        world.ended();
        prop_assert!(world.table.is_empty());
        check(&world.table);
    }
}
