//! The compiler and the linker of the kernel programs, and how they are called.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, ensure};

use crate::{repository, tool};

/// Flags that do not depend on the machine.
///
/// The programs read no registers of a traced function, so that the object is the same for every
/// architecture; the bindings want one named all the same.
/// Headers lie at any address in a packet: without the third flag the compiler reads them byte by
/// byte. The kernel allows it on the architectures that we support (x86-64, arm64).
/// The linker's default turns each clearing or copying of memory into a call of a loop over bytes.
pub(super) const FLAGS: [&str; 4] = [
    "--cfg=bpf_target_arch=\"x86_64\"",
    "-Clinker=bpf-linker",
    "-Clink-arg=--cpu-features=+allows-misaligned-mem-access",
    "-Clink-arg=--disable-expand-memcpy-in-order",
];

const TARGET: &str = "bpfel-unknown-none";
const HOW: &str = "run `make install-kernel-toolchain`, or see docs/building.md";

/// A compiler that has the sources of `core`, and the linker for BPF.
pub(super) struct Toolchain {
    /// The compiler, as it calls itself.
    pub(super) compiler: String,
    /// The linker, as it calls itself.
    pub(super) linker: String,
    rustc: PathBuf,
    sysroot: PathBuf,
}

impl Toolchain {
    /// Finds the first compiler of those below that can build `core`: the system's, rustup's
    /// nightly.
    ///
    /// # Errors
    /// Fails when there is none, or no linker; the message says how to get them.
    pub(super) fn find() -> Result<Self> {
        let linker = tool::output(Command::new("bpf-linker").arg("--version"))
            .with_context(|| format!("bpf-linker does not run: {HOW}"))?
            .trim()
            .to_owned();
        let (rustc, sysroot) = candidates()
            .into_iter()
            .find_map(|rustc| sysroot_with_core(&rustc).map(|sysroot| (rustc, sysroot)))
            .with_context(|| {
                format!(
                    "neither /usr/bin/rustc nor rustup's nightly is {} or later and has the \
                     sources of core: {HOW}",
                    env!("CARGO_PKG_RUST_VERSION")
                )
            })?;
        let compiler = tool::output(Command::new(&rustc).arg("--version"))?;
        Ok(Self {
            compiler: compiler.trim().to_owned(),
            linker,
            rustc,
            sysroot,
        })
    }

    /// Builds all objects in `target/<folder>`, which is emptied before.
    ///
    /// # Errors
    /// Fails when the build does.
    pub(super) fn build(&self, folder: &str) -> Result<Built> {
        let target = repository::root().join("target").join(folder);
        if target.exists() {
            fs::remove_dir_all(&target).with_context(|| format!("emptying target/{folder}"))?;
        }
        let remapped = self.remapped();
        let mut flags: Vec<String> = FLAGS.map(str::to_owned).to_vec();
        flags.extend(
            remapped
                .iter()
                .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())),
        );
        let mut cargo = tool::cargo();
        // Nightly options on a stable compiler: `-Z build-std` here, `core_intrinsics` in the
        // programs.
        cargo
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTC", &self.rustc)
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
            .args(["build", "--locked", "--package", "netweir-kernel"])
            .args(["--target", TARGET, "--profile", "bpf"])
            .args(["-Z", "build-std=core"]);
        tool::run(&mut cargo)?;
        Ok(Built {
            folder: target.join(TARGET).join("bpf"),
            remapped,
        })
    }

    /// Paths of this machine that the compiler may meet, and what they become in the object.
    fn remapped(&self) -> Vec<(PathBuf, &'static str)> {
        let library = self.sysroot.join("lib/rustlib/src/rust");
        let mut remapped = vec![(repository::root().to_owned(), "/netweir")];
        remapped.extend(cargo_home().map(|home| (home, "/cargo")));
        remapped.extend(library.canonicalize().map(|library| (library, "/rust")));
        remapped.push((library, "/rust"));
        remapped
    }
}

/// What was built.
pub(super) struct Built {
    folder: PathBuf,
    remapped: Vec<(PathBuf, &'static str)>,
}

impl Built {
    /// The object of this name.
    ///
    /// # Errors
    /// Fails when there is none, or when it contains a path of this machine.
    pub(super) fn object(&self, name: &str) -> Result<Vec<u8>> {
        let object = fs::read(self.folder.join(name))
            .with_context(|| format!("reading the object {name} that was built"))?;
        for (path, _) in &self.remapped {
            let path = path.as_os_str().as_encoded_bytes();
            ensure!(
                !object.windows(path.len()).any(|window| window == path),
                "the object {name} contains the path {} of this machine",
                String::from_utf8_lossy(path)
            );
        }
        Ok(object)
    }
}

fn candidates() -> Vec<PathBuf> {
    let nightly = Command::new("rustup")
        .args(["which", "--toolchain", "nightly", "rustc"])
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok());
    let mut candidates = vec![PathBuf::from("/usr/bin/rustc")];
    candidates.extend(nightly.map(|path| PathBuf::from(path.trim())));
    candidates
}

/// The sysroot of a compiler that is young enough and has the sources of `core`.
fn sysroot_with_core(rustc: &Path) -> Option<PathBuf> {
    let ask = |argument: &[&str]| {
        let output = Command::new(rustc).args(argument).output().ok()?;
        String::from_utf8(output.stdout).ok()
    };
    if minor(&ask(&["--version"])?)? < minor(concat!("rustc ", env!("CARGO_PKG_RUST_VERSION")))? {
        return None;
    }
    let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?.trim());
    let core = sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs");
    core.is_file().then_some(sysroot)
}

/// The 96 of `rustc 1.96.0 (…)`.
fn minor(version: &str) -> Option<u32> {
    version
        .strip_prefix("rustc 1.")?
        .split('.')
        .next()?
        .parse()
        .ok()
}

fn cargo_home() -> Option<PathBuf> {
    env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".cargo")))
}

#[cfg(test)]
mod tests {
    use super::minor;

    #[test]
    fn the_minor_version_is_read() {
        assert_eq!(
            minor("rustc 1.96.0 (built from a source tarball)"),
            Some(96)
        );
        assert_eq!(minor("rustc 1.95"), Some(95));
        assert_eq!(minor("clang 1.2"), None);
    }
}
