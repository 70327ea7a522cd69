//! The handshake from its pieces.

use netweir_flow::quic::{CryptoError, CryptoLimits, CryptoStream};
use proptest::{collection::vec, prelude::*};

const SMALL: CryptoLimits = CryptoLimits {
    bytes: 100,
    pieces: 3,
};

#[test]
fn pieces_in_any_order() {
    let mut stream = CryptoStream::new(SMALL);
    stream.insert(4, b"efgh").unwrap();
    assert_eq!((stream.prefix(), stream.has_gap()), (&b""[..], true));
    stream.insert(10, b"kl").unwrap();
    stream.insert(0, b"abcd").unwrap();
    assert_eq!(stream.prefix(), b"abcdefgh");
    stream.insert(2, b"cdefghijklmn").unwrap();
    assert_eq!(stream.prefix(), b"abcdefghijklmn");
    assert_eq!((stream.has_gap(), stream.bytes()), (false, 14));
}

#[test]
fn what_came_first_stays() {
    let mut stream = CryptoStream::new(SMALL);
    stream.insert(2, b"cd").unwrap();
    stream.insert(0, b"ABCDEF").unwrap();
    assert_eq!(stream.prefix(), b"ABcdEF");
}

#[test]
fn limits_hold() {
    let mut stream = CryptoStream::new(SMALL);
    assert_eq!(stream.insert(100, b""), Ok(()));
    for (offset, end) in [(100, 101), (u64::MAX, u64::MAX)] {
        let error = CryptoError::TooLong { bytes: end };
        assert_eq!(stream.insert(offset, b"x"), Err(error));
    }
    for offset in [90, 70, 50] {
        stream.insert(offset, b"x").unwrap();
    }
    let error = CryptoError::TooManyPieces { pieces: 3 };
    assert_eq!(stream.insert(30, b"x"), Err(error));
    // What goes on where a piece ends is none of its own.
    stream.insert(51, b"y").unwrap();
    assert_eq!(stream.bytes(), 4);
    stream.insert(0, &[b'z'; 60]).unwrap();
    assert_eq!(stream.prefix().len(), 60);
}

proptest! {
    #[test]
    fn the_same_as_byte_by_byte(
        pieces in vec((0_u64..300, vec(any::<u8>(), 0..80)), 0..30),
    ) {
        let mut stream = CryptoStream::new(CryptoLimits { bytes: 400, pieces: 400 });
        let mut model = [None; 400];
        for (offset, bytes) in &pieces {
            prop_assert_eq!(stream.insert(*offset, bytes), Ok(()));
            for (place, &byte) in model[*offset as usize..].iter_mut().zip(bytes) {
                place.get_or_insert(byte);
            }
            let prefix: Vec<u8> = model.iter().map_while(|&byte| byte).collect();
            prop_assert_eq!(stream.prefix(), prefix);
            prop_assert_eq!(stream.bytes(), model.iter().flatten().count());
        }
    }

    #[test]
    fn no_more_is_kept_than_came_and_than_the_limit(
        pieces in vec((0_u64..120, vec(any::<u8>(), 0..30)), 0..60),
    ) {
        let mut stream = CryptoStream::new(SMALL);
        let mut came = 0;
        for (offset, bytes) in &pieces {
            // Refused or not.
            stream.insert(*offset, bytes).ok();
            came += bytes.len();
            prop_assert!(stream.bytes() <= came.min(SMALL.bytes));
        }
    }
}
