//! Opens Initial packets (RFC 9001 section 5, RFC 9369 section 3.3).
//!
//! Their keys follow from the connection ID that the client chose for the server, so that whoever
//! saw the client's first packet can open those of both sides. After a Retry that connection ID is
//! the one that the server chose in it (RFC 9001 section 5.2). AES and SHA-256 are those of
//! RustCrypto, which are pure Rust and use the processor's instructions where it has them.

use super::version::Protection;
use aes_gcm::{
    Aes128Gcm, Nonce,
    aead::AeadInOut,
    aes::{
        Aes128,
        cipher::{BlockCipherEncrypt, KeyInit},
    },
};
use hkdf::Hkdf;
use netweir_wire::packet::quic::{Body, LongView, Version};
use sha2::Sha256;
use thiserror::Error;

/// Bytes of the AEAD's tag (RFC 9001 section 5.3).
const TAG_BYTES: usize = 16;
/// Bytes of the sample for header protection (RFC 9001 section 5.4.2).
const SAMPLE_BYTES: usize = 16;
/// The longest packet number: the sample is taken as if it had this length.
const MAX_PACKET_NUMBER_BYTES: usize = 4;

/// Which side sent a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sender {
    /// The side that opened the connection.
    Client,
    /// The side that was connected to.
    Server,
}

/// The keys of the Initials of one connection, as many as it has.
///
/// They are kept as short as they come, and are expanded for each packet: that takes less time than
/// opening it, and many connections can be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialKeys {
    client: Keys,
    server: Keys,
}

/// The keys of one direction (RFC 9001 section 5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Keys {
    key: [u8; 16],
    iv: [u8; 12],
    header: [u8; 16],
}

/// What was in an Initial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The packet number, in full.
    pub packet_number: u64,
    /// The frames: see [`super::Frames`].
    pub payload: Vec<u8>,
}

/// Why an Initial could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// It is a packet of another type.
    #[error("the packet is no initial")]
    NotInitial,
    /// It has not even room for packet number, sample and tag.
    #[error("an initial of {bytes} protected bytes is too short")]
    TooShort {
        /// Bytes from the packet number on.
        bytes: usize,
    },
    /// It was not made with these keys, or was changed on its way.
    #[error("the initial is not authentic")]
    NotAuthentic,
}

impl InitialKeys {
    /// Derives the keys from the destination connection ID of the client's first Initial, or of its
    /// first one after a Retry; `None` where [`super::can_open_initials`] says no.
    pub fn new(version: Version, client_dcid: &[u8]) -> Option<Self> {
        let protection = Protection::of(version)?;
        let initial = Hkdf::<Sha256>::new(Some(&protection.salt), client_dcid);
        Some(Self {
            client: Keys::new(&initial, b"client in", protection),
            server: Keys::new(&initial, b"server in", protection),
        })
    }

    /// Opens an Initial that `sender` sent.
    ///
    /// `expected` is the packet number that comes next: one more than the highest that this sender
    /// sent in its Initials so far, 0 at first. It says what the bytes are that a packet number is
    /// written without (RFC 9000 section 17.1).
    ///
    /// # Errors
    /// Says why the packet could not be opened; those that come after it may well be.
    pub fn open(
        &self,
        sender: Sender,
        packet: &LongView<'_>,
        expected: u64,
    ) -> Result<Opened, OpenError> {
        let Body::Initial { protected, .. } = packet.body else {
            return Err(OpenError::NotInitial);
        };
        let keys = match sender {
            Sender::Client => &self.client,
            Sender::Server => &self.server,
        };
        keys.open(packet.bytes, protected.offset, expected)
    }
}

impl Keys {
    fn new(initial: &Hkdf<Sha256>, label: &[u8], protection: &Protection) -> Self {
        let secret: [u8; 32] = expand_label(initial, label);
        let secret = Hkdf::<Sha256>::from_prk(&secret)
            .expect("a secret is as long as the hash that made it");
        let labels = protection.labels;
        Self {
            key: expand_label(&secret, labels.key),
            iv: expand_label(&secret, labels.iv),
            header: expand_label(&secret, labels.header),
        }
    }

    fn open(&self, packet: &[u8], offset: usize, expected: u64) -> Result<Opened, OpenError> {
        let (header, protected) = packet.split_at_checked(offset).unwrap_or_default();
        let bytes = protected.len();
        let sample = protected.get(MAX_PACKET_NUMBER_BYTES..).unwrap_or_default();
        let sample: &[u8; SAMPLE_BYTES] =
            sample.first_chunk().ok_or(OpenError::TooShort { bytes })?;
        let mask = self.mask(*sample);

        let mut header = header.to_vec();
        let first = header.first_mut().ok_or(OpenError::NotInitial)?;
        *first ^= mask[0] & 0x0f;
        let number_bytes = usize::from(*first & 0x03) + 1;
        let (number, sealed) = protected.split_at(number_bytes);
        let number: Vec<u8> = number
            .iter()
            .zip(&mask[1..])
            .map(|(byte, mask)| byte ^ mask)
            .collect();
        header.extend(&number);
        let packet_number = expand_packet_number(&number, expected);

        let (sealed, tag) = sealed
            .split_last_chunk::<TAG_BYTES>()
            .ok_or(OpenError::TooShort { bytes })?;
        let mut payload = sealed.to_vec();
        Aes128Gcm::new(&self.key.into())
            .decrypt_inout_detached(
                &self.nonce(packet_number),
                &header,
                payload.as_mut_slice().into(),
                &(*tag).into(),
            )
            .map_err(|_| OpenError::NotAuthentic)?;
        Ok(Opened {
            packet_number,
            payload,
        })
    }

    /// The mask of first byte and packet number (RFC 9001 section 5.4.3).
    fn mask(&self, sample: [u8; SAMPLE_BYTES]) -> [u8; SAMPLE_BYTES] {
        let mut block = sample.into();
        Aes128::new(&self.header.into()).encrypt_block(&mut block);
        block.into()
    }

    /// RFC 9001 section 5.3.
    fn nonce(&self, packet_number: u64) -> Nonce<aes_gcm::aead::consts::U12> {
        let mut nonce = self.iv;
        for (byte, number) in nonce[4..].iter_mut().zip(packet_number.to_be_bytes()) {
            *byte ^= number;
        }
        nonce.into()
    }
}

/// HKDF-Expand-Label with an empty context (RFC 8446 section 7.1).
fn expand_label<const N: usize>(secret: &Hkdf<Sha256>, label: &[u8]) -> [u8; N] {
    const PREFIX: &[u8] = b"tls13 ";
    let length = (N as u16).to_be_bytes();
    let label_length = [(PREFIX.len() + label.len()) as u8];
    let mut output = [0; N];
    secret
        .expand_multi_info(&[&length, &label_length, PREFIX, label, &[0]], &mut output)
        .expect("keys are shorter than 255 hashes");
    output
}

/// The packet number nearest to the expected one that ends with these bytes (RFC 9000 appendix A.3).
fn expand_packet_number(bytes: &[u8], expected: u64) -> u64 {
    let truncated = bytes
        .iter()
        .fold(0, |number, &byte| number << 8 | u64::from(byte));
    let window = 1_u64 << (8 * bytes.len());
    let half = window / 2;
    let expected = expected.min(1 << 62);
    let candidate = expected & !(window - 1) | truncated;
    if candidate + half <= expected && candidate < (1 << 62) - window {
        candidate + window
    } else if candidate > expected + half && candidate >= window {
        candidate - window
    } else {
        candidate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quic::version::hex;

    /// draft-ietf-quic-tls-22 A.3: its packets are still those of draft-21, whose header is older
    /// than RFC 8999 and whose salt is the same.
    const PACKET: &str = "\
        caff00001505f067a5502a4262b5004074d74b7e486176fa3b713f272a9bf03ee28d3c8addb4e805\
        b3a110b663122a75eee93c9177ac6b7a6b548e15a7b8f88465e9eab253a760779b2e6a2c574882b4\
        8d3a3eed696e50d04d5ec59af85261e4cdbe264bd65f2b076760c69beef23aa714c9a174d69034c0\
        9a2863e1e18635088d4afdeab9";

    fn keys(version: Version) -> InitialKeys {
        let dcid: [u8; 8] = hex("8394c8f03e515708");
        InitialKeys::new(version, &dcid).expect("the version can be opened")
    }

    fn of_hex(key: &str, iv: &str, header: &str) -> Keys {
        Keys {
            key: hex(key),
            iv: hex(iv),
            header: hex(header),
        }
    }

    #[test]
    fn the_keys_of_rfc_9001_appendix_a_1() {
        let expected = InitialKeys {
            client: of_hex(
                "1f369613dd76d5467730efcbe3b1a22d",
                "fa044b2f42a3fd3b46fb255c",
                "9f50449e04a0e810283a1e9933adedd2",
            ),
            server: of_hex(
                "cf3a5331653c364c88f0f379b6067e37",
                "0ac1493ca1905853b0bba03e",
                "c206b8d9b9f0f37644430b490eeaa314",
            ),
        };
        assert_eq!(keys(Version::V1), expected);
    }

    #[test]
    fn the_keys_of_rfc_9369_appendix_a_1() {
        let expected = InitialKeys {
            client: of_hex(
                "8b1a0bc121284290a29e0971b5cd045d",
                "91f73e2351d8fa91660e909f",
                "45b95e15235d6f45a6b19cbcb0294ba9",
            ),
            server: of_hex(
                "82db637861d55e1d011f19ea71d5d2a7",
                "dd13c276499c0249d3310652",
                "edf6d05c83121201b436e16877593c3a",
            ),
        };
        assert_eq!(keys(Version::V2), expected);
    }

    #[test]
    fn the_salt_of_draft_22() {
        let packet: [u8; 133] = hex(PACKET);
        let keys = keys(Version::draft(22));
        let opened = keys.server.open(&packet, 17, 0).unwrap();
        assert_eq!(opened.packet_number, 1);
    }
}
