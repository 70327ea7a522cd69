//! Who gets a place in the table, and who makes room for whom.

use super::world::{self, CLIENT, FIRST, MS, SERVER, World, check, met};
use netweir_flow::quic::connection::{Certainty, Connection, Limit, Limits, Outcome};
use netweir_packets::quic::{client_initial, crypto, handshake, ping, server_initial, short};
use netweir_wire::{map::Count, packet::quic::Version};

fn limited(connections: usize, guesses: usize) -> World {
    let limits = Limits {
        connections,
        guesses,
        ..Limits::default()
    };
    world::limited(limits)
}

fn first_to(number: u32) -> Vec<u8> {
    [FIRST, &number.to_be_bytes()].concat()
}

/// A connection of which there is an Initial and nothing else, each from another port.
fn forge(world: &mut World, number: u32) -> Outcome {
    let home = world.client;
    world
        .client
        .set_ip([10, (number >> 16) as u8, (number >> 8) as u8, number as u8].into());
    let initial = client_initial(Version::V1, &first_to(number), CLIENT);
    let outcome = world.client(initial.carrying(crypto(0, &[1, 0, 1, 0])));
    world.client = home;
    outcome
}

/// A connection that its server answers.
fn answered(world: &mut World, number: u32) -> Outcome {
    let dcid = first_to(number);
    world.client.set_port(number as u16);
    let outcome = world.client(client_initial(Version::V1, &dcid, CLIENT).carrying(ping()));
    let server = [SERVER, &number.to_be_bytes()].concat();
    world.server(server_initial(Version::V1, &dcid, CLIENT, &server).carrying(ping()));
    outcome
}

fn of_port(world: &World, port: u16) -> Option<&Connection> {
    world.table.iter().find(|one| one.client.port() == port)
}

#[test]
fn a_flood_of_initials_keeps_no_connection_out() {
    const ROOM: u32 = 4000;
    let mut world = limited(ROOM as usize, 100);
    for number in 0..5 * ROOM {
        assert_eq!(forge(&mut world, number), Outcome::Proven);
        match number {
            12_000 => {
                let hello = netweir_packets::quic::client_hello().server_name("netweir.example");
                let first = client_initial(Version::V1, FIRST, CLIENT);
                let first = first.carrying(crypto(0, &hello.bytes()));
                assert_eq!(world.client(first), Outcome::Proven);
            }
            13_900 => {
                let answer = server_initial(Version::V1, FIRST, CLIENT, SERVER);
                assert_eq!(world.server(answer.carrying(ping())), Outcome::Proven);
            }
            _ => {}
        }
    }
    let (known, guesses) = world.table.len();
    assert_eq!((known, guesses), (1 + ROOM as usize / 2, 0));
    let real = world.table.iter().find(|one| one.client == world.client);
    let real = real.expect("it was answered");
    assert_eq!(real.certainty, Certainty::Proven);
    let hello = real.hello.as_ref().expect("it was read");
    assert_eq!(hello.server_name.as_deref(), Some("netweir.example"));
    assert_eq!(world.client(short(SERVER, &[9; 40])), Outcome::Matched);
    // All others had come and gone, and that is counted.
    let gone = u64::from(5 * ROOM - ROOM / 2);
    assert_eq!(met(&world, Limit::Unanswered), gone);
    assert_eq!(world.table.counters().ended_connections, gone);
    assert_eq!(met(&world, Limit::Connections), 0);
    // Their time comes in spite of all those that had their numbers before.
    world.now_ns += 12_000 * MS;
    assert_eq!(world.ended(), u64::from(ROOM / 2));
    assert_eq!(world.table.len(), (1, 0));
    world.now_ns += 70_000 * MS;
    assert_eq!(world.ended(), 1);
    check(&world.table);
}

#[test]
fn the_oldest_goes_with_its_counts_and_the_answered_ones_stay() {
    let mut world = limited(4, 2);
    for port in 1..=2 {
        assert_eq!(answered(&mut world, port), Outcome::Proven);
    }
    for number in 10..=12 {
        world.client.set_port(number);
        let initial = client_initial(Version::V1, &first_to(number.into()), CLIENT);
        assert_eq!(world.client(initial.carrying(ping())), Outcome::Proven);
        world.count(netweir_flow::quic::Sender::Client, u64::from(number));
    }
    assert_eq!(met(&world, Limit::Unanswered), 1);
    let ports = [1, 2, 10, 11, 12].map(|port| of_port(&world, port).is_some());
    assert_eq!(ports, [true, true, false, true, true]);
    let packets = |count: Count| count.packets;
    let counters = world.table.counters();
    assert_eq!((packets(counters.ended), packets(counters.live)), (10, 23));
    assert_eq!(counters.ended_connections, 1);
    // Who is answered takes the place of one that is not, until there is none.
    for port in 3..=4 {
        assert_eq!(answered(&mut world, port), Outcome::Proven);
    }
    assert_eq!(
        (world.table.len(), met(&world, Limit::Unanswered)),
        ((4, 0), 3)
    );
    assert_eq!(answered(&mut world, 5), Outcome::Full);
    assert_eq!(met(&world, Limit::Connections), 1);
    let ports = [1, 2, 3, 4].map(|port| of_port(&world, port).is_some());
    assert_eq!(ports, [true; 4]);
}

#[test]
fn every_kind_of_answer_is_one() {
    let retry = netweir_packets::quic::retry(Version::V1, FIRST, (CLIENT, SERVER), b"token");
    let sealed = handshake(Version::V1, CLIENT, SERVER, &[7; 60]);
    // Where packets to the server alone are seen, the client goes on as if it had heard it.
    let next = handshake(Version::V1, SERVER, CLIENT, &[7; 60]);
    for (is_client, packet) in [
        (false, retry),
        (false, sealed),
        (false, short(CLIENT, &[9; 40])),
        (true, next),
    ] {
        let mut world = limited(4, 2);
        world.client(client_initial(Version::V1, FIRST, CLIENT).carrying(ping()));
        match is_client {
            true => world.client(packet),
            false => world.server(packet),
        };
        for number in 0..10 {
            forge(&mut world, number);
        }
        assert!(world.table.iter().any(|one| one.client == world.client));
        assert_eq!(
            (world.table.len(), met(&world, Limit::Unanswered)),
            ((3, 0), 8)
        );
    }
}

#[test]
fn clients_that_go_on_without_an_answer_push_no_answered_one_out() {
    let mut world = limited(8, 2);
    answered(&mut world, 1);
    let go_on = |world: &mut World, port: u16| {
        let dcid = first_to(port.into());
        world.client.set_port(port);
        let initial = client_initial(Version::V1, &dcid, CLIENT).carrying(ping());
        assert_eq!(world.client(initial), Outcome::Proven);
        let server = [SERVER, &port.to_be_bytes()].concat();
        world.client(handshake(Version::V1, &server, CLIENT, &[7; 60]));
    };
    for port in 1000..1040 {
        go_on(&mut world, port);
    }
    // They fill what there is, and the oldest of them went.
    assert_eq!(
        (world.table.len(), met(&world, Limit::Unanswered)),
        ((8, 0), 33)
    );
    let ports = [1, 1032, 1033].map(|port| of_port(&world, port).is_some());
    assert_eq!(ports, [true, false, true]);
    // One that is new has its time, too, while others come.
    world.client.set_port(2);
    world.client(client_initial(Version::V1, FIRST, CLIENT).carrying(ping()));
    for port in 1040..1050 {
        go_on(&mut world, port);
    }
    world.client.set_port(2);
    world.count(netweir_flow::quic::Sender::Server, 1);
    for number in 0..40 {
        forge(&mut world, number);
        go_on(&mut world, 1050 + number as u16);
    }
    let ports = [1, 2].map(|port| of_port(&world, port).is_some());
    assert_eq!((ports, world.table.len()), ([true; 2], (8, 0)));
    check(&world.table);
}

#[test]
fn guesses_have_room_of_their_own() {
    let mut world = limited(3, 2);
    for port in 1..=3 {
        answered(&mut world, port);
    }
    for number in 0..10 {
        world.client.set_port(2000 + number);
        let expected = match number {
            0 | 1 => Outcome::Guessed,
            _ => Outcome::Full,
        };
        assert_eq!(world.client(short(SERVER, &[9; 40])), expected);
    }
    assert_eq!(
        (world.table.len(), met(&world, Limit::Guesses)),
        ((3, 2), 8)
    );
    // A guess does not become more than that while there is no room.
    world.client.set_port(2000);
    world.server(server_initial(Version::V1, b"whatever", CLIENT, SERVER).carrying(ping()));
    world.client(handshake(Version::V1, SERVER, CLIENT, &[7; 60]));
    assert_eq!(
        (world.table.len(), met(&world, Limit::Connections)),
        ((3, 2), 1)
    );
    // Guesses go soon.
    world.now_ns += 12_000 * MS;
    world.ended();
    assert_eq!(world.table.len(), (3, 0));
    check(&world.table);
}
