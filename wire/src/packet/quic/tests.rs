use super::*;
use std::{string::ToString, vec, vec::Vec};

const DCID: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
const SCID: [u8; 5] = [1, 2, 3, 4, 5];

/// A long header up to the end of the connection IDs.
fn long(first: u8, version: Version, dcid: &[u8], scid: &[u8]) -> Vec<u8> {
    [
        &[first][..],
        &version.0.to_be_bytes(),
        &[dcid.len() as u8],
        dcid,
        &[scid.len() as u8],
        scid,
    ]
    .concat()
}

/// An Initial with a token of three bytes, a Handshake packet, and one with a short header.
fn coalesced(initial: u8, handshake: u8, version: Version) -> Vec<u8> {
    [
        long(initial, version, &DCID, &SCID),
        vec![3, b'a', b'b', b'c', 0x40, 4, 9, 9, 9, 9],
        long(handshake, version, &DCID, &SCID),
        vec![2, 8, 8],
        vec![0x40, 7, 7],
    ]
    .concat()
}

fn read_long(bytes: &[u8]) -> LongView<'_> {
    match View::read(bytes) {
        Ok(View::Long(view)) => view,
        other => panic!("{other:?}"),
    }
}

fn problem(bytes: &[u8]) -> Option<Problem> {
    View::read(bytes).err()
}

#[test]
fn coalesced_packets_are_walked_in_both_versions() {
    for (initial, handshake, version) in [
        (0xc0, 0xe0, Version::V1),
        (0xc0, 0xe0, Version::draft(29)),
        (0xd0, 0xf0, Version::V2),
        (0xd0, 0xf0, Version::V2_DRAFT),
    ] {
        let datagram = coalesced(initial, handshake, version);
        let packets: Vec<_> = Packets::new(&datagram).collect();
        let [
            Ok(View::Long(first)),
            Ok(View::Long(second)),
            Ok(View::Short { bytes, header }),
        ] = packets[..]
        else {
            panic!("{packets:?}");
        };
        assert!(matches!(first.body, Body::Initial { .. }));
        assert_eq!((first.dcid(), first.scid()), (&DCID[..], &SCID[..]));
        assert_eq!(first.token(), b"abc");
        assert_eq!(first.packet_number_offset(), Some(first.bytes.len() - 4));
        let Body::Handshake { protected } = second.body else {
            panic!("{second:?}");
        };
        assert_eq!(protected.of(second.bytes), [8, 8]);
        assert_eq!(bytes, [0x40, 7, 7]);
        assert_eq!(header.dcid(2).of(bytes), [7, 7]);
        assert!(header.has_fixed_bit() && !header.spin_bit());
    }
}

#[test]
fn an_offset_does_not_change_what_is_read() {
    let datagram = coalesced(0xc0, 0xe0, Version::V1);
    let behind = [&[0xff; 42][..], &datagram].concat();
    let Ok(Header::Long(header)) = Header::read(&&behind[..], 42) else {
        panic!("no long header");
    };
    assert_eq!(header.dcid.of(&behind), DCID);
    let body = Body::read(&&behind[..], &header, behind.len()).unwrap();
    let Body::Initial { token, .. } = body else {
        panic!("{body:?}");
    };
    assert_eq!(token.of(&behind), b"abc");
}

#[test]
fn what_is_cut_short_is_truncated() {
    let whole = coalesced(0xc0, 0xe0, Version::V1);
    let initial = read_long(&whole).bytes.len();
    for length in 0..initial {
        assert_eq!(problem(&whole[..length]), Some(Problem::Truncated));
    }
    assert_eq!(problem(&whole[..initial]), None);
}

#[test]
fn a_version_negotiation_lists_versions() {
    let mut packet = long(0x80, Version::NEGOTIATION, &SCID, &[7; 255]);
    packet.extend([0x1a, 0x2a, 0x3a, 0x4a, 0, 0, 0, 1, 0xff]);
    let view = read_long(&packet);
    assert!(!view.header.has_fixed_bit());
    assert_eq!(view.scid(), [7; 255]);
    let versions: Vec<_> = view.versions().collect();
    assert_eq!(versions, [Version(0x1a2a_3a4a), Version::V1]);
    assert_eq!(view.bytes, packet);
}

#[test]
fn a_retry_has_a_token_and_a_tag() {
    for (first, version, tag_bytes) in [
        (0xf0, Version::V1, RETRY_TAG_BYTES),
        (0xf0, Version::draft(25), RETRY_TAG_BYTES),
        (0xf0, Version::draft(24), 0),
        (0xc0, Version::V2, RETRY_TAG_BYTES),
    ] {
        let mut packet = long(first, version, &[], &SCID);
        packet.extend(b"token");
        packet.extend([0xee; RETRY_TAG_BYTES]);
        let view = read_long(&packet);
        let Body::Retry { token, tag } = view.body else {
            panic!("{view:?}");
        };
        assert_eq!(view.token().len(), 5 + RETRY_TAG_BYTES - tag_bytes);
        assert_eq!((token.end(), tag.length), (tag.offset, tag_bytes));
        assert_eq!(tag.end(), packet.len());
    }
    let mut packet = long(0xf0, Version::V1, &[], &SCID);
    packet.extend([0; RETRY_TAG_BYTES - 1]);
    assert_eq!(problem(&packet), Some(Problem::Truncated));
}

#[test]
fn connection_ids_are_as_long_as_their_version_allows() {
    let unknown = Version(0x1234_5678);
    let view = long(0x80, unknown, &[1; 255], &[2; 255]);
    let view = read_long(&view);
    assert_eq!((view.dcid(), view.scid()), (&[1; 255][..], &[2; 255][..]));
    assert_eq!(view.body, Body::Unknown);

    let longest = [&long(0xe0, Version::V1, &[1; 20], &[2; 20])[..], &[0]].concat();
    assert_eq!(problem(&longest), None);
    for (dcid, scid) in [(21, 0), (0, 21)] {
        let packet = long(0xe0, Version::V1, &vec![1; dcid], &vec![2; scid]);
        assert_eq!(problem(&packet), Some(Problem::CidTooLong));
    }
}

#[test]
fn a_fixed_bit_of_zero_is_reported_and_read_past() {
    let datagram = coalesced(0x80, 0xa0, Version::V1);
    let view = read_long(&datagram);
    assert!(!view.header.has_fixed_bit());
    assert_eq!(view.token(), b"abc");
    assert_eq!(Packets::new(&datagram).count(), 3);
}

#[test]
fn lengths_in_half_bytes_are_read_in_old_versions() {
    let q046 = Version(u32::from_be_bytes(*b"Q046"));
    let head = |version: Version| [&[0xc3][..], &version.0.to_be_bytes()].concat();
    let packet = [&head(q046)[..], &[0x50], &DCID, &[1, 2, 3, 4]].concat();
    let view = read_long(&packet);
    assert_eq!((view.dcid(), view.scid()), (&DCID[..], &[][..]));
    let packet = [&head(Version::draft(18))[..], &[0x52], &DCID, &SCID].concat();
    let view = read_long(&packet);
    assert_eq!((view.dcid(), view.scid()), (&DCID[..], &SCID[..]));
}

#[test]
fn integers_of_every_length() {
    // RFC 9000 appendix A.1.
    let examples: [(&[u8], u64, usize); 5] = [
        (&[0x25], 37, 1),
        (&[0x40, 0x25], 37, 2),
        (&[0x7b, 0xbd], 15_293, 2),
        (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333, 4),
        (
            &[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c],
            151_288_809_941_952_652,
            8,
        ),
    ];
    for (bytes, value, size) in examples {
        assert_eq!(read_varint(&bytes, 0), Ok((value, size)));
        assert_eq!(read_varint(&&bytes[..size - 1], 0), Err(Truncated));
    }
}

#[test]
fn versions_have_names() {
    let names = [
        (Version::NEGOTIATION, "negotiation"),
        (Version::V1, "v1"),
        (Version::V2, "v2"),
        (Version::V2_DRAFT, "v2-draft"),
        (Version::draft(29), "draft-29"),
        (Version(0x5130_3433), "Q043"),
        (Version(0x5130_3530), "Q050"),
        (Version(0x5430_3531), "T051"),
        (Version(0xface_b002), "mvfst-0xfaceb002"),
        (Version(0x1a2a_3a4a), "greased-0x1a2a3a4a"),
        (Version(0xfafa_fafa), "greased-0xfafafafa"),
        (Version(0x1234), "0x00001234"),
        (Version(0xff00_0000), "0xff000000"),
    ];
    for (version, name) in names {
        assert_eq!(version.to_string(), name);
    }
}
