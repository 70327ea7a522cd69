//! What a meter does not take, and what it takes in pieces.

use super::world::{SECOND, SERVER, check, world, world_with};
use netweir_flow::{
    Batch, Meter, Settings,
    quic::{self, connection},
};
use netweir_packets::quic::{client_initial, crypto, ping, short};
use netweir_wire::{
    map::{QuicBackendKey, QuicCounters, QuicEvent, Volume},
    packet::quic::Version,
};

fn volume(packets: u64) -> Volume {
    Volume {
        packets,
        bytes: packets * 100,
    }
}

#[test]
fn without_ports_there_is_no_quic() {
    let settings = Settings {
        quic: quic::Settings {
            connections: connection::Settings {
                ports: vec![],
                ..connection::Settings::default()
            },
            max_traced: 10,
            ..quic::Settings::default()
        },
        ..Settings::default()
    };
    let mut meter = Meter::new(&settings, 0);
    let first = client_initial(Version::V1, &[1; 8], &[2; 8]).carrying(ping());
    assert_eq!(meter.apply_quic(&QuicEvent::default(), &first), None);
    assert!(meter.quic().is_none());
    assert_eq!(meter.take_datagrams(), quic::Traced::default());
}

#[test]
fn any_port_will_do_where_that_is_said() {
    let settings = quic::Settings {
        any_port: true,
        ..quic::Settings::default()
    };
    let mut world = world_with(&[], settings);
    world.server_port = 12_345;
    world.shake_hands();
    world.hand_over();
    assert_eq!(world.only().connection.server.port(), 12_345);
    assert_eq!(world.only().client_sent.packets, 2);
}

#[test]
fn other_ports_are_not_looked_at() {
    let mut world = world(&[]);
    world.server_port = 12_345;
    world.shake_hands();
    world.hand_over();
    assert_eq!(world.books(), quic::Accounting::default());
}

#[test]
fn what_a_collector_counted_that_is_gone_is_counted_once_and_stays() {
    let mut meter = Meter::new(&Settings::default(), 0);
    // Long headers of two collectors, of which the first one ends; short ones of the second alone.
    for (first, second) in [(5, 7), (9, 8), (0, 10), (0, 20)] {
        meter.apply(&Batch {
            quic: QuicCounters {
                long: first + second,
                short: second,
                told: [first + second, second, 0],
                lost: [first, 0, 0, second],
                // An allowance is no count.
                allowance: 100 - second as u32,
                ..QuicCounters::default()
            },
            ..Batch::default()
        });
    }
    let kernel = meter.quic().unwrap().accounting().kernel;
    // What the second one counted between the two reads is hidden by what is missing: 2 of 29.
    assert_eq!((kernel.long, kernel.told), (27, [27, 20, 0]));
    assert_eq!((kernel.short, kernel.lost), (20, [9, 0, 0, 20]));
    assert_eq!(kernel.allowance, 0);
}

#[test]
fn backends_add_up_and_those_without_room_are_counted() {
    let settings = Settings {
        quic: quic::Settings {
            max_backends: 2,
            ..quic::Settings::default()
        },
        ..Settings::default()
    };
    let mut meter = Meter::new(&settings, 0);
    let key = |backend| QuicBackendKey {
        backend,
        named: 1,
        ..QuicBackendKey::default()
    };
    for backends in [&[1, 2, 3][..], &[3, 2]] {
        meter.apply(&Batch {
            quic_backends: backends
                .iter()
                .map(|&one| (key(one), volume(one)))
                .collect(),
            ..Batch::default()
        });
    }
    let quic = meter.quic().unwrap();
    let mut counted: Vec<_> = quic
        .backends()
        .map(|one| (one.backend, one.queue, one.volume.packets))
        .collect();
    counted.sort_unstable();
    assert_eq!(counted, [(Some(1), None, 1), (Some(2), None, 4)]);
    assert_eq!(quic.accounting().backends_full, volume(6));
}

/// Random connection IDs fill the table, and go when they have been silent for long.
#[test]
fn idle_backends_with_few_packets_make_room_and_stay_accounted_for() {
    struct Step(u64, &'static [(u64, u64)], [u64; 4]);
    let settings = Settings {
        quic: quic::Settings {
            max_backends: 4,
            connections: connection::Settings {
                idle_ns: 60 * SECOND,
                ..connection::Settings::default()
            },
            ..quic::Settings::default()
        },
        ..Settings::default()
    };
    let mut meter = Meter::new(&settings, 0);
    let mut counted_in_all = Volume::default();
    // Milliseconds, what is counted then by backend, and what is known behind it.
    let steps = [
        Step(0, &[(1, 10), (2, 1), (3, 2), (4, 5)], [1, 2, 3, 4]),
        Step(59_000, &[(4, 1)], [1, 2, 3, 4]),
        // Nobody has been idle for longer than the time-out.
        Step(60_000, &[(5, 1)], [1, 2, 3, 4]),
        // Within a second nobody looks again.
        Step(60_999, &[(5, 2)], [1, 2, 3, 4]),
        // The lower half of 1, 2 and 3; there is room for two, and 7 comes too late.
        Step(61_000, &[(5, 4), (6, 1), (7, 8)], [1, 4, 5, 6]),
        // One that was forgotten is counted from the beginning; of one, that one makes room.
        Step(62_000, &[(2, 1)], [2, 4, 5, 6]),
        Step(63_000, &[(1, 1)], [2, 4, 5, 6]),
    ];
    for Step(ms, backends, known) in steps {
        let key = |backend| QuicBackendKey {
            backend,
            named: 1,
            ..QuicBackendKey::default()
        };
        let counts = backends.iter();
        let quic_backends: Vec<_> = counts.map(|&(one, n)| (key(one), volume(n))).collect();
        quic_backends
            .iter()
            .for_each(|(_, volume)| counted_in_all += *volume);
        meter.apply(&Batch {
            now_ns: ms * 1_000_000,
            quic_backends,
            ..Batch::default()
        });
        let quic = meter.quic().unwrap();
        let mut found: Vec<_> = quic.backends().filter_map(|one| one.backend).collect();
        found.sort_unstable();
        assert_eq!(found, known, "after {ms} ms");
        let books = quic.accounting();
        let mut sum = books.backends_full;
        sum += books.backends_forgotten;
        quic.backends().for_each(|one| sum += one.volume);
        assert_eq!(sum, counted_in_all, "after {ms} ms");
    }
    let books = meter.quic().unwrap().accounting();
    assert_eq!(books.backends_full, volume(1 + 2 + 8 + 1));
    assert_eq!(books.backends_forgotten, volume(1 + 2 + 10));
}

#[test]
fn connections_end_in_pieces_of_a_tick() {
    let mut world = world(&[]);
    for port in 0..100 {
        world.client_port = 50_000 + port;
        world.client(short(SERVER, &[9; 40]));
    }
    world.hand_over();
    assert_eq!(world.books().guesses, 100);
    // The flows are older than their time-out, too, and are told first.
    world.meter.end_tick(world.now_ns + 100 * SECOND);
    let (mut pieces, mut records) = (0, 0);
    while let Some(some) = world.meter.due(7) {
        pieces += 1;
        records += some.len();
        check(&world.meter);
    }
    assert_eq!((pieces, records), (15 + 15, 100));
    let books = world.books();
    assert_eq!((books.guesses, books.table.ended.packets), (0, 100));
    // They were never shown.
    assert_eq!(books.ended, 0);
}

/// As in a replay: no time-out applies, and time is the capture's.
#[test]
fn connections_that_nobody_answered_keep_no_others_out_where_no_time_out_applies() {
    let limits = connection::Limits {
        connections: 100,
        crypto_bytes: 60_000,
        ..connection::Limits::default()
    };
    let settings = quic::Settings {
        connections: connection::Settings {
            idle_ns: u64::MAX,
            unanswered_ns: u64::MAX,
            limits,
            ..connection::Settings::default()
        },
        ..quic::Settings::default()
    };
    let mut world = world_with(&[], settings);
    world.client_port = 1000;
    world.shake_hands();
    for number in 0..500_u16 {
        world.client_port = 10_000 + number;
        let dcid = [&[7; 8][..], &number.to_be_bytes()].concat();
        let half = crypto(0, &[&[1, 0, 8, 0][..], &[7; 400]].concat());
        world.client(client_initial(Version::V1, &dcid, &[2; 8]).carrying(half));
        world.now_ns += SECOND / 10;
        world.hand_over();
        world.meter.tick(world.now_ns);
    }
    world.client_port = 1001;
    world.shake_hands();
    world.hand_over();
    world.meter.tick(world.now_ns);
    // A long time ago or not: both are there, with their names.
    for port in [1000, 1001] {
        let all = world.connections();
        let one = all.iter().find(|one| one.connection.client.port() == port);
        let one = &one.expect("it is there").connection;
        assert_eq!(one.certainty, connection::Certainty::Proven);
        let hello = one.hello.as_ref().expect("its hello was read");
        assert_eq!(hello.server_name.as_deref(), Some("netweir.example"));
    }
    let books = world.books();
    assert_eq!((books.connections, books.ended), (51, 451));
    assert_eq!(books.table.limit(connection::Limit::Unanswered), 451);
    let settings: Vec<_> = books.settings_met().collect();
    assert_eq!(settings, [("quic.max_connections", 451)]);
}
