//! The capture reader: no bytes make it panic, hang or use memory without bound.
//!
//! The first byte chooses what is read: the rest as it is, or compressed first, so that changes
//! reach the format beneath the compression.

#![no_main]

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use netweir_capture::{MAX_RECORD_BYTES, Reader};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else {
        return;
    };
    let bytes = match first % 3 {
        0 => rest.to_vec(),
        1 => gzip(rest),
        _ => compress_to_vec(rest, CompressionLevel::Fastest),
    };
    let Ok(mut reader) = Reader::from_read(Cursor::new(bytes)) else {
        return;
    };
    while let Ok(Some(frame)) = reader.next_frame() {
        assert!(frame.bytes.len() <= frame.wire_bytes as usize);
        assert!(frame.bytes.len() <= MAX_RECORD_BYTES as usize);
    }
    // After an error or the end there is nothing more.
    assert!(matches!(reader.next_frame(), Ok(None)));
});

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(content).and_then(|()| encoder.finish());
    written.expect("a vector takes all that is written")
}
