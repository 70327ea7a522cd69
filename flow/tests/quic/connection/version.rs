//! Versions: negotiated, unknown, known by name alone.

use super::world::{CLIENT, FIRST, SERVER, check, world};
use netweir_flow::quic::connection::{Certainty, Outcome, Standing};
use netweir_packets::quic::{
    client_initial, handshake, ping, server_initial, short, version_negotiation,
};
use netweir_wire::packet::quic::Version;

const GREASED: Version = Version(0x1a2a_3a4a);

/// A client's first packet in a version whose layout nobody knows.
fn first_of(version: Version) -> Vec<u8> {
    let mut packet = handshake(version, FIRST, CLIENT, &[0x55; 1200]);
    packet[0] = 0xc3;
    packet
}

#[test]
fn a_version_negotiation_leads_to_another_version_of_the_same_connection() {
    let offered = [Version::V2, Version::V1, Version(0x5a6a_7a8a)];
    for first in [GREASED, Version(0x1234_5678)] {
        let mut world = world();
        assert_eq!(world.client(first_of(first)), Outcome::Guessed);
        assert_eq!(
            world.table.iter().count(),
            0,
            "not shown before it is answered"
        );
        let foreign = version_negotiation(CLIENT, b"something else", &offered);
        assert_eq!(world.server(foreign), Outcome::NotAuthentic);
        let answer = version_negotiation(CLIENT, FIRST, &offered);
        assert_eq!(world.server(answer), Outcome::Matched);
        assert_eq!(world.only().certainty, Certainty::Matched);
        assert_eq!(world.only().offered, offered);
        let second = client_initial(Version::V1, b"another id", b"and mine").carrying(ping());
        assert_eq!(world.client(second), Outcome::Proven);
        let answer = server_initial(Version::V1, b"another id", b"and mine", SERVER);
        assert_eq!(world.server(answer.carrying(ping())), Outcome::Proven);
        let connection = world.only();
        assert_eq!(connection.first_version, Some(first));
        assert_eq!(connection.version, Some(Version::V1));
        assert_eq!(world.table.len(), (1, 0));
        check(&world.table);
    }
}

#[test]
fn who_begins_anew_in_another_version_may_choose_another_id() {
    let mut world = world();
    world.client(client_initial(Version::V1, FIRST, CLIENT).carrying(ping()));
    let answer = version_negotiation(CLIENT, FIRST, &[Version::V2]);
    assert_eq!(world.server(answer), Outcome::Matched);
    let second = client_initial(Version::V2, b"another id", b"and mine").carrying(ping());
    assert_eq!(world.client(second), Outcome::Proven);
    let answer = server_initial(Version::V2, b"another id", b"and mine", SERVER);
    assert_eq!(world.server(answer.carrying(ping())), Outcome::Proven);
    assert_eq!(world.table.len(), (1, 0));
    assert_eq!(world.only().version, Some(Version::V2));
}

#[test]
fn the_server_may_change_to_a_compatible_version() {
    let mut world = world();
    world.client(client_initial(Version::V1, FIRST, CLIENT).carrying(ping()));
    let answer = server_initial(Version::V2, FIRST, CLIENT, SERVER).carrying(ping());
    assert_eq!(world.server(answer), Outcome::Proven);
    let next = client_initial(Version::V2, FIRST, CLIENT)
        .to(SERVER)
        .packet_number(1, 1);
    assert_eq!(world.client(next.carrying(ping())), Outcome::Proven);
    // One that was late.
    let late = client_initial(Version::V1, FIRST, CLIENT).packet_number(2, 1);
    assert_eq!(world.client(late.carrying(ping())), Outcome::Proven);
    let connection = world.only();
    assert_eq!(connection.first_version, Some(Version::V1));
    assert_eq!(connection.version, Some(Version::V2));
}

#[test]
fn versions_that_are_known_by_name_are_candidates_and_matched_by_their_ids() {
    for (version, name) in [
        (Version(0xface_b002), "mvfst-0xfaceb002"),
        (Version(u32::from_be_bytes(*b"Q050")), "Q050"),
        (Version(u32::from_be_bytes(*b"T051")), "T051"),
    ] {
        let mut world = world();
        assert_eq!(world.client(first_of(version)), Outcome::Guessed);
        assert_eq!(world.only().standing, Standing::Candidate);
        assert_eq!(world.only().version.unwrap().to_string(), name);
        let mut answer = handshake(version, CLIENT, SERVER, &[0x55; 100]);
        answer[0] = 0xc3;
        assert_eq!(world.server(answer), Outcome::Matched);
        assert_eq!(world.only().certainty, Certainty::Matched);
        assert_eq!(world.client(short(SERVER, &[9; 40])), Outcome::Matched);
        let totals = world.table.totals();
        assert_eq!(totals.versions[&Some(version)].connections, 1);
    }
}
