//! How servers encrypt what their connection IDs name (draft-ietf-quic-load-balancers-21, section 5.4).
//!
//! Written here a second time: nothing of the reader under test is used.

use aes::{
    Aes128,
    cipher::{Array, BlockCipherEncrypt, KeyInit},
};

/// Bytes of a block, and of a key.
const BLOCK_BYTES: usize = 16;

/// Encrypts server ID and nonce in place.
pub(crate) fn encrypt(key: [u8; BLOCK_BYTES], text: &mut [u8]) {
    let aes = Aes128::new(&Array::from(key));
    let cipher = |block: [u8; BLOCK_BYTES]| -> [u8; BLOCK_BYTES] {
        let mut block = Array::from(block);
        aes.encrypt_block(&mut block);
        block.into()
    };
    match <[u8; BLOCK_BYTES]>::try_from(&*text) {
        Ok(block) => text.copy_from_slice(&cipher(block)),
        Err(_) => pass_four_times(cipher, text),
    }
}

/// What has not the length of a block: each half is mixed with what becomes of the other one. They share
/// the middle byte of an odd number, each with four bits.
fn pass_four_times(cipher: impl Fn([u8; BLOCK_BYTES]) -> [u8; BLOCK_BYTES], text: &mut [u8]) {
    let half = text.len().div_ceil(2);
    let second = text.len() - half;
    let (ends, begins) = if half == second {
        (0xff, 0xff)
    } else {
        (0xf0, 0x0f)
    };
    let mut halves = [text[..half].to_vec(), text[second..].to_vec()];
    halves[0][half - 1] &= ends;
    halves[1][0] &= begins;
    for pass in 1..=4_u8 {
        let from = usize::from(pass + 1) % 2;
        let mut block = [0; BLOCK_BYTES];
        block[..half].copy_from_slice(&halves[from]);
        block[14..].copy_from_slice(&[text.len() as u8, pass]);
        for (byte, mask) in halves[1 - from].iter_mut().zip(cipher(block)) {
            *byte ^= mask;
        }
        halves[0][half - 1] &= ends;
        halves[1][0] &= begins;
    }
    text.fill(0);
    for (offset, half) in [0, second].into_iter().zip(&halves) {
        for (byte, bits) in text[offset..].iter_mut().zip(half) {
            *byte |= bits;
        }
    }
}
