//! The examples of RFC 9001 appendix A and RFC 9369 appendix A, and those of some drafts.
//!
//! The keys of A.1 are held against in `flow/src/quic/initial.rs`: nobody outside sees them.

use crate::{bytes, hex, long};
use netweir_flow::quic::{InitialKeys, OpenError, Sender, can_open_initials, verify_retry};
use netweir_wire::packet::quic::Version;

const CLIENT_DCID: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];

fn keys(version: Version) -> InitialKeys {
    InitialKeys::new(version, &CLIENT_DCID).expect("the version can be opened")
}

#[test]
fn client_initials_open() {
    let mut payload = hex(bytes::CLIENT_FRAME);
    payload.resize(1162, 0);
    for (version, packet) in [
        (Version::V1, bytes::CLIENT_V1),
        (Version::V2, bytes::CLIENT_V2),
    ] {
        let packet = hex(packet);
        let view = long(&packet);
        assert_eq!(view.header.version, version);
        assert_eq!(view.dcid(), CLIENT_DCID);
        let opened = keys(version).open(Sender::Client, &view, 0).unwrap();
        assert_eq!(opened.packet_number, 2);
        assert_eq!(opened.payload, payload);
    }
}

#[test]
fn server_initials_open() {
    for (version, packet) in [
        (Version::V1, bytes::SERVER_V1),
        (Version::V2, bytes::SERVER_V2),
        (Version::V2_DRAFT, bytes::SERVER_V2_DRAFT),
        (Version::draft(32), bytes::SERVER_DRAFT_32),
        (Version::draft(29), bytes::SERVER_DRAFT_29),
        (Version::draft(27), bytes::SERVER_DRAFT_27),
    ] {
        let packet = hex(packet);
        let view = long(&packet);
        assert_eq!(view.header.version, version);
        assert!(view.dcid().is_empty());
        let opened = keys(version).open(Sender::Server, &view, 0).unwrap();
        assert_eq!(opened.packet_number, 1);
        // The drafts have another ServerHello.
        if matches!(version, Version::V1 | Version::V2) {
            assert_eq!(opened.payload, hex(bytes::SERVER_FRAMES));
        }
    }
}

#[test]
fn retries_are_genuine_for_their_connection_id_alone() {
    for (version, packet) in [
        (Version::V1, bytes::RETRY_V1),
        (Version::V2, bytes::RETRY_V2),
        (Version::V2_DRAFT, bytes::RETRY_V2_DRAFT),
        (Version::draft(32), bytes::RETRY_DRAFT_32),
        (Version::draft(29), bytes::RETRY_DRAFT_29),
        (Version::draft(27), bytes::RETRY_DRAFT_27),
    ] {
        let mut packet = hex(packet);
        let view = long(&packet);
        assert_eq!(view.header.version, version);
        assert_eq!(view.token(), b"token");
        assert_eq!(verify_retry(&view, &CLIENT_DCID), Some(true), "{version}");
        assert_eq!(verify_retry(&view, &CLIENT_DCID[1..]), Some(false));
        assert_eq!(verify_retry(&view, &[0; 256]), Some(false));
        packet[20] ^= 1;
        assert_eq!(verify_retry(&long(&packet), &CLIENT_DCID), Some(false));
    }
    let initial = hex(bytes::CLIENT_V1);
    assert_eq!(verify_retry(&long(&initial), &CLIENT_DCID), None);
}

#[test]
fn what_was_changed_does_not_open() {
    let packet = hex(bytes::SERVER_V1);
    for at in (0..packet.len()).filter(|at| !(1..21).contains(at)) {
        let mut changed = packet.clone();
        changed[at] ^= 1;
        let opened = keys(Version::V1).open(Sender::Server, &long(&changed), 0);
        assert_eq!(opened, Err(OpenError::NotAuthentic), "byte {at}");
    }
    let view = long(&packet);
    let with_other_keys = keys(Version::V1).open(Sender::Client, &view, 0);
    assert_eq!(with_other_keys, Err(OpenError::NotAuthentic));
    let retry = hex(bytes::RETRY_V1);
    let not_initial = keys(Version::V1).open(Sender::Server, &long(&retry), 0);
    assert_eq!(not_initial, Err(OpenError::NotInitial));
}

#[test]
fn an_initial_without_room_for_a_sample_is_too_short() {
    // Version 1, no connection IDs, no token, 19 protected bytes.
    let packet = [&[0xc0, 0, 0, 0, 1, 0, 0, 0, 19][..], &[0; 19]].concat();
    let opened = keys(Version::V1).open(Sender::Client, &long(&packet), 0);
    assert_eq!(opened, Err(OpenError::TooShort { bytes: 19 }));
}

#[test]
fn versions_that_can_be_opened() {
    let can = [Version::V1, Version::V2, Version::V2_DRAFT]
        .into_iter()
        .chain((22..=34).map(Version::draft));
    assert!(can.into_iter().all(can_open_initials));
    let cannot = [
        0,
        0x5130_3530,
        0xface_b002,
        0x1a2a_3a4a,
        0xff00_0015,
        0xff00_0023,
    ];
    for number in cannot {
        assert!(!can_open_initials(Version(number)), "{number:#x}");
        assert_eq!(InitialKeys::new(Version(number), &CLIENT_DCID), None);
    }
}
