//! The digest file: what the committed object was made of, and by which tools.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

/// The content of the digest file: one `name value` a line, `#` begins a comment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Digest {
    /// SHA-256 of all that the object is made of, in hexadecimal digits.
    pub(super) sources: String,
    /// SHA-256 of the object, in hexadecimal digits.
    pub(super) object: String,
    /// The compiler, as it calls itself.
    pub(super) compiler: String,
    /// The linker, as it calls itself.
    pub(super) linker: String,
}

impl FromStr for Digest {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let value = |name: &str| {
            text.lines()
                .filter_map(|line| line.split_once(' '))
                .find_map(|(found, value)| (found == name).then(|| value.to_owned()))
                .with_context(|| format!("no line begins with `{name} `"))
        };
        Ok(Self {
            sources: value("sources")?,
            object: value("object")?,
            compiler: value("compiler")?,
            linker: value("linker")?,
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# Written by `cargo xtask ebpf`, which docs/building.md explains."
        )?;
        writeln!(f, "sources {}", self.sources)?;
        writeln!(f, "object {}", self.object)?;
        writeln!(f, "compiler {}", self.compiler)?;
        writeln!(f, "linker {}", self.linker)
    }
}

/// The SHA-256 of `content` in hexadecimal digits.
pub(super) fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

/// `bytes` in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let digest = Digest {
            sources: sha256(b"sources"),
            object: sha256(b"object"),
            compiler: "rustc 1.96.0 (built somewhere)".to_owned(),
            linker: "bpf-linker 0.13.0".to_owned(),
        };
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
    }

    #[test]
    fn a_missing_line_is_named() {
        let err = "sources 00\nobject 00\n".parse::<Digest>().unwrap_err();
        assert_eq!(err.to_string(), "no line begins with `compiler `");
    }
}
