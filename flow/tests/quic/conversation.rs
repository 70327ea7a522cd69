//! Packets of a whole beginning, built by the corpus and opened here.

use crate::long;
use netweir_flow::quic::{
    CryptoStream, Frame, Frames, Hello, InitialKeys, OpenError, Progress, Sender, verify_retry,
};
use netweir_packets::quic::{
    ClientHello, ack, client_hello, client_initial, crypto, handshake, padding, ping, retry,
    server_hello, server_initial, short,
};
use netweir_wire::packet::quic::{Packets, Version, View};
use proptest::{collection::vec, prelude::*, sample::select};

const DCID: &[u8] = &[0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7];
const CLIENT: &[u8] = &[0xc0, 0xc1, 0xc2];
const SERVER: &[u8] = &[0x50; 20];
const VERSIONS: [Version; 3] = [Version::V1, Version::V2, Version::draft(29)];

fn hello() -> ClientHello {
    // As long as those with post-quantum keys are.
    client_hello()
        .server_name("netweir.example")
        .alpn(&["h3"])
        .extension(0x0033, &[0x42; 2000])
}

/// Adds what a packet carries of the handshake.
fn collect(stream: &mut CryptoStream, payload: &[u8]) {
    for frame in Frames::new(payload) {
        match frame {
            Ok(Frame::Crypto { offset, bytes }) => assert_eq!(stream.insert(offset, bytes), Ok(())),
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_client_hello_in_three_initials_out_of_order_and_twice() {
    let message = hello().bytes();
    let piece = |from: usize, to: usize| crypto(from as u64, &message[from..to]);
    for version in VERSIONS {
        let initial = client_initial(version, DCID, CLIENT);
        let packets = [
            initial
                .clone()
                .packet_number(0, 1)
                .carrying([piece(500, 600), ping(), piece(0, 400)].concat()),
            initial
                .clone()
                .packet_number(1, 2)
                .carrying([padding(5), piece(1300, message.len()), piece(1200, 1300)].concat()),
            initial
                .packet_number(2, 4)
                .carrying([piece(350, 1200)].concat()),
        ];
        let keys = InitialKeys::new(version, DCID).unwrap();
        let mut stream = CryptoStream::default();
        for (which, is_complete) in [(1, false), (1, false), (0, false), (1, false), (2, true)] {
            let view = long(&packets[which]);
            assert!(view.bytes.len() >= 1200);
            let opened = keys.open(Sender::Client, &view, 0).unwrap();
            assert_eq!(opened.packet_number, which as u64);
            collect(&mut stream, &opened.payload);
            match Hello::read(stream.prefix()).unwrap() {
                Progress::NeedsMore { bytes } => {
                    assert!(!is_complete && bytes > stream.prefix().len());
                }
                Progress::Complete(Hello::Client(hello)) => {
                    assert!(is_complete);
                    assert_eq!(hello.server_name.as_deref(), Some("netweir.example"));
                    assert_eq!(hello.alpn, [b"h3"]);
                }
                Progress::Complete(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(stream.prefix(), message);
    }
}

#[test]
fn a_server_answers_in_one_datagram() {
    for version in VERSIONS {
        let frames = [ack(0, 0), crypto(0, &server_hello(0x1302, 0x11ec))].concat();
        let datagram = [
            server_initial(version, DCID, CLIENT, SERVER).carrying(frames),
            handshake(version, CLIENT, SERVER, &[0xab; 300]),
            short(CLIENT, &[0xcd; 40]),
        ]
        .concat();
        let views: Vec<_> = Packets::new(&datagram).map(Result::unwrap).collect();
        let [
            View::Long(initial),
            View::Long(handshake),
            View::Short { .. },
        ] = views[..]
        else {
            panic!("{views:?}");
        };
        assert_eq!((initial.dcid(), initial.scid()), (CLIENT, SERVER));
        assert_eq!((handshake.dcid(), handshake.scid()), (CLIENT, SERVER));
        let keys = InitialKeys::new(version, DCID).unwrap();
        let opened = keys.open(Sender::Server, &initial, 0).unwrap();
        let mut stream = CryptoStream::default();
        collect(&mut stream, &opened.payload);
        let Ok(Progress::Complete(Hello::Server(hello))) = Hello::read(stream.prefix()) else {
            panic!("{:?}", stream.prefix());
        };
        assert_eq!((hello.cipher_suite, hello.version), (0x1302, Some(0x0304)));
        assert_eq!(hello.key_share_group, Some(0x11ec));
        assert!(!hello.is_retry_request);
    }
}

#[test]
fn after_a_retry_the_keys_are_those_of_the_servers_connection_id() {
    for version in VERSIONS {
        let packet = retry(version, DCID, (CLIENT, SERVER), b"come back");
        let view = long(&packet);
        assert_eq!(view.token(), b"come back");
        assert_eq!(verify_retry(&view, DCID), Some(true));
        let second = client_initial(version, view.scid(), CLIENT)
            .token(view.token())
            .carrying(crypto(0, b"again"));
        let view = long(&second);
        assert_eq!(view.token(), b"come back");
        let old = InitialKeys::new(version, DCID).unwrap();
        let opened = old.open(Sender::Client, &view, 0);
        assert_eq!(opened, Err(OpenError::NotAuthentic));
        let new = InitialKeys::new(version, SERVER).unwrap();
        assert!(new.open(Sender::Client, &view, 0).is_ok());
    }
}

#[test]
fn a_client_that_knows_the_servers_connection_id_keeps_its_keys() {
    let keys = InitialKeys::new(Version::V1, DCID).unwrap();
    let packet = client_initial(Version::V1, DCID, CLIENT)
        .to(SERVER)
        .packet_number(1, 1)
        .carrying(ack(0, 0));
    let view = long(&packet);
    assert_eq!(view.dcid(), SERVER);
    let opened = keys.open(Sender::Client, &view, 1).unwrap();
    assert_eq!(opened.packet_number, 1);
}

#[test]
fn packet_numbers_are_expanded_from_what_is_expected() {
    let keys = InitialKeys::new(Version::V1, DCID).unwrap();
    // RFC 9000 appendix A.3, and the edges around it.
    for (number, bytes, expected) in [
        (0xa82f_9b32, 2, 0xa82f_30eb),
        (0x100, 1, 0xff),
        (0xff, 1, 0x101),
        (0, 1, 1),
        (255, 1, 128),
        (0xffff_ffff, 4, 0x1_0000_0000),
        (0x3fff_ffff_ffff_ffff, 1, 0x3fff_ffff_ffff_ffff),
    ] {
        let packet = client_initial(Version::V1, DCID, CLIENT)
            .packet_number(number, bytes)
            .padded_to(0)
            .carrying(ping());
        let opened = keys.open(Sender::Client, &long(&packet), expected).unwrap();
        assert_eq!(opened.packet_number, number);
    }
    let packet = client_initial(Version::V1, DCID, CLIENT).carrying(ping());
    let opened = keys.open(Sender::Client, &long(&packet), u64::MAX);
    assert_eq!(opened, Err(OpenError::NotAuthentic));
}

proptest! {
    #[test]
    fn what_was_sealed_opens(
        version in select(&VERSIONS[..]),
        dcid in vec(any::<u8>(), 0..=20),
        scid in vec(any::<u8>(), 0..=20),
        token in vec(any::<u8>(), 0..100),
        frames in vec(1_u8.., 1..200),
        number in 0_u64..100,
        number_bytes in 1_usize..=4,
    ) {
        let packet = client_initial(version, &dcid, &scid)
            .token(&token)
            .packet_number(number, number_bytes)
            .carrying(&frames);
        let view = long(&packet);
        prop_assert_eq!(view.dcid(), dcid.as_slice());
        prop_assert_eq!(view.scid(), scid.as_slice());
        prop_assert_eq!(view.token(), token.as_slice());
        let keys = InitialKeys::new(version, &dcid).unwrap();
        let opened = keys.open(Sender::Client, &view, 0).unwrap();
        prop_assert_eq!(opened.packet_number, number);
        prop_assert!(opened.payload.starts_with(&frames));
        prop_assert!(opened.payload[frames.len()..].iter().all(|&byte| byte == 0));
    }
}
