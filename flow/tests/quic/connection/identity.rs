//! The unit is the connection: what moves, what shares a 5-tuple, what began before we looked.

use super::world::{CLIENT, FIRST, MS, SERVER, address, check, world, world_with};
use netweir_flow::Sample;
use netweir_flow::quic::{
    Sender,
    connection::{Certainty, CidOrigin, MoveKind, Outcome, Settings, Standing},
};
use netweir_packets::quic::{client_initial, handshake, ping, server_initial, short};
use netweir_wire::packet::quic::Version;

/// A short header whose protected bits vary as they do.
fn noise(dcid: &[u8], number: u8) -> Vec<u8> {
    let mut packet = short(dcid, &[number ^ 0x5a; 40]);
    packet[0] = 0x40 | number.wrapping_mul(7) & 0x1f | 0x20;
    packet
}

const fn other(side: Sender) -> Sender {
    match side {
        Sender::Client => Sender::Server,
        Sender::Server => Sender::Client,
    }
}

#[test]
fn a_known_id_on_a_new_5_tuple_is_a_move_and_counts_stay_together() {
    let mut world = world();
    world.shake_hands();
    world.count(Sender::Client, 10);
    world.count(Sender::Server, 20);
    let home = world.client;
    world.client = address("192.0.2.7:50001");
    assert_eq!(world.client(short(SERVER, &[9; 40])), Outcome::Matched);
    world.count(Sender::Client, 3);
    world.count(Sender::Server, 4);
    world.client = address("203.0.113.9:40000");
    assert_eq!(world.client(short(SERVER, &[9; 40])), Outcome::Matched);
    let moved_ns = world.now_ns;
    world.count(Sender::Client, 5);
    // Not before its server is heard there.
    assert_eq!(world.only().client, address("192.0.2.7:50001"));
    assert_eq!(world.only().moves.migrations, 0);
    assert_eq!(world.server(short(CLIENT, &[9; 40])), Outcome::Matched);
    // What was under way to the old place.
    let away = std::mem::replace(&mut world.client, home);
    world.count(Sender::Server, 1);
    assert_eq!(world.packets(), [18, 25]);
    let connection = world.only();
    assert_eq!(connection.client, away);
    assert_eq!(connection.certainty, Certainty::Proven);
    let moves = &connection.moves;
    assert_eq!((moves.migrations, moves.rebindings), (1, 1));
    let kinds: Vec<_> = moves.last.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [MoveKind::Rebinding, MoveKind::Migration]);
    assert_eq!((moves.last[1].to, moves.last[1].time_ns), (away, moved_ns));
    assert!(!connection.shares_path);
    check(&world.table);
}

#[test]
fn a_client_that_comes_back_has_not_moved_once_more() {
    let mut world = world();
    world.shake_hands();
    let home = world.client;
    for client in [
        address("203.0.113.9:40000"),
        home,
        address("203.0.113.9:40000"),
    ] {
        world.client = client;
        assert_eq!(world.client(short(SERVER, &[9; 40])), Outcome::Matched);
        assert_eq!(world.server(short(CLIENT, &[9; 40])), Outcome::Matched);
        assert_eq!(world.only().client, client);
    }
    assert_eq!(world.only().moves.migrations, 1);
}

#[test]
fn the_server_may_be_the_first_to_be_seen_on_a_new_5_tuple() {
    let mut world = world();
    world.shake_hands();
    world.client = address("[2001:db8::9]:40000");
    world.server = address("[2001:db8::1]:443");
    // Another server is another matter.
    assert_eq!(world.server(noise(CLIENT, 1)), Outcome::Guessed);
    world.server = address("198.51.100.1:443");
    world.client = address("203.0.113.9:40000");
    assert_eq!(world.server(short(CLIENT, &[9; 40])), Outcome::Matched);
    assert_eq!(world.only().moves.migrations, 1);
    assert_eq!(world.only().client, world.client);
}

#[test]
fn the_ids_that_the_client_made_up_move_nothing() {
    let mut world = world();
    world.shake_hands();
    world.client = address("203.0.113.9:40000");
    assert_eq!(world.client(noise(FIRST, 1)), Outcome::Guessed);
    let copied = client_initial(Version::V1, FIRST, b"other").carrying(ping());
    assert_eq!(world.client(copied), Outcome::Proven);
    let all: Vec<_> = world.table.iter().collect();
    assert_eq!(all.len(), 2, "somebody else's connection");
    assert!(all.iter().all(|one| one.moves.migrations == 0));
}

#[test]
fn ids_of_length_zero_identify_nothing() {
    let mut world = world();
    world.client(client_initial(Version::V1, FIRST, &[]).carrying(ping()));
    world.server(server_initial(Version::V1, FIRST, &[], &[]).carrying(ping()));
    assert_eq!(world.client(noise(b"any bytes", 1)), Outcome::Matched);
    assert_eq!(world.server(noise(b"any bytes", 1)), Outcome::Matched);
    let cids = [Sender::Client, Sender::Server].map(|side| world.only().cids_of(side).len());
    assert_eq!(cids, [1, 2]);
    assert_eq!(world.table.indexed(), (1, 1), "the first ID alone");
    world.count(Sender::Client, 5);
    world.client = address("203.0.113.9:40000");
    assert_eq!(world.client(noise(b"any bytes", 1)), Outcome::Guessed);
    assert_eq!(world.only().moves.migrations, 0);
    assert_eq!(world.table.len(), (1, 1));
}

#[test]
fn ids_that_are_too_short_to_be_distinct_do_not_move() {
    let mut world = world();
    world.client(client_initial(Version::V1, FIRST, CLIENT).carrying(ping()));
    world.server(server_initial(Version::V1, FIRST, CLIENT, &[0x11]).carrying(ping()));
    assert_eq!(world.client(noise(&[0x11], 1)), Outcome::Matched);
    world.client = address("203.0.113.9:40000");
    assert_eq!(world.client(noise(&[0x11], 1)), Outcome::Guessed);
}

#[test]
fn a_new_id_on_a_known_5_tuple_is_learnt_by_path_and_moves_then() {
    let mut world = world();
    world.shake_hands();
    let new = [0x02, 0, 0, 7, 8, 8, 8, 8];
    assert_eq!(world.client(noise(&new, 3)), Outcome::Matched);
    let known = *world.only().server_cids.get(&new).unwrap();
    assert_eq!(
        (known.origin, known.certainty),
        (CidOrigin::Path, Certainty::Matched)
    );
    world.client = address("203.0.113.9:40000");
    assert_eq!(world.client(noise(&new, 4)), Outcome::Matched);
    // The server's answer has a new ID, too.
    assert_eq!(world.server(noise(b"5 new", 4)), Outcome::Matched);
    assert_eq!(world.only().moves.migrations, 1);
    assert!(world.only().client_cids.get(b"5 new").is_some());
}

#[test]
fn connections_on_one_5_tuple_are_told_apart_by_their_ids() {
    let mut world = world();
    world.shake_hands();
    world.count(Sender::Client, 1);
    let (first, client, server) = (b"2nd first", b"2nd client", b"2nd server");
    world.client(client_initial(Version::V1, first, client).carrying(ping()));
    world.server(server_initial(Version::V1, first, client, server).carrying(ping()));
    world.count(Sender::Client, 10);
    assert_eq!(world.client(short(SERVER, &[9; 40])), Outcome::Matched);
    world.count(Sender::Client, 100);
    assert_eq!(world.server(short(client, &[9; 40])), Outcome::Matched);
    world.count(Sender::Client, 1000);
    let mut packets: Vec<_> = world
        .table
        .iter()
        .map(|one| one.client_sent.once().packets)
        .collect();
    packets.sort_unstable();
    assert_eq!(packets, [101, 1010]);
    assert!(
        world
            .table
            .iter()
            .all(|one| one.shares_path && one.moves.rebindings == 0)
    );
    check(&world.table);
}

#[test]
fn two_clients_with_the_same_id_are_two_connections() {
    let mut world = world();
    world.shake_hands();
    world.client = address("203.0.113.9:40000");
    world.client(client_initial(Version::V1, b"2nd first", CLIENT).carrying(ping()));
    let answer = server_initial(Version::V1, b"2nd first", CLIENT, b"2nd server").carrying(ping());
    assert_eq!(world.server(answer), Outcome::Proven);
    assert_eq!(world.server(short(CLIENT, &[9; 40])), Outcome::Matched);
    assert_eq!(world.table.len(), (2, 0));
    assert!(world.table.iter().all(|one| one.moves.migrations == 0));
}

#[test]
fn who_comes_late_guesses_until_ids_answer_each_other() {
    let mut world = world();
    // The client's Initial was missed: nothing opens this.
    let answer = server_initial(Version::V1, FIRST, CLIENT, SERVER).carrying(ping());
    assert_eq!(world.server(answer), Outcome::Guessed);
    assert_eq!(world.only().certainty, Certainty::Guessed);
    assert_eq!(world.only().server, world.server, "by its port");
    let next = handshake(Version::V1, SERVER, CLIENT, &[7; 60]);
    assert_eq!(world.client(next), Outcome::Matched);
    assert_eq!(world.only().certainty, Certainty::Matched);
    assert_eq!(world.only().timing.round_trip_ns(), None);
    assert_eq!(world.client(short(SERVER, &[9; 40])), Outcome::Matched);
    assert_eq!(world.table.len(), (1, 0));
}

#[test]
fn an_id_that_was_learnt_on_a_guess_is_no_proof_of_it() {
    let mut world = world();
    world.server(handshake(Version::V1, CLIENT, SERVER, &[7; 60]));
    for number in 0..3 {
        assert_eq!(world.client(noise(b"8 bytes.", number)), Outcome::Guessed);
    }
    let known = *world.only().server_cids.get(b"8 bytes.").unwrap();
    assert_eq!(
        (known.origin, known.certainty),
        (CidOrigin::Path, Certainty::Guessed)
    );
    world.client = address("203.0.113.9:40000");
    assert_eq!(world.client(noise(b"8 bytes.", 1)), Outcome::Guessed);
    assert_eq!(world.only().moves.migrations, 0);
    assert_eq!(world.table.len(), (0, 2));
}

#[test]
fn what_one_side_says_alone_matches_nothing() {
    for side in [Sender::Server, Sender::Client] {
        let (mine, yours): (&[u8], &[u8]) = (b"told by me", b"told by no one");
        let sealed = handshake(Version::V1, yours, mine, &[7; 60]);
        let mut world = world();
        assert_eq!(world.send(side, &sealed), Outcome::Guessed);
        for number in 0..3 {
            assert_eq!(world.send(side, noise(yours, number)), Outcome::Guessed);
            assert_eq!(world.send(side, &sealed), Outcome::Guessed);
        }
        assert_eq!(world.only().certainty, Certainty::Guessed);
        let known = *world.only().cids_of(other(side)).get(yours).unwrap();
        assert_eq!(
            (known.origin, known.certainty),
            (CidOrigin::Destination, Certainty::Guessed)
        );
        assert_eq!(world.table.len(), (0, 1));
        // Until the other one says that it is its own.
        let answer = handshake(Version::V1, mine, yours, &[7; 60]);
        assert_eq!(world.send(other(side), answer), Outcome::Matched);
        assert_eq!(world.only().certainty, Certainty::Matched);
        assert_eq!(world.send(side, noise(yours, 4)), Outcome::Matched);
    }
}

#[test]
fn where_the_client_alone_is_seen_the_servers_id_stays_a_guess() {
    let mut world = world();
    world.client(client_initial(Version::V1, FIRST, CLIENT).carrying(ping()));
    for _ in 0..2 {
        world.client(handshake(Version::V1, SERVER, CLIENT, &[7; 60]));
    }
    assert_eq!(
        world.client(noise(SERVER, 1)),
        Outcome::Matched,
        "it is proven"
    );
    let known = world.only().server_cids.get(SERVER).unwrap();
    assert_eq!(
        (known.origin, known.certainty),
        (CidOrigin::Destination, Certainty::Guessed)
    );
    assert_eq!(world.only().certainty, Certainty::Proven);
}

#[test]
fn ids_that_come_by_chance_match_nothing() {
    let mut world = world();
    assert_eq!(
        world.server(handshake(Version::V1, &[1], &[2], &[7; 60])),
        Outcome::Guessed
    );
    assert_eq!(
        world.client(handshake(Version::V1, &[2], &[1], &[7; 60])),
        Outcome::Guessed
    );
    assert_eq!(world.client(noise(&[2], 1)), Outcome::Guessed);
    assert_eq!(world.only().certainty, Certainty::Guessed);
}

#[test]
fn short_headers_alone_are_a_guess_that_is_shown_once_it_looks_right() {
    let mut world = world();
    for number in 0..7 {
        assert_eq!(world.client(noise(SERVER, number)), Outcome::Guessed);
        assert_eq!(world.table.iter().count(), 0);
    }
    world.client(noise(SERVER, 7));
    let connection = world.only();
    assert_eq!(connection.certainty, Certainty::Guessed);
    assert_eq!(
        (connection.standing, connection.version),
        (Standing::Candidate, None)
    );
    assert_eq!(connection.server, world.server);
    check(&world.table);
}

#[test]
fn ids_mean_nothing_on_another_interface() {
    let mut world = world();
    world.shake_hands();
    let mut event = netweir_wire::map::QuicEvent {
        key: world.key(Sender::Client),
        time_ns: world.now_ns,
        kind: 1,
        payload_bytes: 49,
        ..Default::default()
    };
    event.key.ifindex = 3;
    let packet = noise(SERVER, 1);
    assert_eq!(world.table.handle_event(&event, &packet), Outcome::Guessed);
    assert_eq!(world.table.len(), (1, 1));
}

#[test]
fn on_a_loopback_device_each_packet_counts_once() {
    let mut world = world();
    world.shake_hands();
    world.count(Sender::Client, 7);
    let mut key = world.key(Sender::Client);
    key.direction = 1;
    let counters = netweir_wire::map::FlowCounters {
        packets: 7,
        ..netweir_wire::map::FlowCounters::ZERO
    };
    world.table.add_sample(&Sample {
        key,
        counters,
        ..Sample::default()
    });
    assert_eq!(world.packets(), [7, 0]);
    check(&world.table);
}

#[test]
fn connections_go_when_they_are_idle_the_unanswered_ones_sooner() {
    let settings = Settings::default();
    let (idle_ns, unanswered_ns) = (settings.idle_ns, settings.unanswered_ns);
    let mut world = world_with(settings, "");
    world.shake_hands();
    world.count(Sender::Client, 5);
    world.client = address("203.0.113.9:40000");
    world.client(client_initial(Version::V1, b"2nd first", CLIENT).carrying(ping()));
    world.count(Sender::Client, 6);
    assert_eq!(world.ended(), 0);
    world.now_ns += unanswered_ns + unanswered_ns / 8;
    assert_eq!(world.ended(), 1);
    assert_eq!(world.only().client, address("192.0.2.7:50000"));
    assert_eq!(world.table.counters().ended.packets, 6);
    // A packet, or its count, keeps it.
    world.client = address("192.0.2.7:50000");
    world.count(Sender::Server, 1);
    world.now_ns += idle_ns - 100 * MS;
    assert_eq!(world.ended(), 0);
    world.now_ns += idle_ns / 8;
    assert_eq!(world.ended(), 1);
    assert!(world.table.is_empty());
    check(&world.table);
    world.count(Sender::Client, 1);
    assert_eq!(world.table.counters().unclaimed.packets, 1);
}
