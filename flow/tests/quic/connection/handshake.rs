//! What the first packets of both sides tell.

use super::world::{CLIENT, FIRST, MS, SERVER, World, check, world};
use crate::{bytes, hex};
use netweir_flow::quic::{
    ParameterId, Sender,
    connection::{Certainty, CidOrigin, HelloState, Outcome},
    layout::Undecoded,
};
use netweir_packets::quic::{
    ack, client_hello, client_initial, close, crypto, handshake, padding, ping, retry,
    server_hello, server_initial, short, zero_rtt,
};
use netweir_wire::packet::quic::Version;

/// A ClientHello as long as those with post-quantum keys are, in three pieces.
fn pieces() -> Vec<Vec<u8>> {
    let message = client_hello()
        .server_name("netweir.example")
        .alpn(&["h3", "h3-29"])
        .transport_parameters(&[(1, &[0x7f, 0xff])])
        .extension(0x0033, &[0x42; 2000])
        .bytes();
    [0..900, 900..1800, 1800..message.len()]
        .map(|range| crypto(range.start as u64, &message[range]))
        .into()
}

fn cids(world: &World, side: Sender) -> Vec<(Vec<u8>, CidOrigin)> {
    let cids = world.only().cids_of(side).iter();
    cids.map(|known| (known.cid.as_bytes().to_vec(), known.origin))
        .collect()
}

#[test]
fn a_client_hello_in_three_initials_out_of_order_is_read_in_both_versions() {
    for version in [Version::V1, Version::V2] {
        let mut world = world();
        let initial = client_initial(version, FIRST, CLIENT);
        for (number, piece) in [2, 0, 2, 1].into_iter().zip([2, 0, 2, 1]) {
            assert_eq!(
                world.table.iter().filter(|one| one.hello.is_some()).count(),
                0
            );
            let packet = initial.clone().packet_number(number, 1);
            assert_eq!(
                world.client(packet.carrying(&pieces()[piece])),
                Outcome::Proven
            );
        }
        let connection = world.only();
        assert_eq!(
            (connection.certainty, connection.roles),
            (Certainty::Proven, Certainty::Proven)
        );
        assert_eq!(connection.version, Some(version));
        assert_eq!(
            (connection.client, connection.server),
            (world.client, world.server)
        );
        assert_eq!(connection.hello_state, HelloState::Read);
        let hello = connection.hello.as_ref().unwrap();
        assert_eq!(hello.server_name.as_deref(), Some("netweir.example"));
        assert_eq!(hello.alpn, ["h3", "h3-29"]);
        assert!(hello.ja4.starts_with("q13d0305h3_"), "{}", hello.ja4);
        let idle = hello
            .transport_parameters
            .integer(ParameterId::MAX_IDLE_TIMEOUT);
        assert_eq!((idle, hello.is_cut), (Some(0x3fff), false));
        assert_eq!(world.table.crypto_bytes(), 0);
        check(&world.table);
    }
}

#[test]
fn the_packets_of_rfc_9001_and_rfc_9369_make_a_connection() {
    for (client, server, version) in [
        (bytes::CLIENT_V1, bytes::SERVER_V1, Version::V1),
        (bytes::CLIENT_V2, bytes::SERVER_V2, Version::V2),
    ] {
        let mut world = world();
        assert_eq!(world.client(hex(client)), Outcome::Proven);
        assert_eq!(world.server(hex(server)), Outcome::Proven);
        let hello = world.only().hello.as_ref().unwrap();
        assert_eq!(hello.server_name.as_deref(), Some("example.com"));
        assert_eq!(world.only().version, Some(version));
        assert_eq!(world.only().server_cids.len(), 2);
    }
}

#[test]
fn server_initials_open_with_the_clients_keys_and_both_ids_are_learnt() {
    let mut world = world();
    world.shake_hands();
    // What the client sends next goes to the server's ID, and still has the first one's keys.
    let next = client_initial(Version::V1, FIRST, CLIENT).to(SERVER);
    let next = next.packet_number(1, 1).carrying(ack(0, 0));
    assert_eq!(world.client(next), Outcome::Proven);
    let sealed = handshake(Version::V1, SERVER, CLIENT, &[7; 60]);
    assert_eq!(world.client(sealed), Outcome::Matched);
    assert_eq!(world.client(short(SERVER, &[9; 40])), Outcome::Matched);
    assert_eq!(world.server(short(CLIENT, &[9; 40])), Outcome::Matched);
    let of_client = (CLIENT.to_vec(), CidOrigin::Source);
    assert_eq!(cids(&world, Sender::Client), [of_client]);
    let expected = [
        (FIRST.to_vec(), CidOrigin::ClientFirst),
        (SERVER.to_vec(), CidOrigin::Source),
    ];
    assert_eq!(cids(&world, Sender::Server), expected);
    assert_eq!(world.only().certainty, Certainty::Proven);
}

#[test]
fn coalesced_packets_are_all_read() {
    let mut world = world();
    let first = client_initial(Version::V1, FIRST, CLIENT).padded_to(300);
    let datagram = [
        first.carrying(crypto(0, &client_hello().server_name("a.example").bytes())),
        zero_rtt(Version::V1, FIRST, CLIENT, &[1; 500]),
        padding(100),
    ];
    assert_eq!(world.client(datagram.concat()), Outcome::Proven);
    assert!(world.only().has_zero_rtt && world.only().hello.is_some());
    let datagram = [
        server_initial(Version::V1, FIRST, CLIENT, SERVER).carrying(ack(0, 0)),
        handshake(Version::V1, CLIENT, SERVER, &[2; 700]),
        short(CLIENT, &[3; 40]),
    ];
    assert_eq!(world.server(datagram.concat()), Outcome::Proven);
    assert_eq!(world.table.counters().events, 2);
    check(&world.table);
}

#[test]
fn zero_rtt_may_come_before_its_initial() {
    let mut world = world();
    assert_eq!(
        world.client(zero_rtt(Version::V1, FIRST, CLIENT, &[1; 90])),
        Outcome::Guessed
    );
    world.count(Sender::Client, 3);
    let first = client_initial(Version::V1, FIRST, CLIENT).carrying(ping());
    assert_eq!(world.client(first), Outcome::Proven);
    assert!(world.only().has_zero_rtt);
    assert_eq!(world.only().certainty, Certainty::Proven);
    assert_eq!(world.packets(), [3, 0]);
    assert_eq!(world.table.len(), (1, 0));
}

#[test]
fn after_a_retry_the_keys_are_those_of_its_id() {
    for version in [Version::V1, Version::V2] {
        let mut world = world();
        let message = client_hello().server_name("netweir.example").bytes();
        let (begin, end) = (crypto(0, &message[..40]), crypto(40, &message[40..]));
        world.client(client_initial(version, FIRST, CLIENT).carrying(&begin));
        let mut forged = retry(version, b"somebody else's", (CLIENT, SERVER), b"token");
        assert_eq!(world.server(&forged), Outcome::NotAuthentic);
        assert!(!world.only().has_retry);
        forged = retry(version, FIRST, (CLIENT, SERVER), b"token");
        assert_eq!(world.server(&forged), Outcome::Proven);
        // As on a loopback device.
        assert_eq!(world.server(&forged), Outcome::Matched);
        let again = client_initial(version, SERVER, CLIENT)
            .token(b"token")
            .packet_number(1, 1);
        assert_eq!(
            world.client(again.carrying([begin, end].concat())),
            Outcome::Proven
        );
        let other = b"the next one";
        let answer = server_initial(version, SERVER, CLIENT, other).carrying(ack(0, 1));
        assert_eq!(world.server(answer), Outcome::Proven);
        assert!(world.only().has_retry);
        assert_eq!(world.only().hello_state, HelloState::Read);
        let origins: Vec<_> = cids(&world, Sender::Server)
            .into_iter()
            .map(|(_, origin)| origin)
            .collect();
        assert_eq!(
            origins,
            [CidOrigin::ClientFirst, CidOrigin::Retry, CidOrigin::Source]
        );
    }
}

#[test]
fn a_retry_that_was_not_seen_does_not_make_two_connections() {
    let mut world = world();
    world.client(client_initial(Version::V1, FIRST, &[]).carrying(ping()));
    let again = client_initial(Version::V1, SERVER, &[])
        .token(b"token")
        .packet_number(1, 1);
    assert_eq!(world.client(again.carrying(ping())), Outcome::Proven);
    let answer = server_initial(Version::V1, SERVER, &[], b"the next one").carrying(ack(0, 1));
    assert_eq!(world.server(answer), Outcome::Proven);
    assert_eq!(world.table.len(), (1, 0));
}

#[test]
fn the_handshake_is_timed_on_both_sides_of_us() {
    let mut world = world();
    world.client(client_initial(Version::V1, FIRST, CLIENT).carrying(ping()));
    assert_eq!(world.only().timing.to_server_ns(), None);
    world.now_ns += 29 * MS;
    let answer = server_initial(Version::V1, FIRST, CLIENT, SERVER).carrying(ack(0, 0));
    world.server(&answer);
    assert_eq!(world.only().timing.to_client_ns(), None);
    world.server(&answer);
    world.now_ns += 8 * MS;
    world.client(handshake(Version::V1, SERVER, CLIENT, &[7; 60]));
    world.client(short(SERVER, &[9; 40]));
    let timing = world.only().timing;
    assert_eq!(timing.to_server_ns(), Some(30 * MS));
    assert_eq!(timing.to_client_ns(), Some(10 * MS));
    assert_eq!(timing.round_trip_ns(), Some(40 * MS));
    assert_eq!(timing.client_datagrams, 1);
}

#[test]
fn a_handshake_that_fails_says_how() {
    let mut world = world();
    world.client(client_initial(Version::V1, FIRST, CLIENT).carrying(ping()));
    let refusal = server_initial(Version::V1, FIRST, CLIENT, SERVER).carrying(close(2, "full"));
    world.server(refusal);
    let closed = world.only().closed.unwrap();
    assert_eq!((closed.sender, closed.error_code), (Sender::Server, 2));
}

#[test]
fn what_was_changed_or_is_of_others_changes_nothing() {
    let mut world = world();
    world.client(client_initial(Version::V1, FIRST, CLIENT).carrying(ping()));
    let mut packet = server_initial(Version::V1, FIRST, CLIENT, SERVER)
        .carrying(crypto(0, &server_hello(0x1301, 0x001d)));
    *packet.last_mut().unwrap() ^= 1;
    assert_eq!(world.server(&packet), Outcome::NotAuthentic);
    let stranger = handshake(Version::V1, b"nobody's", SERVER, &[7; 60]);
    assert_eq!(world.server(stranger), Outcome::NotAuthentic);
    let connection = world.only();
    assert_eq!(connection.backend, Err(Undecoded::ClientChosen));
    assert_eq!(connection.server_cids.len(), 1);
    assert!(!connection.is_answered());
    assert_eq!(world.table.len(), (1, 0));
}

#[test]
fn a_hello_that_is_none_is_said_to_be_none() {
    let mut world = world();
    let initial = client_initial(Version::V1, FIRST, CLIENT);
    world.client(initial.carrying(crypto(0, &server_hello(0x1301, 0x001d))));
    assert_eq!(world.only().hello_state, HelloState::Unreadable);
    assert_eq!(world.table.crypto_bytes(), 0);
}
