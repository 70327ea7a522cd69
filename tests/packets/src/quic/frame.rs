//! Frames of an Initial (RFC 9000 section 19).

/// An integer of variable length, as short as can be (RFC 9000 section 16).
///
/// # Panics
/// From 2^62 on.
pub fn varint(value: u64) -> Vec<u8> {
    match value {
        0..0x40 => vec![value as u8],
        0x40..0x4000 => (value as u16 | 0x4000).to_be_bytes().to_vec(),
        0x4000..0x4000_0000 => (value as u32 | 0x8000_0000).to_be_bytes().to_vec(),
        0x4000_0000..0x4000_0000_0000_0000 => (value | 0xc << 60).to_be_bytes().to_vec(),
        _ => panic!("{value} has no encoding"),
    }
}

/// A CRYPTO frame.
pub fn crypto(offset: u64, bytes: &[u8]) -> Vec<u8> {
    let length = varint(bytes.len() as u64);
    [&[0x06], &varint(offset)[..], &length, bytes].concat()
}

/// An ACK frame of one range, `first` to `largest`.
pub fn ack(first: u64, largest: u64) -> Vec<u8> {
    let range = varint(largest - first);
    [&[0x02], &varint(largest)[..], &[0, 0], &range].concat()
}

/// A PING frame.
pub fn ping() -> Vec<u8> {
    vec![0x01]
}

/// PADDING frames.
pub fn padding(length: usize) -> Vec<u8> {
    vec![0; length]
}

/// A CONNECTION_CLOSE frame of the transport, for no frame in particular.
pub fn close(error_code: u64, reason: &str) -> Vec<u8> {
    let length = varint(reason.len() as u64);
    let code = varint(error_code);
    [&[0x1c], &code[..], &[0], &length, reason.as_bytes()].concat()
}
