//! Capture files that a test writes.

use std::{fs, path::PathBuf};

/// A capture file of the classic format, one millisecond between two frames.
pub(crate) fn pcap(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    // Magic, version 2.4, time zone, accuracy, snapshot length, Ethernet.
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        file.extend(word.to_le_bytes());
    }
    for (number, frame) in (0_u32..).zip(frames) {
        let (seconds, microseconds) = (1_700_000_000 + number / 1000, number % 1000 * 1000);
        for word in [
            seconds,
            microseconds,
            frame.len() as u32,
            frame.len() as u32,
        ] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

/// A file that is removed with this value.
pub(crate) struct Capture(PathBuf);

impl Capture {
    pub(crate) fn new(name: &str, bytes: &[u8]) -> Self {
        let name = format!("netweir-{}-{name}.pcap", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, bytes).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // What is left behind in the temporary folder harms nobody.
        let _removed = fs::remove_file(&self.0);
    }
}
