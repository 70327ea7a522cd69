//! The token for changing rules over the API: from a file, or made at start.

use std::{fmt::Write as _, fs::File, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, anyhow};
use netweir_web::Token;
use rustix::{
    io::Errno,
    rand::{GetRandomFlags, getrandom},
};

use crate::config::file::read_some;

/// Bytes of chance in a token that is made here: nobody guesses 128 bits.
const RANDOM_BYTES: usize = 16;
/// Who may read a file that others may read too.
const OTHERS: u32 = 0o007;

/// Reads the token of a file.
///
/// # Errors
/// The file cannot be read, or what stands in it is no token.
pub(crate) fn read(path: &Path) -> anyhow::Result<Token> {
    let name = path.display();
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.permissions(), file)));
    let (permissions, file) =
        opened.with_context(|| format!("cannot read the token of the API {name}"))?;
    if permissions.mode() & OTHERS != 0 {
        tracing::warn!(
            file = %name,
            "everybody on this host may read the token of the API: chmod 600 keeps it from them"
        );
    }
    let text = read_some(file, 1 << 20)
        .with_context(|| format!("cannot read the token of the API {name}"))?;
    Token::new(&text).map_err(|error| anyhow!(error).context(format!("api.token_file {name}")))
}

/// A token that nobody can guess, as hexadecimal digits.
///
/// # Errors
/// The kernel gives no random numbers.
pub(crate) fn random() -> anyhow::Result<String> {
    let mut bytes = [0; RANDOM_BYTES];
    // So few bytes come whole (getrandom(2)); a signal may come before.
    let filled = loop {
        match getrandom(&mut bytes, GetRandomFlags::empty()) {
            Err(Errno::INTR) => {}
            other => break other.context("cannot make a token")?,
        }
    };
    anyhow::ensure!(
        filled == RANDOM_BYTES,
        "the kernel gave {filled} random bytes"
    );
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _written = write!(text, "{byte:02x}");
        text
    }))
}
