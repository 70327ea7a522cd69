//! What the inline path tells a capture: no bytes make the listener panic or hang, and how they come in pieces
//! changes nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netweir::tapped::{Incoming, Message};

fuzz_target!(|input: &[u8]| {
    let Some((&piece, rest)) = input.split_first() else {
        return;
    };
    let whole = heard(rest.chunks(rest.len().max(1)));
    assert_eq!(heard(rest.chunks(usize::from(piece).max(1))), whole);
});

/// The messages up to the first that is none, and whether there was one.
fn heard<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Message>, bool) {
    let (mut incoming, mut messages) = (Incoming::default(), Vec::new());
    for piece in pieces {
        incoming.push(piece);
        loop {
            match incoming.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(_) => return (messages, true),
            }
        }
    }
    (messages, false)
}
