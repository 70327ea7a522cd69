//! Files that are cut, that are no captures, that are noise, and that cannot be read.

use std::io::{self, Read};
use std::path::Path;

use netweir_capture::{Error, Reader};
use proptest::prelude::*;

use crate::build::{read, read_error, read_whole, samples};

#[test]
fn a_cut_at_every_byte_leaves_the_frames_before_it() {
    for plain in samples() {
        let expected = read_whole(&plain);
        let mut clean_ends = 0;
        for cut in 0..plain.len() {
            let (frames, err) = read(&plain[..cut]);
            assert!(expected.starts_with(&frames), "cut at {cut}");
            match err {
                None => clean_ends += 1,
                Some(Error::Truncated {
                    offset,
                    promised,
                    left,
                    ..
                }) => {
                    assert_eq!(offset + left, cut as u64);
                    assert!(promised > left);
                }
                Some(err) => {
                    assert!(
                        matches!(err, Error::NotCapture { .. }),
                        "cut at {cut}: {err}"
                    );
                    assert!(cut < 4);
                    assert_eq!(err.offset(), Some(0));
                }
            }
        }
        // Between any two records or blocks, and before the first record of pcap.
        assert!(clean_ends >= 3);
    }
}

#[test]
fn a_cut_record_is_named_with_its_lengths() {
    let [plain, _] = samples();
    assert_eq!(
        read_error(&plain[..plain.len() - 21]),
        "truncated packet record at offset 116: 49 bytes promised, 28 left"
    );
}

#[test]
fn shows_what_a_file_that_is_no_capture_starts_with() {
    let refusal = "not a capture file (pcap, pcapng; gzip and zstd too): ";
    for (file, start) in [
        (&b""[..], "it is empty"),
        (
            b"a line of text\nand another",
            r#"starts with "a line of text\na""#,
        ),
        (
            b"\x89PNG\r\n\x1a\n",
            "starts with bytes 89 50 4e 47 0d 0a 1a 0a",
        ),
    ] {
        assert_eq!(read_error(file), format!("{refusal}{start}"));
    }
}

#[test]
fn a_missing_file_is_named() {
    let err = Reader::open(Path::new("no/such.pcap")).err().unwrap();
    assert_eq!(err.to_string(), "cannot open no/such.pcap");
    assert_eq!(err.offset(), None);
}

#[test]
fn opens_a_file_and_knows_its_size() {
    let [plain, _] = samples();
    let name = format!("netweir-capture-{}.pcap", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, &plain).unwrap();
    let reader = Reader::open(&path);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(reader.unwrap().size_bytes(), Some(plain.len() as u64));
}

/// Delivers one byte at a time, interrupted before each, and fails at the end.
struct Failing(io::Cursor<Vec<u8>>, bool);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        match self.0.read(&mut buffer[..1])? {
            0 => Err(io::Error::other("cable pulled")),
            read => Ok(read),
        }
    }
}

#[test]
fn a_failing_source_yields_its_frames_and_the_offset() {
    for plain in samples() {
        let mut reader = Reader::from_read(Failing(io::Cursor::new(plain.clone()), false)).unwrap();
        for expected in read_whole(&plain) {
            assert_eq!(reader.next_frame().unwrap().unwrap().bytes, expected.bytes);
        }
        let err = reader.next_frame().unwrap_err();
        assert_eq!(
            err.to_string(),
            format!("cannot read at offset {}", plain.len())
        );
    }
}

proptest! {
    #[test]
    fn noise_never_panics(
        magic in prop::sample::select(vec![
            vec![], vec![0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4],
            vec![0x34, 0xcd, 0xb2, 0xa1, 2, 0, 4, 0],
            samples()[1][..48].to_vec(), vec![0x1f, 0x8b, 8, 0], vec![0x28, 0xb5, 0x2f, 0xfd],
        ]),
        noise in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        read(&[magic, noise].concat());
    }

    #[test]
    fn changed_bytes_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        for mut file in samples() {
            for (at, value) in &changes {
                let at = at.index(file.len());
                file[at] = *value;
            }
            let (frames, _) = read(&file);
            prop_assert!(frames.iter().all(|frame| frame.bytes.len() <= frame.wire_bytes as usize));
        }
    }
}
