//! The JA4 fingerprint of a client, as FoxIO describes it in `technical_details/JA4.md` of its
//! repository `ja4`. JA4 itself is free to use (BSD-3-Clause); the others of its family are not, and
//! are not here.

use super::{
    ClientHello,
    hello::{extension, is_grease},
};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// What stands for a list without entries.
const EMPTY: &str = "000000000000";
/// Hexadecimal digits of a hash.
const HASH_DIGITS: usize = 12;

/// The JA4 fingerprint of a client that speaks QUIC, such as `q13d0310h3_55b375c5d22e_cd85d2d88918`.
pub fn ja4(hello: &ClientHello) -> String {
    let ciphers = without_grease(&hello.cipher_suites);
    let extensions = without_grease(&hello.extensions);
    let server = match extensions.contains(&extension::SERVER_NAME) {
        true => 'd',
        false => 'i',
    };
    format!(
        "q{}{server}{:02}{:02}{}_{}_{}",
        version(hello),
        ciphers.len().min(99),
        extensions.len().min(99),
        alpn(hello),
        cipher_hash(ciphers),
        extension_hash(extensions, &without_grease(&hello.signature_algorithms)),
    )
}

fn without_grease(numbers: &[u16]) -> Vec<u16> {
    let numbers = numbers.iter().copied();
    numbers.filter(|&number| !is_grease(number)).collect()
}

fn version(hello: &ClientHello) -> &'static str {
    let supported = without_grease(&hello.supported_versions);
    match supported.into_iter().max().unwrap_or(hello.legacy_version) {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    }
}

/// The first and the last character of the first protocol.
fn alpn(hello: &ClientHello) -> String {
    let names = hello.alpn.iter();
    let mut names = names.filter(|name| match name[..] {
        [upper, lower] => !is_grease(u16::from_be_bytes([upper, lower])),
        _ => true,
    });
    let Some([first, .., last]) = names.next().map(|name| match name[..] {
        [only] => [only, only],
        [first, .., last] => [first, last],
        [] => [0, 0],
    }) else {
        return "00".to_owned();
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        [first, last].map(char::from).iter().collect()
    } else {
        // The first digit of the first byte and the last digit of the last one; so an empty name
        // has two zeros, as it should.
        format!("{:x}{:x}", first >> 4, last & 0x0f)
    }
}

fn cipher_hash(mut ciphers: Vec<u16>) -> String {
    if ciphers.is_empty() {
        return EMPTY.to_owned();
    }
    ciphers.sort_unstable();
    hash(&list(&ciphers))
}

fn extension_hash(mut extensions: Vec<u16>, signature_algorithms: &[u16]) -> String {
    extensions.retain(|number| !matches!(*number, extension::SERVER_NAME | extension::ALPN));
    if extensions.is_empty() {
        return EMPTY.to_owned();
    }
    extensions.sort_unstable();
    let mut text = list(&extensions);
    if !signature_algorithms.is_empty() {
        text += "_";
        text += &list(signature_algorithms);
    }
    hash(&text)
}

/// Four digits each, with commas between them.
fn list(numbers: &[u16]) -> String {
    let numbers: Vec<_> = numbers
        .iter()
        .map(|number| format!("{number:04x}"))
        .collect();
    numbers.join(",")
}

fn hash(text: &str) -> String {
    let digest = Sha256::digest(text);
    let mut digits = String::new();
    for byte in &digest[..HASH_DIGITS / 2] {
        write!(digits, "{byte:02x}").expect("a string takes all that is written");
    }
    digits
}
