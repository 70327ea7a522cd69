//! Every limit holds, and is counted.

use super::world::{CLIENT, FIRST, MS, SERVER, address, check, limited, met};
use netweir_flow::quic::connection::{HelloState, Limit, Limits, Outcome};
use netweir_packets::quic::{client_hello, client_initial, crypto, ping, server_initial, short};
use netweir_wire::packet::quic::Version;

#[test]
fn ids_and_5_tuples_of_a_connection() {
    let mut world = limited(Limits {
        cids: 4,
        paths: 2,
        ..Limits::default()
    });
    world.shake_hands();
    for number in 0..9 {
        let outcome = world.client(short(&[1, 0, 0, number, 5, 5, 5, 5], &[9; 40]));
        assert_eq!(outcome, Outcome::Matched);
    }
    assert_eq!(met(&world, Limit::Cids), 7);
    let cids = &world.only().server_cids;
    assert_eq!(cids.len(), 4);
    assert!(cids.get(SERVER).is_some() && cids.get(&[1, 0, 0, 8, 5, 5, 5, 5]).is_some());
    assert_eq!(world.table.indexed(), (1, 5));
    for port in 1..=5 {
        world.client = address("203.0.113.9:1");
        world.client.set_port(port);
        assert_eq!(world.client(short(SERVER, &[9; 40])), Outcome::Matched);
        assert_eq!(world.server(short(CLIENT, &[9; 40])), Outcome::Matched);
    }
    assert_eq!(met(&world, Limit::Paths), 4);
    assert_eq!(world.table.indexed(), (2, 5));
    let connection = world.only();
    assert_eq!(connection.client, world.client);
    let moves = &connection.moves;
    assert_eq!((moves.migrations, moves.rebindings), (1, 4));
}

#[test]
fn bytes_of_hellos_in_all_and_of_one() {
    let mut world = limited(Limits {
        crypto_bytes: 1500,
        ..Limits::default()
    });
    let message = client_hello().extension(0x0033, &[0x42; 2000]).bytes();
    for port in 1..=3 {
        world.client.set_port(port);
        let dcid = [FIRST, &[port as u8]].concat();
        let initial = client_initial(Version::V1, &dcid, CLIENT);
        assert_eq!(
            world.client(initial.carrying(crypto(0, &message[..700]))),
            Outcome::Proven
        );
    }
    assert_eq!(
        (world.table.crypto_bytes(), met(&world, Limit::CryptoInAll)),
        (1400, 1)
    );
    world.now_ns += 12_000 * MS;
    world.ended();
    assert_eq!(world.table.crypto_bytes(), 0);

    let mut world = limited(Limits::default());
    let initial = client_initial(Version::V1, FIRST, CLIENT);
    world.client(initial.carrying(crypto(1 << 20, &message[..100])));
    assert_eq!(
        (world.table.crypto_bytes(), met(&world, Limit::CryptoOfOne)),
        (0, 1)
    );
}

#[test]
fn pieces_of_one_byte_take_the_memory_that_they_cost() {
    let mut world = limited(Limits {
        crypto_bytes: 10_000,
        ..Limits::default()
    });
    // Each behind a gap.
    let frames: Vec<_> = (0..60)
        .flat_map(|piece| crypto(1 + 2 * piece, &[7]))
        .collect();
    for port in 1..=9 {
        world.client.set_port(port);
        let dcid = [FIRST, &[port as u8]].concat();
        let initial = client_initial(Version::V1, &dcid, CLIENT);
        world.client(initial.carrying(frames.clone()));
    }
    assert_eq!(world.table.len(), (9, 0));
    // 97 bytes for each of them; there is room for one hello of these, and a part of another.
    assert_eq!(
        (world.table.crypto_bytes(), met(&world, Limit::CryptoInAll)),
        (60 * 97, 8)
    );
    let mut states: Vec<_> = world
        .table
        .iter()
        .map(|one| one.hello_state.name())
        .collect();
    states.sort_unstable();
    assert_eq!(states, [&["no_room"; 8][..], &["partial"]].concat());
    world.now_ns += 12_000 * MS;
    world.ended();
    assert_eq!(world.table.crypto_bytes(), 0);
}

#[test]
fn half_hellos_keep_no_whole_one_out() {
    let mut world = limited(Limits {
        crypto_bytes: 64 << 10,
        ..Limits::default()
    });
    let message = client_hello()
        .server_name("netweir.example")
        .extension(0x0033, &[0x42; 1200])
        .bytes();
    let initial = |number: u16| {
        let dcid = [FIRST, &number.to_be_bytes()].concat();
        client_initial(Version::V1, &dcid, CLIENT)
    };
    for number in 0..500 {
        world.client.set_port(1000 + number);
        world.client(initial(number).carrying(crypto(0, &message[..900])));
    }
    world.client.set_port(2000);
    world.client(initial(500).carrying(crypto(0, &message[..900])));
    world.client.set_port(2001);
    world.client(initial(501).carrying(crypto(0, &message[..900])));
    world.client.set_port(2000);
    let rest = initial(500).packet_number(1, 1);
    world.client(rest.carrying(crypto(900, &message[900..])));
    let mut all = world.table.iter();
    let one = all.find(|one| one.client.port() == 2000).unwrap();
    let hello = one.hello.as_ref().unwrap();
    assert_eq!(hello.server_name.as_deref(), Some("netweir.example"));
    assert!(world.table.crypto_bytes() <= 64 << 10);
    // As many as there was no room for, each once; and the setting says so.
    let kept = (64 << 10) / 900;
    let given_up = met(&world, Limit::CryptoInAll);
    assert!(
        (502 - kept - 1..=502 - kept + 1).contains(&given_up),
        "{given_up}"
    );
    let settings: Vec<_> = world.table.counters().settings_met().collect();
    assert_eq!(settings, [("quic.max_hello_memory", given_up)]);
}

#[test]
fn a_hello_is_not_waited_for_forever() {
    let mut world = limited(Limits::default());
    let message = client_hello().extension(0x0033, &[0x42; 2000]).bytes();
    let initial = client_initial(Version::V1, FIRST, CLIENT);
    world.client(initial.carrying(crypto(0, &message[..700])));
    world.server(server_initial(Version::V1, FIRST, CLIENT, SERVER).carrying(ping()));
    assert_eq!(world.only().hello_state, HelloState::Partial);
    world.now_ns += 11_000 * MS;
    assert_eq!(world.ended(), 0);
    assert_eq!(world.only().hello_state, HelloState::TimedOut);
    assert_eq!(
        (world.table.crypto_bytes(), met(&world, Limit::HelloTime)),
        (0, 1)
    );
    let late = client_initial(Version::V1, FIRST, CLIENT).packet_number(1, 1);
    world.client(late.carrying(crypto(700, &message[700..1500])));
    assert_eq!(world.table.crypto_bytes(), 0);
}

#[test]
fn what_is_kept_of_a_hello() {
    let mut world = limited(Limits::default());
    let hello = client_hello()
        .alpn(&["h3", &"x".repeat(200)])
        .transport_parameters(&[(1, &[10]), (27, &[0; 300])]);
    let initial = client_initial(Version::V1, FIRST, CLIENT);
    world.client(initial.carrying(crypto(0, &hello.bytes())));
    let client = world.only().hello.as_ref().unwrap();
    assert!(client.is_cut);
    assert_eq!(client.alpn, ["h3".to_owned(), "x".repeat(64)]);
    assert_eq!(client.transport_parameters.0.len(), 1);
    assert_eq!(met(&world, Limit::HelloFacts), 1);
}

#[test]
fn a_name_that_is_none_is_escaped_cut_and_marked() {
    for (name, is_malformed, is_cut) in [
        ("netweir.example", false, false),
        ("net weir", true, false),
        (&*"\u{1b}".repeat(300), true, true),
    ] {
        let mut world = limited(Limits::default());
        let hello = client_hello().server_name(name);
        let initial = client_initial(Version::V1, FIRST, CLIENT);
        world.client(initial.carrying(crypto(0, &hello.bytes())));
        let client = world.only().hello.as_ref().unwrap();
        assert_eq!(
            (client.has_malformed_name, client.is_cut),
            (is_malformed, is_cut)
        );
        let shown = client.server_name.as_ref().unwrap();
        assert!(shown.len() <= 4 * 64 && shown.is_ascii(), "{shown}");
        assert_eq!(met(&world, Limit::HelloFacts), u64::from(is_cut));
    }
}

#[test]
fn a_hello_in_many_shuffled_pieces_is_read() {
    let mut world = limited(Limits::default());
    let message = client_hello()
        .server_name("netweir.example")
        .extension(0x0033, &[0x42; 300])
        .bytes();
    let mut pieces: Vec<_> = message.chunks(1).zip(0_u64..).collect();
    assert!(pieces.len() > 300, "{}", pieces.len());
    // As badly as can be: each second one first, from the end.
    pieces.reverse();
    let (even, odd): (Vec<_>, Vec<_>) = pieces.into_iter().partition(|(_, at)| at % 2 == 0);
    let frames = odd.into_iter().chain(even);
    let frames: Vec<_> = frames.flat_map(|(piece, at)| crypto(at, piece)).collect();
    let initial = client_initial(Version::V1, FIRST, CLIENT);
    world.client(initial.carrying(frames));
    let hello = world.only().hello.as_ref().expect("it was read");
    assert_eq!(hello.server_name.as_deref(), Some("netweir.example"));
    assert_eq!(world.table.crypto_bytes(), 0);
}

#[test]
fn many_long_values_of_a_hello_are_cut_in_all() {
    let mut world = limited(Limits::default());
    let names: Vec<_> = (0..9).map(|_| "\u{1}".repeat(64)).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let value = [0; 64];
    let parameters: Vec<_> = (0x40..0x5f).map(|id| (id, &value[..])).collect();
    let message = client_hello()
        .alpn(&names)
        .transport_parameters(&parameters)
        .bytes();
    let (first, rest) = message.split_at(1000);
    let initial = client_initial(Version::V1, FIRST, CLIENT);
    world.client(initial.carrying(crypto(0, first)));
    for (number, piece) in (1..).zip(rest.chunks(1000)) {
        let next = client_initial(Version::V1, FIRST, CLIENT).packet_number(number, 1);
        world.client(next.carrying(crypto(1000 * number, piece)));
    }
    let client = world.only().hello.as_ref().unwrap();
    assert!(client.is_cut);
    // A byte that is no text has four when it is escaped.
    assert_eq!(client.alpn.len(), 1024 / (4 * 64));
    assert_eq!(client.transport_parameters.0.len(), 1024 / 64);
}

#[test]
fn packets_of_a_datagram_and_initials_of_a_connection() {
    let mut world = limited(Limits::default());
    let small = |number| {
        let initial = client_initial(Version::V1, FIRST, CLIENT).padded_to(0);
        initial.packet_number(number, 2).carrying(ping())
    };
    let datagram: Vec<_> = (0..20).flat_map(small).collect();
    assert_eq!(world.client(datagram), Outcome::Proven);
    assert_eq!(met(&world, Limit::Packets), 1);
    for number in 8..200 {
        world.client(small(number));
    }
    let counters = world.table.counters();
    let opened = counters.outcome(Outcome::Proven);
    assert!(opened < 130, "{opened}");
    assert_eq!(met(&world, Limit::Initials), 193 - opened);
}

#[test]
fn what_is_cut_or_no_event_is_counted_as_that() {
    let mut world = limited(Limits::default());
    let packet = client_initial(Version::V1, FIRST, CLIENT).carrying(ping());
    assert_eq!(world.client(&packet[..600]), Outcome::Unreadable);
    let event = netweir_wire::map::QuicEvent::default();
    assert_eq!(
        world.table.handle_event(&event, &packet),
        Outcome::Malformed
    );
    let counters = world.table.counters();
    assert_eq!(
        (
            counters.outcome(Outcome::Unreadable),
            counters.outcome(Outcome::Malformed)
        ),
        (1, 1)
    );
    assert!(world.table.is_empty());
    check(&world.table);
}
