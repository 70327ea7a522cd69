//! What connection IDs name.

use super::world::{CLIENT, FIRST, SERVER, World, address, world, world_with};
use netweir_flow::quic::{
    connection::{Backend, Certainty, Outcome, Place, Settings},
    layout::Undecoded,
};
use netweir_packets::quic::{
    client_initial, handshake, ping, retry, server_initial, short, zero_rtt,
};
use netweir_wire::packet::quic::Version;

const LAYOUT: &str = "telementry server=198.51.100.0/24 port=443";

fn telementry() -> World {
    world_with(Settings::default(), LAYOUT)
}

fn backend(world: &World) -> Result<u64, Undecoded> {
    let named = world.only().backend.clone();
    named.map(|named| named.backend.expect("the layout has one"))
}

#[test]
fn the_servers_id_names_backend_and_queue() {
    let mut world = telementry();
    world.shake_hands();
    let named = Backend {
        layout: "telementry".to_owned(),
        backend: Some(300),
        queue: Some(300 % 64),
        fields: [
            ("format", 1),
            ("flags", 0),
            ("backend", 300),
            ("salt", 0x5051_5253),
            ("queue", 44),
        ]
        .map(|(name, number)| (name.to_owned(), number))
        .into(),
        certainty: Certainty::Proven,
    };
    assert_eq!(world.only().backend, Ok(named));
    // Another ID of the same server.
    assert_eq!(
        world.client(short(&[1, 0, 0, 7, 1, 1, 1, 1], &[9; 40])),
        Outcome::Matched
    );
    assert_eq!(backend(&world), Ok(7));
    assert_eq!(
        world.only().backend.as_ref().unwrap().certainty,
        Certainty::Matched
    );
    let totals = world.table.totals();
    let place = |number| Place {
        layout: "telementry".to_owned(),
        number,
    };
    assert_eq!(totals.backends[&place(7)].connections, 1);
    assert_eq!(totals.queues[&place(7)].connections, 1);
}

#[test]
fn what_the_client_made_up_is_never_decoded() {
    // It would name a backend.
    let first: &[u8] = &[1, 0, 0, 9, 9, 9, 9, 9];
    let mut world = telementry();
    world.client(client_initial(Version::V1, first, CLIENT).carrying(ping()));
    world.client(zero_rtt(Version::V1, first, CLIENT, &[1; 90]));
    let next = client_initial(Version::V1, first, CLIENT).packet_number(1, 1);
    world.client(next.carrying(ping()));
    assert_eq!(backend(&world), Err(Undecoded::ClientChosen));
    world.server(server_initial(Version::V1, first, CLIENT, SERVER).carrying(ping()));
    assert_eq!(backend(&world), Ok(300));
    world.client(zero_rtt(Version::V1, first, CLIENT, &[1; 90]));
    assert_eq!(backend(&world), Ok(300));
}

#[test]
fn a_retrys_id_is_the_servers() {
    let mut world = telementry();
    world.client(client_initial(Version::V1, FIRST, CLIENT).carrying(ping()));
    world.server(retry(Version::V1, FIRST, (CLIENT, SERVER), b"token"));
    assert_eq!(backend(&world), Ok(300));
}

#[test]
fn what_cannot_be_decoded_says_why() {
    let mut known = world();
    known.shake_hands();
    assert_eq!(known.only().backend, Err(Undecoded::NoLayout));
    let mut world = telementry();
    world.client(client_initial(Version::V1, FIRST, CLIENT).carrying(ping()));
    world.server(server_initial(Version::V1, FIRST, CLIENT, &[]).carrying(ping()));
    assert_eq!(backend(&world), Err(Undecoded::Empty));
    let mut world = telementry();
    world.client(client_initial(Version::V1, FIRST, CLIENT).carrying(ping()));
    world.server(server_initial(Version::V1, FIRST, CLIENT, &[1, 2, 3]).carrying(ping()));
    assert_eq!(backend(&world), Err(Undecoded::Length));
}

#[test]
fn a_guess_is_decoded_as_a_guess() {
    let mut world = telementry();
    for number in 0..8_u8 {
        let mut packet = short(SERVER, &[9; 40]);
        packet[0] = 0x60 | number;
        world.client(packet);
    }
    assert_eq!(backend(&world), Ok(300));
    assert_eq!(
        world.only().backend.as_ref().unwrap().certainty,
        Certainty::Guessed
    );
    // A client's Handshake packet goes to the server's ID, whatever came before.
    let mut world = telementry();
    world.client = address("192.0.2.8:50000");
    world.client(handshake(Version::V1, SERVER, CLIENT, &[7; 60]));
    assert_eq!(backend(&world), Ok(300));
}
