//! ClientHello and ServerHello.

use crate::{bytes, hex};
use netweir_flow::quic::{
    ClientHello, Frame, Frames, Hello, HelloError, MAX_HELLO_BYTES, ParameterId, Progress,
    ServerHello, is_grease,
};
use netweir_packets::quic::{client_hello, server_hello, varint};
use netweir_wire::packet::quic::Version;
use proptest::{collection::vec, prelude::*};

/// The message of the CRYPTO frame in the frames of an Initial.
fn crypto(frames: &[u8]) -> Vec<u8> {
    let found = Frames::new(frames).find_map(|frame| match frame {
        Ok(Frame::Crypto { bytes, .. }) => Some(bytes.to_vec()),
        _ => None,
    });
    found.expect("the frames have one of CRYPTO")
}

fn client(message: &[u8]) -> ClientHello {
    match Hello::read(message) {
        Ok(Progress::Complete(Hello::Client(hello))) => *hello,
        other => panic!("{other:?}"),
    }
}

fn server(message: &[u8]) -> ServerHello {
    match Hello::read(message) {
        Ok(Progress::Complete(Hello::Server(hello))) => hello,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_client_of_rfc_9001() {
    let hello = client(&crypto(&hex(bytes::CLIENT_FRAME)));
    assert_eq!(hello.legacy_version, 0x0303);
    assert_eq!(hello.cipher_suites, [0x1301, 0x1302]);
    let extensions = [0, 0xff01, 0x0a, 0x10, 5, 0x33, 0x2b, 0x0d, 0x2d, 0x1c, 0x39];
    assert_eq!(hello.extensions, extensions);
    assert!(hello.malformed.is_empty());
    assert_eq!(hello.server_name.as_deref(), Some("example.com"));
    assert_eq!(hello.alpn, [b"alpn"]);
    assert_eq!(hello.supported_versions, [0x0304]);
    assert_eq!(hello.supported_groups, [0x1d, 0x17, 0x18]);
    assert_eq!(hello.signature_algorithms.len(), 7);
    let parameters = hello.transport_parameters.unwrap();
    let integer = |id| parameters.integer(id);
    assert_eq!(integer(ParameterId(4)), Some(0x3fff_ffff_ffff_ffff));
    assert_eq!(integer(ParameterId::MAX_IDLE_TIMEOUT), Some(30_000));
    assert_eq!(integer(ParameterId::MAX_UDP_PAYLOAD_SIZE), None);
    let scid = parameters.get(ParameterId::INITIAL_SOURCE_CONNECTION_ID);
    assert_eq!(scid, Some(&hex("8394c8f03e515708")[..]));
    let names: Vec<_> = parameters.0.iter().map(|one| one.id.to_string()).collect();
    assert_eq!(names[0], "initial_max_data");
}

#[test]
fn the_server_of_rfc_9001() {
    let hello = server(&crypto(&hex(bytes::SERVER_FRAMES)));
    assert_eq!(hello.cipher_suite, 0x1301);
    assert_eq!(hello.version, Some(0x0304));
    assert_eq!(hello.key_share_group, Some(0x001d));
    assert_eq!(hello.extensions, [0x33, 0x2b]);
    assert!(!hello.is_retry_request);
}

#[test]
fn a_server_that_asks_for_another_hello() {
    let mut message = server_hello(0x1301, 0x001d);
    // The SHA-256 of "HelloRetryRequest".
    let random = hex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c");
    message[6..38].copy_from_slice(&random);
    assert!(server(&message).is_retry_request);
}

#[test]
fn a_message_that_is_not_there_to_its_end_needs_more() {
    let message = client_hello().server_name("a.example").bytes();
    for length in 0..message.len() {
        let bytes = if length < 4 { 4 } else { message.len() };
        let progress = Hello::read(&message[..length]);
        assert_eq!(progress, Ok(Progress::NeedsMore { bytes }));
    }
    let with_more = [&message[..], &[11, 0, 0, 0]].concat();
    assert_eq!(client(&with_more), client(&message));
}

#[test]
fn what_is_no_hello() {
    let certificate = Hello::read(&[11, 0, 0, 0]);
    assert_eq!(certificate, Err(HelloError::NotHello { message_type: 11 }));
    let bytes = 0x00ff_ffff + 4;
    let endless = Hello::read(&[1, 0xff, 0xff, 0xff]);
    assert_eq!(endless, Err(HelloError::TooLong { bytes }));
    let longest = Hello::read(&[1, 0, 0x3f, 0xfc]);
    let bytes = MAX_HELLO_BYTES;
    assert_eq!(longest, Ok(Progress::NeedsMore { bytes }));
    assert_eq!(Hello::read(&[1, 0, 0, 0]), Err(HelloError::Malformed));
    // One byte behind the extensions.
    let mut message = client_hello().bytes();
    message.push(0);
    message[3] += 1;
    assert_eq!(Hello::read(&message), Err(HelloError::Malformed));
}

#[test]
fn an_extension_that_is_malformed_leaves_the_others_alone() {
    let long_name = "n".repeat(255);
    let bad_names = [
        ("", ""),
        ("two words", "two words"),
        ("na\u{ef}ve", "na\\xc3\\xafve"),
        ("\u{1b}[2J", "\\x1b[2J"),
        ("a:443", "a:443"),
        (long_name.as_str(), &long_name[..64]),
    ];
    for (name, shown) in bad_names {
        let hello = client(&client_hello().server_name(name).alpn(&["h3"]).bytes());
        assert_eq!(hello.malformed, [0x0000], "{name}");
        assert_eq!(hello.server_name.as_deref(), Some(shown));
        assert_eq!(hello.is_name_cut, name.len() == 255);
        assert_eq!(hello.alpn, [b"h3"]);
    }
    let longest = "n".repeat(254);
    let hello = client(&client_hello().server_name(&longest).bytes());
    assert_eq!(
        (hello.malformed, hello.server_name),
        (vec![], Some(longest))
    );
    let message = client_hello()
        .extension(0x0010, &[0, 9, 2, b'h'])
        .extension(0x000d, &[0, 3, 1, 2, 3])
        .extension(0x0039, &[1, 2, 3])
        .extension(0x0000, &[])
        .bytes();
    let hello = client(&message);
    assert_eq!(hello.malformed, [0x10, 0x0d, 0x39, 0]);
    assert_eq!(hello.supported_versions, [0x0304]);
    assert_eq!(hello.transport_parameters, None);
}

/// A name in a list of names.
fn name(text: &[u8]) -> Vec<u8> {
    [&[0, 0, text.len() as u8], text].concat()
}

/// The content of the extension.
fn names(list: &[u8]) -> Vec<u8> {
    [&(list.len() as u16).to_be_bytes()[..], list].concat()
}

#[test]
fn of_several_names_the_first_is_taken_and_that_is_said() {
    let (one, two) = (name(b"one.example"), name(b"two.example"));
    let none = client(&client_hello().bytes());
    assert_eq!((none.server_name, none.malformed), (None, vec![]));
    for message in [
        // Of one type (RFC 6066 section 3), in one extension or two (RFC 8446 section 4.2).
        client_hello().extension(0, &names(&[&one[..], &two].concat())),
        client_hello()
            .extension(0, &names(&one))
            .extension(0, &names(&two))
            .extension(0, &names(&two)),
        client_hello().extension(0, &[&names(&one)[..], &[7]].concat()),
    ] {
        let hello = client(&message.bytes());
        assert_eq!(hello.server_name.as_deref(), Some("one.example"));
        assert_eq!(hello.malformed, [0]);
    }
    // The first of others, too.
    let protocols = |name: u8| [0, 2, 1, name];
    let hello = client_hello()
        .extension(0x0010, &protocols(b'a'))
        .extension(0x0010, &protocols(b'b'));
    let hello = client(&hello.bytes());
    assert_eq!(
        (hello.alpn, hello.malformed),
        (vec![b"a".to_vec()], vec![0x10])
    );
    // Numbers that mean nothing here may come as often as they like.
    let hello = client_hello().extension(0x5a5a, &[]).extension(0x5a5a, &[]);
    assert_eq!(client(&hello.bytes()).malformed, []);
}

#[test]
fn transport_parameters_say_versions_and_flags() {
    let versions = [Version::V1, Version(0x1a2a_3a4a), Version::V2];
    let information: Vec<u8> = versions
        .iter()
        .flat_map(|one| one.0.to_be_bytes())
        .collect();
    let message = client_hello().transport_parameters(&[
        (0x11, &information),
        (0x0c, &[]),
        (0x2ab2, &[]),
        (0x0e, &varint(8)),
        (0x03, &[1, 2]),
        (31 * 1000 + 27, b"grease"),
        (0x4752, &[0, 0, 0, 1]),
    ]);
    let hello = client(&message.bytes());
    let parameters = hello.transport_parameters.unwrap();
    let information = parameters.version_information().unwrap();
    assert_eq!(information.chosen, Version::V1);
    assert_eq!(information.available, versions[1..]);
    let flag = parameters.get(ParameterId::DISABLE_ACTIVE_MIGRATION);
    assert_eq!(flag, Some(&[][..]));
    assert!(parameters.get(ParameterId::GREASE_QUIC_BIT).is_some());
    let limit = parameters.integer(ParameterId::ACTIVE_CONNECTION_ID_LIMIT);
    assert_eq!(limit, Some(8));
    // Two bytes that are no integer of two bytes.
    assert_eq!(parameters.integer(ParameterId::MAX_UDP_PAYLOAD_SIZE), None);
    let grease: Vec<_> = parameters.0.iter().map(|one| one.id.is_grease()).collect();
    assert_eq!(grease, [false, false, false, false, false, true, false]);
    let names = parameters.0.iter().map(|one| one.id.to_string());
    let names: Vec<_> = names.collect();
    assert_eq!(names[0], "version_information");
    assert_eq!(names[6], "0x4752");
}

#[test]
fn what_is_no_integer_by_its_number_is_not_read_as_one() {
    let integers = [1, 3, 4, 5, 6, 7, 8, 9, 0x0a, 0x0b, 0x0e, 0x20];
    let others = [
        0,
        2,
        0x0c,
        0x0d,
        0x0f,
        0x10,
        0x11,
        0x15,
        27,
        0x2ab2,
        0x4752,
        0x00ff_73db,
    ];
    let value = varint(5);
    let all = integers.iter().chain(&others);
    let parameters: Vec<_> = all.map(|&id| (id, &value[..])).collect();
    let hello = client(&client_hello().transport_parameters(&parameters).bytes());
    let parameters = hello.transport_parameters.unwrap();
    for id in integers {
        assert_eq!(parameters.integer(ParameterId(id)), Some(5), "{id:#x}");
    }
    for id in others {
        assert_eq!(parameters.integer(ParameterId(id)), None, "{id:#x}");
        assert!(parameters.get(ParameterId(id)).is_some());
    }
}

#[test]
fn grease_is_known() {
    let grease = (0..=u16::MAX).filter(|&number| is_grease(number));
    let expected = (0..16).map(|high| (high << 4 | 0xa) * 0x0101);
    assert!(grease.eq(expected));
}

proptest! {
    #[test]
    fn no_bytes_are_too_much(kind in 1_u8..=2, body in vec(any::<u8>(), 0..300)) {
        let length = (body.len() as u16).to_be_bytes();
        let message = [&[kind, 0][..], &length, &body].concat();
        let needs_more = matches!(Hello::read(&message), Ok(Progress::NeedsMore { .. }));
        prop_assert!(!needs_more);
    }

    #[test]
    fn damage_is_never_fatal(at in 0_usize..200, byte in any::<u8>()) {
        let mut message = client_hello()
            .server_name("netweir.example")
            .alpn(&["h3", "hq-interop"])
            .signature_algorithms(&[0x0403, 0x0804])
            .transport_parameters(&[(1, &varint(30_000)), (0x0f, &[1, 2, 3])])
            .bytes();
        let at = at % message.len();
        message[at] = byte;
        drop(Hello::read(&message));
    }
}
