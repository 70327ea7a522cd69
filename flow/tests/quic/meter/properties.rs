//! What holds for any capture.

use super::world::{FIRST, SECOND, world_with};
use netweir_flow::quic::{self, connection};
use netweir_packets::quic::{client_initial, ping};
use netweir_wire::packet::quic::Version;
use proptest::prelude::*;

/// Payloads that look like QUIC, and some that do not, cut somewhere.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let noise = prop::collection::vec(any::<u8>(), 0..60);
    let initial = (any::<u8>(), 0..1201_usize).prop_map(|(last, length)| {
        let packet = client_initial(Version::V1, FIRST, &[last % 4; 4]).carrying(ping());
        packet[..length.min(packet.len())].to_vec()
    });
    prop_oneof![noise, initial]
}

proptest! {
    #[test]
    fn everything_is_accounted_for(
        steps in prop::collection::vec((payload(), 0..4_u16, any::<bool>(), 0..40_usize, 0..20_u64), 1..60),
        connections in 0..3_usize,
        max_backends in 1..4_usize,
    ) {
        let limits = connection::Limits { connections, guesses: 2, ..connection::Limits::default() };
        let settings = quic::Settings {
            connections: connection::Settings {
                limits,
                idle_ns: 15 * SECOND,
                ..connection::Settings::default()
            },
            max_backends,
            max_traced: 2,
            ..quic::Settings::default()
        };
        let mut world = world_with(&["telementry port=443", "mvfst port=443"], settings);
        let mut frames = 0;
        for (payload, port, is_client, cut, seconds) in steps {
            world.client_port = 50_000 + port;
            if is_client {
                world.client(&payload);
            } else {
                world.server(&payload);
            }
            // Some of it was not captured.
            let datagram = netweir_packets::frame::udp(50_000, 443, &payload);
            let packet = netweir_packets::frame::ipv4(17).carrying(datagram);
            world.frame(packet.len(), &packet[..packet.len() - cut.min(packet.len())]);
            frames += 2;
            world.hand_over();
            world.now_ns += seconds * SECOND;
            world.meter.tick(world.now_ns);
            super::world::check(&world.meter);
        }
        let books = world.books();
        prop_assert!(books.table.received.packets <= frames);
        prop_assert!(books.backends <= max_backends && books.guesses <= 2 && books.connections <= connections);
        let counted: u64 = world.meter.quic().unwrap().backends().map(|one| one.volume.packets).sum();
        let gone = books.backends_full.packets + books.backends_forgotten.packets;
        prop_assert_eq!(counted + gone, books.kernel.decoded);
    }
}
