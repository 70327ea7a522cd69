//! The archive format that the kernel unpacks at its start (`cpio`, format `newc`).
//!
//! The kernel's `Documentation/driver-api/early-userspace/buffer-format.rst` has it: a header of
//! fields in hexadecimal, the name, the content, each padded to four bytes.

use std::collections::BTreeSet;

const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_755;
const LINK: u32 = 0o120_777;
const TRAILER: &str = "TRAILER!!!";

/// An archive that grows.
#[derive(Default)]
pub(super) struct Cpio {
    bytes: Vec<u8>,
    names: BTreeSet<String>,
}

impl Cpio {
    /// Adds a file that may be executed, with the folders that lead to it. Names begin at the top,
    /// without a slash; a second file of a name is left out.
    pub(super) fn file(&mut self, name: &str, content: &[u8]) {
        if self.is_new(name) {
            self.entry(name, FILE, content);
        }
    }

    /// Adds an empty folder.
    pub(super) fn folder(&mut self, name: &str) {
        if self.is_new(name) {
            self.entry(name, FOLDER, &[]);
        }
    }

    /// Adds a symbolic link.
    pub(super) fn link(&mut self, name: &str, target: &str) {
        if self.is_new(name) {
            self.entry(name, LINK, target.as_bytes());
        }
    }

    /// The complete archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, 0, &[]);
        self.bytes
    }

    fn is_new(&mut self, name: &str) -> bool {
        if let Some((folder, _)) = name.rsplit_once('/') {
            self.folder(folder);
        }
        self.names.insert(name.to_owned())
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        let number = self.names.len() as u32;
        let fields = [
            number,
            mode,
            0,
            0,
            1,
            0,
            content.len() as u32,
            0,
            0,
            0,
            0,
            name.len() as u32 + 1,
            0,
        ];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    fn pad(&mut self) {
        let length = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(length, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::Cpio;

    #[test]
    fn folders_come_before_what_is_in_them_and_once() {
        let mut cpio = Cpio::default();
        cpio.file("usr/bin/one", b"bytes");
        cpio.file("usr/bin/two", b"");
        cpio.file("usr/bin/one", b"other");
        cpio.link("usr/three", "bin/one");
        let bytes = cpio.finish();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8(bytes).unwrap();
        let entries: Vec<&str> = text.split("070701").skip(1).collect();
        let names = entries.iter().map(|entry| {
            let (name, _) = entry[104..].split_once('\0').unwrap();
            name
        });
        assert_eq!(
            names.collect::<Vec<_>>(),
            [
                "usr",
                "usr/bin",
                "usr/bin/one",
                "usr/bin/two",
                "usr/three",
                "TRAILER!!!"
            ]
        );
        // Mode, and the length of the content.
        assert_eq!(
            (&entries[2][8..16], &entries[2][48..56]),
            ("000081ed", "00000005")
        );
        assert!(
            entries[2].ends_with("usr/bin/one\0\0\0bytes\0\0\0"),
            "{:?}",
            entries[2]
        );
        assert_eq!(&entries[4][8..16], "0000a1ff");
    }
}
