//! What the agent writes into the instructions: a program loads a number that stands for it
//! ([`stand_in`]), in assembler, so that the compiler does not calculate with that number.

use core::{arch::asm, hint::assert_unchecked};

use netweir_wire::{
    map::{CacheSeed, KEY_WORDS},
    stand_in,
};

/// A setting of 32 bits.
#[inline(always)]
pub(crate) fn setting<const STAND_IN: u64>() -> u32 {
    let setting: u64;
    // SAFETY: a number is loaded into a register, nothing else. Not `pure`: then the compiler would
    // keep it on the stack, which takes longer than loading it again.
    unsafe {
        asm!("{} = {} ll", out(reg) setting, const STAND_IN, options(nomem, nostack, preserves_flags));
    }
    // SAFETY: the agent puts nothing greater there. This saves clearing the upper half.
    unsafe { assert_unchecked(setting <= u32::MAX as u64) };
    setting as u32
}

/// What the agent puts in the place of a number.
#[inline(always)]
pub(crate) fn loaded<const STAND_IN: u64>() -> u64 {
    let loaded;
    // SAFETY: a number is loaded into a register, nothing else.
    unsafe {
        asm!("{} = {} ll", out(reg) loaded, const STAND_IN, options(pure, nomem, nostack, preserves_flags));
    }
    loaded
}

/// The hash of a key.
#[inline(always)]
pub(crate) fn hash(key: &[u64; KEY_WORDS]) -> u64 {
    const SEED: [u64; KEY_WORDS] = stand_in::CACHE_SEED;
    let words = [
        loaded::<{ SEED[0] }>(),
        loaded::<{ SEED[1] }>(),
        loaded::<{ SEED[2] }>(),
        loaded::<{ SEED[3] }>(),
        loaded::<{ SEED[4] }>(),
        loaded::<{ SEED[5] }>(),
        loaded::<{ SEED[6] }>(),
    ];
    CacheSeed { words }.hash(key)
}

/// A sum that the compiler does not know to be one. Where no bit is set in both it would make an
/// `or` of it, whose greatest value the verifier puts too high.
#[inline(always)]
pub(crate) fn sum(mut one: u64, other: u64) -> u64 {
    // SAFETY: one register is added to another.
    unsafe {
        asm!("{} += {}", inout(reg) one, in(reg) other, options(pure, nomem, nostack));
    }
    one
}

/// A product with a setting, in the order of factors in which older verifiers follow it.
#[inline(always)]
pub(crate) fn times(mut number: u64, setting: u64) -> u64 {
    // SAFETY: one register is multiplied by another.
    unsafe {
        asm!("{} *= {}", inout(reg) number, in(reg) setting, options(pure, nomem, nostack));
    }
    number
}

/// The same number, which was found to be below this limit: of a copy on the stack older verifiers do
/// not know that.
#[inline(always)]
pub(crate) fn below(limit: u64, mut number: u64) -> u64 {
    // SAFETY: a register is compared, and would be set to 0.
    unsafe {
        asm!(
            "if {number} < {limit} goto +1",
            "{number} = 0",
            number = inout(reg) number,
            limit = in(reg) limit,
            options(pure, nomem, nostack),
        );
    }
    number
}

/// The same memory, of whose contents the compiler knows nothing any more: what it had kept in
/// registers and on the stack it reads again. So does the verifier, to which that then is all one.
#[inline(always)]
pub(crate) fn anew<T>(memory: &mut T) -> &mut T {
    let mut place = core::ptr::from_mut(memory);
    // SAFETY: nothing is done.
    unsafe {
        asm!("/* {} */", inout(reg) place, options(nostack, preserves_flags));
        &mut *place
    }
}

/// The lowest bits of a number. The compiler does not know of it: it is for numbers that are small
/// anyway, which the verifier is to see where they are used. (Before Linux 5.15 it knows nothing any
/// more of a number that was kept on the stack meanwhile.)
#[inline(always)]
pub(crate) fn masked<const BITS: u64>(mut number: u64) -> u64 {
    // SAFETY: a register is masked, nothing else.
    unsafe {
        asm!("{} &= {}", inout(reg) number, const BITS, options(pure, nomem, nostack));
    }
    number
}
