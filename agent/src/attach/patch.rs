//! What is written into the object's instructions before it is loaded, in the place of the numbers
//! that stand for it ([`netweir_wire::stand_in`]).

use std::os::fd::{AsRawFd, BorrowedFd};

use netweir_wire::stand_in;

/// An object's bytes; instructions are at multiples of eight in it.
pub(super) struct Patch<'a>(pub(super) &'a mut [u8]);

/// `BPF_LD | BPF_DW | BPF_IMM`.
const LOAD: u8 = 0x18;

/// Bytes of an instruction; one that loads a number of 64 bits takes two.
const INSTRUCTION_BYTES: usize = 8;

/// What is loaded into a register.
#[derive(Clone, Copy, Debug)]
pub(super) enum Loaded<'a> {
    /// A number.
    Number(u64),
    /// The address of the only value of an array.
    AddressOf(BorrowedFd<'a>),
    /// A map itself.
    Map(BorrowedFd<'a>),
}

impl Loaded<'_> {
    /// What is told in the place of the source register, and the two halves.
    fn parts(self) -> (u8, [u32; 2]) {
        /// `BPF_PSEUDO_MAP_FD`.
        const MAP: u8 = 1;
        /// `BPF_PSEUDO_MAP_VALUE`; the second half is an offset within the value.
        const VALUE: u8 = 2;
        match self {
            Self::Number(number) => (0, [number as u32, (number >> 32) as u32]),
            Self::AddressOf(map) => (VALUE, [map.as_raw_fd().cast_unsigned(), 0]),
            Self::Map(map) => (MAP, [map.as_raw_fd().cast_unsigned(), 0]),
        }
    }
}

impl Patch<'_> {
    /// Lets the object load this where it loads the stand-in.
    pub(super) fn load(&mut self, stand_in: u64, loaded: Loaded<'_>) {
        let [low, high] = [stand_in as u32, (stand_in >> 32) as u32].map(u32::to_le_bytes);
        let (pseudo, halves) = loaded.parts();
        let instructions = self.instructions();
        for place in 1..instructions.len() {
            let [first, second] = &mut instructions[place - 1..=place] else {
                continue;
            };
            if first[0] == LOAD && first[4..] == low && second[4..] == high {
                first[1] |= pseudo << 4;
                first[4..].copy_from_slice(&halves[0].to_le_bytes());
                second[4..].copy_from_slice(&halves[1].to_le_bytes());
            }
        }
    }

    /// Lets the object add a number where it adds the stand-in.
    pub(super) fn add(&mut self, stand_in: u64, number: u32) {
        /// `BPF_ALU64 | BPF_ADD | BPF_K`.
        const ADD: u8 = 0x07;
        let stand_in = (stand_in as u32).to_le_bytes();
        for instruction in self.instructions() {
            if instruction[0] == ADD && instruction[4..] == stand_in {
                instruction[4..].copy_from_slice(&number.to_le_bytes());
            }
        }
    }

    /// Lets the object call the kernel's function of this number where it calls the stand-in.
    pub(super) fn call(&mut self, stand_in: u64, function: u32) {
        /// `BPF_JMP | BPF_CALL` of a helper, without registers and offset.
        const HELPER: [u8; 4] = [0x85, 0, 0, 0];
        /// The same of a kernel function: `BPF_PSEUDO_KFUNC_CALL` as the source register.
        const FUNCTION: [u8; 4] = [0x85, 0x20, 0, 0];
        let stand_in = (stand_in as u32).to_le_bytes();
        for instruction in self.instructions() {
            if instruction[..4] == HELPER && instruction[4..] == stand_in {
                instruction[..4].copy_from_slice(&FUNCTION);
                instruction[4..].copy_from_slice(&function.to_le_bytes());
            }
        }
    }

    /// Whether the object loads a stand-in that nothing was put in the place of: then it was built
    /// from other sources, and would take the number for what it stands for.
    pub(super) fn is_incomplete(&mut self) -> bool {
        /// What all stand-ins have in common, in both halves.
        const MARK: u32 = stand_in::DIRECT as u32 >> 16;
        let mut pairs = self.instructions().windows(2);
        pairs.any(|pair| {
            let halves =
                [pair[0], pair[1]].map(|[.., a, b, c, d]| u32::from_le_bytes([a, b, c, d]));
            pair[0][0] == LOAD && halves[0] == halves[1] && halves[0] >> 16 == MARK
        })
    }

    fn instructions(&mut self) -> &mut [[u8; INSTRUCTION_BYTES]] {
        self.0.as_chunks_mut().0
    }
}
