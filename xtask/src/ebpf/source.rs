//! What a kernel object is made of, as one number.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

use super::digest::hex;
use super::toolchain;
use crate::repository;

/// The SHA-256 of everything that a kernel object is made of, in hexadecimal digits.
///
/// These are its own `sources`, the manifest of `kernel`, the build profile, the compiler flags,
/// and the versions of the crates that are compiled in.
pub(super) fn digest(sources: &[&str]) -> Result<String> {
    let mut digest = Sha256::new();
    for path in paths(sources)? {
        let content = fs::read(repository::root().join(&path))
            .with_context(|| format!("reading {}", path.display()))?;
        add(&mut digest, path.as_os_str().as_encoded_bytes(), &content);
    }
    let profile = profile(&repository::read("Cargo.toml")?);
    add(&mut digest, b"profile", profile.as_bytes());
    let locked = locked(&repository::read("Cargo.lock")?);
    add(&mut digest, b"locked", locked.as_bytes());
    add(&mut digest, b"flags", toolchain::FLAGS.join(" ").as_bytes());
    Ok(hex(&digest.finalize()))
}

/// All files that are meant by files and folders.
fn paths(sources: &[&str]) -> Result<Vec<PathBuf>> {
    let mut paths = vec![PathBuf::from("kernel/Cargo.toml")];
    for source in sources {
        if repository::root().join(source).is_dir() {
            paths.extend(repository::files(source)?);
        } else {
            paths.push(PathBuf::from(source));
        }
    }
    paths.sort();
    Ok(paths)
}

/// Lengths are part of what is digested, so that no byte can move from one piece to another.
fn add(digest: &mut Sha256, name: &[u8], content: &[u8]) {
    for piece in [name, content] {
        digest.update((piece.len() as u64).to_le_bytes());
        digest.update(piece);
    }
}

/// The lines of the profile `bpf` in a manifest, without comments and blanks around them.
fn profile(manifest: &str) -> String {
    manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[profile.bpf]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Names and versions of aya's kernel crates in a lock file.
fn locked(lock: &str) -> String {
    let lines: Vec<&str> = lock.lines().collect();
    lines
        .windows(2)
        .filter(|pair| pair[0].starts_with("name = \"aya-ebpf"))
        .map(|pair| pair.join(" "))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_profile_of_the_programs_counts() {
        let manifest =
            "[profile.dev]\ndebug = 1\n\n[profile.bpf]\n# why\nlto = true\n\n[other]\nx = 1";
        assert_eq!(profile(manifest), "lto = true");
    }

    #[test]
    fn only_crates_of_the_programs_count() {
        let lock = "[[package]]\nname = \"aya\"\nversion = \"0.14.0\"\n\n\
                    [[package]]\nname = \"aya-ebpf\"\nversion = \"0.2.1\"\nsource = \"registry\"\n";
        assert_eq!(locked(lock), "name = \"aya-ebpf\" version = \"0.2.1\"");
    }

    #[test]
    fn a_byte_that_moves_changes_the_digest() {
        let digest = |name: &[u8], content: &[u8]| {
            let mut digest = Sha256::new();
            add(&mut digest, name, content);
            digest.finalize()
        };
        assert_ne!(digest(b"ab", b"c"), digest(b"a", b"bc"));
    }
}
