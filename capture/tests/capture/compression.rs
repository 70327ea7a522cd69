//! gzip and zstd: whole, of several members or frames, cut at every byte, and damaged.

use std::io::{Cursor, Write};

use flate2::write::GzEncoder;
use netweir_capture::{Compression, Error, Reader};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::build::{Order, pcap_header, pcap_record, read, read_whole, samples};

/// zstd's skippable frame: passed over wherever it stands.
const SKIPPABLE: [u8; 11] = [0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("a vector takes all bytes");
    encoder.finish().expect("a vector takes all bytes")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

#[test]
fn reads_through_both_compressions() {
    for plain in samples() {
        let expected = read_whole(&plain);
        assert_eq!(read_whole(&gzip(&plain)), expected);
        assert_eq!(read_whole(&zstd(&plain)), expected);
    }
}

#[test]
fn reads_several_members_and_frames() {
    for plain in samples() {
        let (first, second) = plain.split_at(70);
        assert_eq!(
            read_whole(&[gzip(first), gzip(second)].concat()),
            read_whole(&plain)
        );
        let frames = [
            &SKIPPABLE[..],
            &zstd(first),
            &SKIPPABLE,
            &zstd(&[]),
            &zstd(second),
        ];
        assert_eq!(read_whole(&frames.concat()), read_whole(&plain));
    }
}

#[test]
fn a_cut_stream_yields_its_frames_and_says_so() {
    for plain in samples() {
        let expected = read_whole(&plain);
        for (whole, compression) in [
            (gzip(&plain), Compression::Gzip),
            (zstd(&plain), Compression::Zstd),
        ] {
            for cut in 4..whole.len() {
                let (frames, err) = read(&whole[..cut]);
                assert!(expected.starts_with(&frames), "{compression} cut at {cut}");
                let Some(Error::TruncatedStream {
                    compression: named, ..
                }) = err
                else {
                    panic!("{compression} cut at {cut}: {err:?}");
                };
                assert_eq!(named, compression);
            }
        }
    }
}

/// The decoder holds back a window of output; a cut must not cost the frames in it.
#[test]
fn a_cut_zstd_stream_yields_all_blocks_before_the_cut() {
    let order = Order::Little;
    let records = 1_000;
    let record = pcap_record(order, 984, &[7; 984]);
    let plain = [
        pcap_header(order, 0xa1b2_c3d4, 4, 1),
        record.repeat(records),
    ]
    .concat();
    let whole = compress_to_vec(plain.as_slice(), CompressionLevel::Uncompressed);
    let (frames, err) = read(&whole[..whole.len() - 1]);
    assert!(
        frames.len() > records - 140,
        "only {} of {records}",
        frames.len()
    );
    assert!(
        matches!(err, Some(Error::TruncatedStream { .. })),
        "{err:?}"
    );
}

#[test]
fn a_wrong_checksum_is_an_error_after_the_frames() {
    let [plain, _] = samples();
    // The checksum ends a zstd frame, and stands before the length at the end of gzip.
    for (mut whole, from_end) in [(gzip(&plain), 5), (zstd(&plain), 1)] {
        let at = whole.len() - from_end;
        whole[at] ^= 1;
        let (frames, err) = read(&whole);
        assert_eq!(frames, read_whole(&plain));
        assert!(matches!(err, Some(Error::Decompress { .. })), "{err:?}");
    }
}

#[test]
fn damage_never_panics() {
    for plain in samples() {
        for whole in [gzip(&plain), zstd(&plain)] {
            for at in 0..whole.len() {
                for bit in 0..8 {
                    let mut damaged = whole.clone();
                    damaged[at] ^= 1 << bit;
                    read(&damaged);
                }
            }
        }
    }
}

#[test]
fn counts_the_bytes_of_the_compressed_source() {
    let [plain, _] = samples();
    let whole = gzip(&plain);
    let mut reader = Reader::from_read(Cursor::new(whole.clone())).unwrap();
    while reader.next_frame().unwrap().is_some() {}
    assert_eq!(reader.consumed_bytes(), whole.len() as u64);
    assert_eq!(reader.size_bytes(), None);
}
