//! The file system that a guest starts from: programs with their libraries, modules, the tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Test, cpio::Cpio, module};
use crate::tool;

/// What the tests call; busybox has a part of it, but not with all their options.
const PROGRAMS: [&str; 5] = ["ip", "tc", "ethtool", "nsenter", "setpriv"];
const INIT: &str = include_str!("init.sh");

/// The programs of an image, which all guests share.
pub(super) struct Programs {
    /// Places in the image, and contents.
    files: BTreeMap<String, Vec<u8>>,
}

impl Programs {
    /// Reads the programs and their libraries; `folder` is for stripped copies.
    ///
    /// # Errors
    /// Fails where a program is missing.
    pub(super) fn read(binaries: &BTreeMap<String, PathBuf>, folder: &Path) -> Result<Self> {
        let mut programs = Self {
            files: BTreeMap::new(),
        };
        fs::create_dir_all(folder)?;
        for (name, binary) in binaries {
            let stripped = folder.join(name);
            // A tenth of the size; a panic tells its line all the same.
            tool::output(Command::new("strip").arg("-o").arg(&stripped).arg(binary))?;
            programs.add(&format!("netweir/{name}"), &stripped)?;
        }
        for name in PROGRAMS {
            let program = find(name)?;
            programs.add(&format!("usr/bin/{name}"), &program)?;
        }
        let busybox = find("busybox")?;
        programs
            .files
            .insert("bin/busybox".to_owned(), fs::read(busybox)?);
        Ok(programs)
    }

    /// Adds a program and its libraries, each where the program looks for it.
    fn add(&mut self, place: &str, program: &Path) -> Result<()> {
        let content = fs::read(program).with_context(|| format!("{}", program.display()))?;
        self.files.insert(place.to_owned(), content);
        for library in libraries(&tool::output(Command::new("ldd").arg(program))?) {
            let place = library.trim_start_matches('/').to_owned();
            if let std::collections::btree_map::Entry::Vacant(entry) = self.files.entry(place) {
                entry.insert(fs::read(&library).with_context(|| library.clone())?);
            }
        }
        Ok(())
    }

    /// The image for a kernel with these modules.
    ///
    /// # Errors
    /// Fails where a module cannot be unpacked.
    pub(super) fn image(&self, modules: &Path, tests: &[Test]) -> Result<Vec<u8>> {
        let mut cpio = Cpio::default();
        cpio.file("init", INIT.as_bytes());
        cpio.link("etc/mtab", "/proc/self/mounts");
        for (place, content) in &self.files {
            cpio.file(place, content);
        }
        let modules = module::in_order(modules)?;
        let mut order = String::new();
        for module in &modules {
            cpio.file(&format!("modules/{}.ko", module.name), &module.bytes);
            order += &format!("{}\n", module.name);
        }
        cpio.file("modules/order", order.as_bytes());
        let tests: String = tests.iter().map(|test| format!("{test}\n")).collect();
        cpio.file("netweir/tests", tests.as_bytes());
        Ok(cpio.finish())
    }
}

fn find(program: &str) -> Result<PathBuf> {
    let found = tool::find(program);
    found.with_context(|| format!("{program} is missing: `scripts/check-deps kernels` gets it"))
}

/// The files that `ldd` names; the one that the kernel maps in is none.
fn libraries(ldd: &str) -> Vec<String> {
    let words = ldd.lines().filter_map(|line| {
        let line = line.trim();
        let path = line.split_once(" => ").map_or(line, |(_, path)| path);
        path.split(' ').next()
    });
    words
        .filter(|path| path.starts_with('/'))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::libraries;

    #[test]
    fn libraries_are_files() {
        let ldd = "\tlinux-vdso.so.1 (0x00007ffd)\n\
                   \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f39)\n\
                   \t/lib64/ld-linux-x86-64.so.2 (0x00007f3a)\n\
                   \tstatically linked\n";
        assert_eq!(
            libraries(ldd),
            [
                "/lib/x86_64-linux-gnu/libc.so.6",
                "/lib64/ld-linux-x86-64.so.2"
            ]
        );
    }
}
