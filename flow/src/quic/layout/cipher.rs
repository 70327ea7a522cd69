//! What QUIC-LB encrypts: server ID and nonce, by AES-128 (draft-ietf-quic-load-balancers section 5).

use super::{MAX_CID_BYTES, QuicLb};
use aes::{
    Aes128,
    cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit},
};

/// The length at which server ID and nonce are one block of AES.
const BLOCK_BYTES: usize = 16;

/// Decrypts connection IDs of one configuration.
pub(super) struct Cipher {
    aes: Aes128,
    /// Bytes of server ID and nonce together, 5 to 19.
    text_bytes: usize,
}

impl Cipher {
    /// None if the configuration has no key. Its lengths have been checked.
    pub(super) fn new(quic_lb: &QuicLb) -> Option<Self> {
        let key = quic_lb.key.as_ref()?;
        Some(Self {
            aes: Aes128::new(&Array::from(key.0)),
            text_bytes: usize::from(quic_lb.text_bytes()).min(MAX_CID_BYTES - 1),
        })
    }

    /// Puts server ID and nonce into the place of their ciphertext, behind the first byte.
    pub(super) fn decrypt(&self, cid: &mut [u8; MAX_CID_BYTES]) {
        let text = &mut cid[1..=self.text_bytes];
        if let Ok(block) = <[u8; BLOCK_BYTES]>::try_from(&*text) {
            let mut block = Array::from(block);
            self.aes.decrypt_block(&mut block);
            text.copy_from_slice(&block);
        } else {
            self.mix(text, [4, 3, 2, 1]);
        }
    }

    /// The Feistel network of four passes: in this order it decrypts, the other way round it
    /// encrypts.
    fn mix(&self, text: &mut [u8], passes: [u8; 4]) {
        let mut halves = Halves::of(text);
        for pass in passes {
            if pass % 2 == 0 {
                self.pass(pass, halves.right, &mut halves.left);
            } else {
                self.pass(pass, halves.left, &mut halves.right);
            }
            halves.cut();
        }
        halves.join(text);
    }

    fn pass(&self, pass: u8, from: [u8; BLOCK_BYTES], into: &mut [u8; BLOCK_BYTES]) {
        let mut block = from;
        block[14] = self.text_bytes as u8;
        block[15] = pass;
        let mut block = Array::from(block);
        self.aes.encrypt_block(&mut block);
        for (byte, mask) in into.iter_mut().zip(block) {
            *byte ^= mask;
        }
    }
}

/// A text as two halves, each at the head of a block. Of an odd number of bytes, the middle one is
/// split: its high bits end the left half, its low bits begin the right one.
struct Halves {
    left: [u8; BLOCK_BYTES],
    right: [u8; BLOCK_BYTES],
    /// Bytes of a half, 3 to 10.
    bytes: usize,
    is_odd: bool,
}

impl Halves {
    fn of(text: &[u8]) -> Self {
        let bytes = text.len().div_ceil(2);
        let [mut left, mut right] = [[0; BLOCK_BYTES]; 2];
        left[..bytes].copy_from_slice(&text[..bytes]);
        right[..bytes].copy_from_slice(&text[text.len() - bytes..]);
        let mut halves = Self {
            left,
            right,
            bytes,
            is_odd: text.len() % 2 == 1,
        };
        halves.cut();
        halves
    }

    /// Clears what is not of a half.
    fn cut(&mut self) {
        self.left[self.bytes..].fill(0);
        self.right[self.bytes..].fill(0);
        if self.is_odd {
            self.left[self.bytes - 1] &= 0xf0;
            self.right[0] &= 0x0f;
        }
    }

    fn join(&self, text: &mut [u8]) {
        let second = text.len() - self.bytes;
        text[second..].copy_from_slice(&self.right[..self.bytes]);
        let left = &self.left[..self.bytes];
        if self.is_odd {
            let middle = left[self.bytes - 1] | self.right[0];
            text[..self.bytes].copy_from_slice(left);
            text[second] = middle;
        } else {
            text[..self.bytes].copy_from_slice(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Key, Cipher, MAX_CID_BYTES, QuicLb};

    fn cipher(server_id_bytes: u8, nonce_bytes: u8) -> Cipher {
        let quic_lb = QuicLb {
            rotation_bits: 3,
            config_id: 0,
            server_id_bytes,
            nonce_bytes,
            key: Some(Key(*b"sixteen bytes it")),
        };
        Cipher::new(&quic_lb).unwrap()
    }

    #[test]
    fn four_passes_are_undone_at_every_length_and_touch_nothing_else() {
        for nonce_bytes in 4..=18 {
            let cipher = cipher(1, nonce_bytes);
            let text_bytes = cipher.text_bytes;
            let plain: [u8; MAX_CID_BYTES] = std::array::from_fn(|place| place as u8 ^ 0xa5);
            let mut cid = plain;
            cipher.mix(&mut cid[1..=text_bytes], [1, 2, 3, 4]);
            assert_ne!(cid[1..=text_bytes], plain[1..=text_bytes], "{text_bytes}");
            if text_bytes == 16 {
                // Here decrypt() takes the single pass.
                cipher.mix(&mut cid[1..=text_bytes], [4, 3, 2, 1]);
            } else {
                cipher.decrypt(&mut cid);
            }
            assert_eq!(cid, plain, "{text_bytes}");
        }
    }
}
