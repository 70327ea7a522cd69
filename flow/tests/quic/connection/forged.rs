//! What somebody can send who has seen a connection's IDs.

use super::world::{CLIENT, FIRST, SERVER, World, address, check, world, world_with};
use netweir_flow::quic::{
    Sender,
    connection::{Certainty, CidOrigin, Limit, Moves, Outcome, Settings},
};
use netweir_packets::quic::{
    client_initial, close, handshake, ping, retry, server_initial, short, zero_rtt,
};
use netweir_wire::packet::quic::Version;

const FORGED: &[u8] = b"\x01\0\0\x07forg";

fn cids(world: &World, side: Sender) -> Vec<Vec<u8>> {
    let cids = world.only().cids_of(side).iter();
    cids.map(|known| known.cid.as_bytes().to_vec()).collect()
}

#[test]
fn a_source_that_changes_is_not_learnt_from() {
    let mut world = world_with(Settings::default(), "telementry port=443");
    world.shake_hands();
    let before = world.only().clone();
    let initial = server_initial(Version::V1, FIRST, CLIENT, FORGED).packet_number(1, 1);
    let failure = initial.clone().carrying(close(2, "full"));
    for (sender, packet) in [
        (Sender::Server, initial.carrying(ping())),
        (Sender::Server, failure),
        (
            Sender::Server,
            handshake(Version::V1, CLIENT, FORGED, &[7; 60]),
        ),
        (
            Sender::Server,
            handshake(Version::V1, CLIENT, &[], &[7; 60]),
        ),
        (
            Sender::Client,
            client_initial(Version::V1, FIRST, FORGED)
                .packet_number(1, 1)
                .carrying(ping()),
        ),
        (
            Sender::Client,
            zero_rtt(Version::V1, FIRST, FORGED, &[7; 60]),
        ),
        (
            Sender::Client,
            handshake(Version::V1, SERVER, FORGED, &[7; 60]),
        ),
        // Nor one that goes where no server is.
        (
            Sender::Client,
            handshake(Version::V1, FORGED, CLIENT, &[7; 60]),
        ),
        (
            Sender::Client,
            handshake(Version::V1, FIRST, CLIENT, &[7; 60]),
        ),
    ] {
        for _ in 0..2 {
            assert_eq!(world.send(sender, &packet), Outcome::NotAuthentic);
        }
        assert_eq!(*world.only(), before);
    }
    assert_eq!(world.table.indexed(), (1, 3));
    // The real ones are taken as before.
    let next = handshake(Version::V1, CLIENT, SERVER, &[7; 60]);
    assert_eq!(world.server(next), Outcome::Matched);
    let next = handshake(Version::V1, SERVER, CLIENT, &[7; 60]);
    assert_eq!(world.client(next), Outcome::Matched);
    assert_eq!(world.client(short(SERVER, &[9; 40])), Outcome::Matched);
    assert_eq!(cids(&world, Sender::Server), [FIRST, SERVER]);
    check(&world.table);
}

#[test]
fn what_was_opened_outweighs_what_was_not() {
    let mut world = world();
    world.client(zero_rtt(Version::V1, FIRST, FORGED, &[7; 60]));
    world.client(client_initial(Version::V1, FIRST, CLIENT).carrying(ping()));
    let early = handshake(Version::V1, CLIENT, FORGED, &[7; 60]);
    assert_eq!(world.server(&early), Outcome::Matched);
    assert_eq!(cids(&world, Sender::Server), [FIRST, FORGED]);
    let answer = server_initial(Version::V1, FIRST, CLIENT, SERVER).carrying(ping());
    assert_eq!(world.server(answer), Outcome::Proven);
    assert_eq!(world.server(early), Outcome::NotAuthentic);
    assert_eq!(cids(&world, Sender::Server), [FIRST, SERVER]);
    assert_eq!(cids(&world, Sender::Client), [CLIENT]);
    assert_eq!(world.table.indexed(), (1, 3));
    check(&world.table);
}

#[test]
fn after_a_retry_the_server_chooses_once_more() {
    let mut world = world();
    world.client(client_initial(Version::V1, FIRST, CLIENT).carrying(ping()));
    world.server(retry(Version::V1, FIRST, (CLIENT, b"of retry"), b"token"));
    let again = client_initial(Version::V1, b"of retry", CLIENT).token(b"token");
    assert_eq!(
        world.client(again.packet_number(1, 1).carrying(ping())),
        Outcome::Proven
    );
    for (scid, expected) in [
        (SERVER, Outcome::Proven),
        (FORGED, Outcome::NotAuthentic),
        (SERVER, Outcome::Proven),
    ] {
        let answer = server_initial(Version::V1, b"of retry", CLIENT, scid);
        assert_eq!(world.server(answer.carrying(ping())), expected);
    }
    let known: Vec<_> = world
        .only()
        .server_cids
        .iter()
        .map(|one| one.origin)
        .collect();
    assert_eq!(
        known,
        [CidOrigin::ClientFirst, CidOrigin::Retry, CidOrigin::Source]
    );
    assert_eq!(world.only().certainty, Certainty::Proven);
    // Also where the client's first packet was missed.
    let mut world = super::world::world();
    world.server(retry(Version::V1, FIRST, (CLIENT, b"of retry"), b"token"));
    let sealed = handshake(Version::V1, CLIENT, SERVER, &[7; 60]);
    assert_eq!(world.server(sealed), Outcome::Guessed);
}

#[test]
fn packets_from_many_places_move_nothing() {
    let mut world = world();
    world.shake_hands();
    world.server(short(CLIENT, &[9; 40]));
    let home = world.client;
    for number in 0..2000_u16 {
        world.client = address("203.0.113.9:40000");
        world.client.set_port(number + 1);
        let packet = match number % 3 {
            0 => handshake(Version::V1, SERVER, CLIENT, &[7; 60]),
            // Whose ID is not known, behind one whose ID is.
            1 => {
                world.client(short(SERVER, &[9; 40]));
                short(FORGED, &[9; 40])
            }
            _ => short(SERVER, &[9; 40]),
        };
        assert_eq!(world.client(packet), Outcome::Matched);
        world.count(Sender::Client, 1);
    }
    let connection = world.only();
    assert_eq!(
        (connection.client, &connection.moves),
        (home, &Moves::default())
    );
    assert_eq!(cids(&world, Sender::Server), [FIRST, SERVER]);
    // Its own 5-tuple, and the last ones of theirs.
    assert_eq!(world.table.indexed(), (8, 3));
    assert_eq!(world.table.counters().limit(Limit::Paths), 2000 - 7);
    assert_eq!(world.packets(), [2000, 0]);
    world.client = home;
    world.count(Sender::Client, 5);
    world.count(Sender::Server, 6);
    assert_eq!(world.packets(), [2005, 6]);
    assert_eq!(world.only().moves, Moves::default());
    check(&world.table);
}

#[test]
fn a_place_of_another_connection_is_not_taken_but_by_an_answer() {
    let mut world = world();
    world.shake_hands();
    let home = world.client;
    let (first, client, server) = (b"2nd first", b"2nd client", b"2nd server");
    world.client = address("203.0.113.9:40000");
    world.client(client_initial(Version::V1, first, client).carrying(ping()));
    world.server(server_initial(Version::V1, first, client, server).carrying(ping()));
    // From there, with an ID of the first one.
    assert_eq!(world.client(short(SERVER, &[9; 40])), Outcome::Matched);
    world.count(Sender::Client, 3);
    let packets = |world: &World, client| {
        let mut all = world.table.iter();
        let one = all.find(|one| one.client == client).expect("it is there");
        (one.client_sent.once().packets, one.shares_path)
    };
    assert_eq!(packets(&world, home), (0, false));
    assert_eq!(packets(&world, world.client), (3, false));
    assert_eq!(world.server(short(CLIENT, &[9; 40])), Outcome::Matched);
    assert!(
        world
            .table
            .iter()
            .all(|one| one.client == world.client && one.shares_path)
    );
    check(&world.table);
}

#[test]
fn counts_of_the_server_are_an_answer_too() {
    let mut world = world();
    world.shake_hands();
    world.client = address("203.0.113.9:40000");
    assert_eq!(world.client(short(SERVER, &[9; 40])), Outcome::Matched);
    world.count(Sender::Client, 3);
    assert_eq!(world.only().moves.migrations, 0);
    world.count(Sender::Server, 0);
    assert_eq!(world.only().moves.migrations, 0);
    world.count(Sender::Server, 4);
    assert_eq!(world.only().moves.migrations, 1);
    assert_eq!(
        (world.only().client, world.packets()),
        (world.client, [3, 4])
    );
}
