//! Layouts written down by hand, and what they make of connection IDs.

use super::{
    super::words, Cid, CidPacket, CidRoute, CidServer, FIELD_BIG_ENDIAN, FIELD_LITTLE_ENDIAN,
    LAYOUT_ANY_FAMILY, LAYOUT_ENCRYPTED, LAYOUT_IPV4, LAYOUT_IPV6, LayoutField, LayoutProgram,
    LayoutRow, MAX_CID_BYTES, ServerChosen, Undecoded,
};

const SERVER: CidServer = CidServer {
    address: words([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2]),
    port: 443,
    version: 1,
};

const IPV6: CidServer = CidServer {
    address: words([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
    ..SERVER
};

fn padded(bytes: &[u8]) -> [u8; MAX_CID_BYTES] {
    let mut padded = [0xee; MAX_CID_BYTES];
    padded[..bytes.len()].copy_from_slice(bytes);
    padded
}

fn whole(bytes: &[u8]) -> ServerChosen {
    let cid = Cid::new(padded(bytes), bytes.len() as u8);
    ServerChosen::from_server(CidPacket::Initial, cid).unwrap()
}

fn open(bytes: &[u8]) -> ServerChosen {
    let cid = Cid::open(padded(bytes), bytes.len() as u8);
    ServerChosen::from_client(CidPacket::OneRtt, cid).unwrap()
}

fn field(bit_offset: u8, bits: u8, order: u8) -> LayoutField {
    LayoutField {
        bit_offset,
        bits,
        order,
        ..LayoutField::default()
    }
}

/// Eight bytes, the backend in the second and third.
fn row() -> LayoutRow {
    LayoutRow {
        backend: field(8, 16, FIELD_BIG_ENDIAN),
        min_bytes: 8,
        max_bytes: 8,
        ..LayoutRow::default()
    }
}

fn program(rows: &[LayoutRow]) -> LayoutProgram {
    let mut program = LayoutProgram {
        count: rows.len() as u32,
        ..LayoutProgram::default()
    };
    program.rows[..rows.len()].copy_from_slice(rows);
    program
}

fn backend(number: u64) -> Result<CidRoute, Undecoded> {
    Ok(CidRoute {
        backend: Some(number),
        queue: None,
    })
}

const CID: [u8; 8] = [0x41, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde];

#[test]
fn every_reason_stands_at_its_number() {
    for (number, reason) in Undecoded::ALL.into_iter().enumerate() {
        assert_eq!(reason as usize, number, "{}", reason.name());
    }
}

#[test]
fn fields_are_read_at_any_bit() {
    let mut bytes = [0; MAX_CID_BYTES];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = place as u8 + 1;
    }
    let cid = whole(&bytes);
    for (bit_offset, bits, order, expected) in [
        (0, 8, FIELD_BIG_ENDIAN, 0x01),
        (0, 64, FIELD_BIG_ENDIAN, 0x0102_0304_0506_0708),
        (96, 64, FIELD_BIG_ENDIAN, 0x0d0e_0f10_1112_1314),
        (4, 64, FIELD_BIG_ENDIAN, 0x1020_3040_5060_7080),
        (60, 8, FIELD_BIG_ENDIAN, 0x80),
        (120, 16, FIELD_BIG_ENDIAN, 0x1011),
        (159, 1, FIELD_BIG_ENDIAN, 0),
        (157, 1, FIELD_BIG_ENDIAN, 1),
        (8, 16, FIELD_LITTLE_ENDIAN, 0x0302),
        (0, 64, FIELD_LITTLE_ENDIAN, 0x0807_0605_0403_0201),
        (56, 24, FIELD_LITTLE_ENDIAN, 0x000a_0908),
    ] {
        let field = field(bit_offset, bits, order);
        assert_eq!(field.read(&cid, 20), Ok(Some(expected)), "{field:?}");
    }
    assert_eq!(LayoutField::default().read(&cid, 20), Ok(None));
    let beyond = field(153, 8, FIELD_BIG_ENDIAN);
    assert_eq!(beyond.read(&cid, 20), Err(Undecoded::Length));
}

#[test]
fn a_number_is_shifted_and_then_divided() {
    let derived = LayoutField {
        shift: 4,
        modulo: 100,
        ..field(8, 16, FIELD_BIG_ENDIAN)
    };
    assert_eq!(derived.read(&whole(&CID), 8), Ok(Some(0x123 % 100)));
}

/// The layout above, changed.
fn with(change: impl FnOnce(&mut LayoutRow)) -> LayoutRow {
    let mut row = row();
    change(&mut row);
    row
}

#[test]
fn a_layout_is_for_its_servers() {
    let host = with(|row| {
        row.address = SERVER.address;
        row.mask = [u64::MAX; 2];
    });
    for (row, server, expected) in [
        (with(|row| row.port = [1, 0xbb]), SERVER, true),
        (with(|row| row.port = [1, 0xbc]), SERVER, false),
        (with(|row| row.family = LAYOUT_IPV4), SERVER, true),
        (with(|row| row.family = LAYOUT_IPV4), IPV6, false),
        (with(|row| row.family = LAYOUT_IPV6), SERVER, false),
        (with(|row| row.family = LAYOUT_IPV6), IPV6, true),
        (with(|row| row.family = LAYOUT_ANY_FAMILY), IPV6, true),
        (with(|row| row.family = 5), IPV6, false),
        (with(|row| row.version = 1), SERVER, true),
        (with(|row| row.version = 2), SERVER, false),
        (host, SERVER, true),
        (host, IPV6, false),
    ] {
        let found = program(&[row]).decode(&server, &whole(&CID));
        let none = Err(Undecoded::NoLayout);
        let expected = if expected { backend(0x1234) } else { none };
        assert_eq!(found, expected, "{row:?}");
    }
    let found = LayoutProgram::default().decode(&SERVER, &whole(&CID));
    assert_eq!(found, Err(Undecoded::NoLayout));
}

#[test]
fn the_first_layout_whose_guard_agrees_reads() {
    let guarded = |guard_value, bit_offset| LayoutRow {
        guard_mask: 0xc0,
        guard_value,
        backend: field(bit_offset, 8, FIELD_BIG_ENDIAN),
        ..row()
    };
    let program = program(&[guarded(0x80, 8), guarded(0x40, 16), guarded(0x40, 24)]);
    assert_eq!(program.decode(&SERVER, &whole(&CID)), backend(0x34));
    let mut other = CID;
    other[0] = 0x81;
    assert_eq!(program.decode(&SERVER, &whole(&other)), backend(0x12));
    other[0] = 0;
    let found = program.decode(&SERVER, &whole(&other));
    assert_eq!(found, Err(Undecoded::Guard));
}

#[test]
fn a_version_that_is_not_known_is_not_guessed() {
    let short = CidServer {
        version: 0,
        ..SERVER
    };
    let first = LayoutRow {
        version: 1,
        guard_mask: 0xc0,
        guard_value: 0x40,
        ..row()
    };
    let program = program(&[first, row()]);
    assert_eq!(program.decode(&SERVER, &whole(&CID)), backend(0x1234));
    let found = program.decode(&short, &open(&CID));
    assert_eq!(found, Err(Undecoded::VersionUnknown));
    // Where its guard speaks against the first, only the second can be meant.
    let mut other = CID;
    other[0] = 0;
    assert_eq!(program.decode(&short, &open(&other)), backend(0x1234));
}

#[test]
fn lengths_are_kept() {
    let at_least = LayoutRow {
        max_bytes: 20,
        ..row()
    };
    let described = LayoutRow {
        length_mask: 0x1f,
        max_bytes: 20,
        min_bytes: 3,
        ..row()
    };
    // Seven bytes follow the first one.
    let mut says_eight = padded(&CID);
    says_eight[0] = 0x27;
    let length = Err(Undecoded::Length);
    for (row, cid, expected) in [
        (row(), whole(&CID), backend(0x1234)),
        (row(), whole(&CID[..7]), length),
        (row(), whole(&says_eight[..9]), length),
        (row(), open(&says_eight), backend(0x1234)),
        (row(), open(&CID[..7]), length),
        (at_least, whole(&says_eight), backend(0x1234)),
        (at_least, whole(&CID[..7]), length),
        (at_least, open(&CID[..7]), length),
        (described, whole(&says_eight[..8]), backend(0x1234)),
        (described, whole(&says_eight[..9]), length),
        (described, open(&says_eight), backend(0x1234)),
        (described, open(&says_eight[..7]), length),
        (row(), whole(&[]), Err(Undecoded::Empty)),
    ] {
        assert_eq!(
            program(&[row]).decode(&SERVER, &cid),
            expected,
            "{row:?} {cid:?}"
        );
    }
    assert_eq!(row().cid_bytes(0), Some(8));
    assert_eq!(at_least.cid_bytes(0), None);
    assert_eq!(described.cid_bytes(0x2a), Some(11));
}

#[test]
fn what_has_no_meaning_here_says_so() {
    let unroutable = LayoutRow {
        unroutable_mask: 0xe0,
        guard_mask: 0xe0,
        ..row()
    };
    let mut cid = CID;
    for (first, expected) in [
        (0x1f, backend(0x1234)),
        (0x20, Err(Undecoded::Guard)),
        (0xe7, Err(Undecoded::Unroutable)),
    ] {
        cid[0] = first;
        let found = program(&[unroutable]).decode(&SERVER, &whole(&cid));
        assert_eq!(found, expected, "{first:#x}");
    }
    let encrypted = LayoutRow {
        kind: LAYOUT_ENCRYPTED,
        ..row()
    };
    let found = program(&[encrypted]).decode(&SERVER, &whole(&CID));
    assert_eq!(found, Err(Undecoded::Encrypted));
    assert_eq!(program(&[encrypted]).find(&SERVER, &whole(&CID)), Ok(0));
}

#[test]
fn only_the_server_s_choices_are_taken() {
    use CidPacket::{Handshake, Initial, OneRtt, Retry, Unknown, VersionNegotiation, ZeroRtt};
    let cid = Cid::new(padded(&CID), 8);
    for (packet, of_client, of_server) in [
        (VersionNegotiation, false, false),
        (Initial, false, true),
        (ZeroRtt, false, false),
        (Handshake, true, true),
        (Retry, false, true),
        (OneRtt, true, false),
        (Unknown, false, false),
    ] {
        assert_eq!(
            ServerChosen::from_client(packet, cid).is_ok(),
            of_client,
            "{packet:?}"
        );
        assert_eq!(
            ServerChosen::from_server(packet, cid).is_ok(),
            of_server,
            "{packet:?}"
        );
    }
    assert_eq!(cid.to_bytes(), padded(&CID));
}
