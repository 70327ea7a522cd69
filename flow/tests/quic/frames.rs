//! The frames of an Initial.

use netweir_flow::quic::{Frame, FrameError, Frames};
use netweir_packets::quic::{ack, close, crypto, padding, ping};
use proptest::{collection::vec, prelude::*};

#[test]
fn every_frame_that_may_be_there_is_read() {
    let payload = [
        padding(3),
        ping(),
        ack(2, 70_000),
        crypto(300, b"hello"),
        close(0x128, "no"),
        padding(1),
    ];
    let frames: Result<Vec<_>, _> = Frames::new(&payload.concat())
        .map(|frame| frame.map(|frame| format!("{frame:?}")))
        .collect();
    let expected = [
        Frame::Padding { length: 3 },
        Frame::Ping,
        Frame::Ack {
            largest: 70_000,
            has_ecn: false,
        },
        Frame::Crypto {
            offset: 300,
            bytes: b"hello",
        },
        Frame::ConnectionClose {
            error_code: 0x128,
            frame_type: 0,
            reason: b"no",
        },
        Frame::Padding { length: 1 },
    ];
    assert_eq!(
        frames,
        Ok(expected.map(|frame| format!("{frame:?}")).to_vec())
    );
}

#[test]
fn acknowledgements_of_several_ranges() {
    // Largest 10, delay 0, two more ranges: 10..=9, then 6..=6, then 2..=0.
    let ranges = [2, 10, 0, 2, 1, 1, 0, 2, 2];
    let ack = Frame::Ack {
        largest: 10,
        has_ecn: false,
    };
    assert_eq!(Frames::new(&ranges).next(), Some(Ok(ack)));
    let ecn = [3, 10, 0, 0, 1, 5, 6, 7];
    let ack = Frame::Ack {
        largest: 10,
        has_ecn: true,
    };
    assert_eq!(Frames::new(&ecn).collect::<Vec<_>>(), [Ok(ack)]);
    for below_zero in [&[2, 10, 0, 0, 11][..], &[2, 10, 0, 1, 1, 7, 1]] {
        let frames: Vec<_> = Frames::new(below_zero).collect();
        assert_eq!(frames, [Err(FrameError::AckBelowZero)]);
    }
    // A count of ranges that the packet has no bytes for.
    let many = [2, 10, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let frames: Vec<_> = Frames::new(&many).collect();
    assert_eq!(frames, [Err(FrameError::Truncated)]);
}

#[test]
fn the_walk_ends_with_what_must_not_be_there() {
    // STREAM, HANDSHAKE_DONE, and CONNECTION_CLOSE of an application.
    for frame_type in [0x08, 0x1e, 0x1d] {
        let payload = [ping(), vec![frame_type], ping()].concat();
        let error = FrameError::NotAllowed {
            frame_type: u64::from(frame_type),
        };
        let frames: Vec<_> = Frames::new(&payload).collect();
        assert_eq!(frames, [Ok(Frame::Ping), Err(error)]);
    }
    let whole = crypto(0, b"hello");
    for length in 1..whole.len() {
        let frames: Vec<_> = Frames::new(&whole[..length]).collect();
        assert_eq!(frames, [Err(FrameError::Truncated)]);
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_much(payload in vec(any::<u8>(), 0..200)) {
        let frames = Frames::new(&payload).count();
        prop_assert!(frames <= payload.len());
    }
}
