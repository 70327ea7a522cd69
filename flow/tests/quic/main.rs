//! Ring 2: QUIC packets in, what they say out.

mod bytes;
mod connection;
mod conversation;
mod fingerprint;
mod frames;
mod hello;
mod meter;
mod stream;
mod vectors;

use netweir_wire::packet::quic::{LongView, View};

/// The bytes of pairs of hexadecimal digits.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .collect();
    assert_eq!(digits.len(), text.len(), "{text}");
    digits
        .chunks(2)
        .map(|pair| (pair[0] << 4 | pair[1]) as u8)
        .collect()
}

/// The first packet of a datagram, which has a long header.
fn long(datagram: &[u8]) -> LongView<'_> {
    match View::read(datagram) {
        Ok(View::Long(view)) => view,
        other => panic!("{other:?}"),
    }
}
