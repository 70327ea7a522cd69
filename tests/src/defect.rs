//! Kernel objects with a defect, for what sound ones never do, and the maps that a load of one uses.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, with its line")]

use std::os::fd::{AsFd, OwnedFd};

use aya::{maps::MapInfo, programs::SchedClassifier};
use netweir_agent::attach::Object;
use netweir_wire::map::{CacheEntry, FlowKey, FlowValue, QUIC_CAPTURED_BYTES, QuicEvent};

use crate::Program;

static OBJECT: &[u8] = include_bytes!("../../kernel/netweir.bpf.o");

/// What the kernel is to make of the two flow maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowMaps {
    /// Hashes that user space can read, and only programs can write (`BPF_F_RDONLY`).
    ReadOnly,
    /// Tries for longest prefixes (`BPF_MAP_TYPE_LPM_TRIE`), to which a key begins with a number of
    /// bits: where that is greater than the key is long, nothing is found and nothing can be put in
    /// (`EINVAL`).
    Tries,
}

impl FlowMaps {
    /// Kind and flags of a map.
    const fn definition(self) -> [u32; 2] {
        match self {
            Self::ReadOnly => [1, 1 << 3],
            // Such a map has to be one without preallocation (`BPF_F_NO_PREALLOC`).
            Self::Tries => [11, 1],
        }
    }

    /// The object with flow maps of this kind.
    ///
    /// # Panics
    /// The object is laid out in another way.
    pub fn object(self) -> Vec<u8> {
        let mut object = OBJECT.to_vec();
        let definition = |[kind, flags]: [u32; 2]| {
            let (key, value) = (size_of::<FlowKey>(), size_of::<FlowValue>());
            // Kind, key, value, entries, flags, as `struct bpf_map_def` has them.
            let words = [kind, key as u32, value as u32, 65_536, flags];
            words.map(u32::to_le_bytes).concat()
        };
        let (sound, defect) = (definition([1, 0]), definition(self.definition()));
        // One map for even epochs, one for odd ones.
        for _ in 0..2 {
            let mut windows = object.windows(sound.len());
            let place = windows.position(|window| window == sound).unwrap();
            object[place..place + defect.len()].copy_from_slice(&defect);
        }
        object
    }
}

/// The object with programs that put entries of another length into the ring buffer.
///
/// # Panics
/// The object is laid out in another way.
pub fn object_with_ring_entries_of(bytes: u32) -> Vec<u8> {
    /// A call of `bpf_ringbuf_output`.
    const CALL: [u8; 8] = [0x85, 0, 0, 0, 130, 0, 0, 0];
    /// Instructions in front of it that set its arguments.
    const ARGUMENTS: usize = 8;
    let length = |bytes: u32| {
        // To the register of the third argument.
        let [a, b, c, d] = bytes.to_le_bytes();
        [0xb7, 3, 0, 0, a, b, c, d]
    };
    let sound = length(size_of::<CacheEntry>() as u32);
    let mut object = OBJECT.to_vec();
    let (instructions, _) = object.as_chunks_mut::<8>();
    let mut replaced = 0;
    for call in ARGUMENTS..instructions.len() {
        if instructions[call] != CALL {
            continue;
        }
        let arguments = instructions[call - ARGUMENTS..call].iter_mut();
        for instruction in arguments.filter(|instruction| **instruction == sound) {
            *instruction = length(bytes);
            replaced += 1;
        }
    }
    assert_ne!(replaced, 0, "no program puts entries into the ring buffer");
    object
}

/// The object with programs that cut the events of QUIC: the head has so many bytes, and behind it stand
/// no more than `most` of a datagram, a power of two less one. What the events say is what sound ones say.
///
/// # Panics
/// The object is laid out in another way.
pub fn object_with_cut_quic_events(head: u32, most: u32) -> Vec<u8> {
    /// `BPF_ALU64 | BPF_AND | BPF_K`, of the bytes that follow.
    const AND: u8 = 0x57;
    /// `BPF_ALU64 | BPF_ADD | BPF_K`, of the head's.
    const ADD: u8 = 0x07;
    let instruction = |code: u8, register: u8, number: u32| {
        let [a, b, c, d] = number.to_le_bytes();
        [code, register, 0, 0, a, b, c, d]
    };
    let mut object = OBJECT.to_vec();
    let (instructions, _) = object.as_chunks_mut::<8>();
    let mut replaced = 0;
    for place in 1..instructions.len() {
        let [masked, added] = &mut instructions[place - 1..=place] else {
            continue;
        };
        let register = added[1];
        let sound = [
            instruction(AND, register, QUIC_CAPTURED_BYTES as u32),
            instruction(ADD, register, size_of::<QuicEvent>() as u32),
        ];
        if [*masked, *added] == sound {
            *masked = instruction(AND, register, most);
            *added = instruction(ADD, register, head);
            replaced += 1;
        }
    }
    assert_ne!(replaced, 0, "no program tells of QUIC");
    object
}

/// Maps that a program uses, each with a new descriptor that reads and writes.
pub struct UsedMaps(Vec<(String, MapInfo)>);

impl UsedMaps {
    /// Those of a TC program.
    ///
    /// # Panics
    /// The kernel does not take the program.
    pub fn of(object: &mut Object, program: Program) -> Self {
        let program = object.program(program.name, SchedClassifier::load).unwrap();
        let numbers = program.info().unwrap().map_ids().unwrap().unwrap();
        let used = numbers.into_iter().map(|number| {
            let map = MapInfo::from_id(number).unwrap();
            (map.name_as_str().unwrap().to_owned(), map)
        });
        Self(used.collect())
    }

    /// A descriptor of the map of that name.
    ///
    /// # Panics
    /// The program uses none of that name.
    pub fn descriptor(&self, name: &str) -> OwnedFd {
        let found = self.0.iter().find(|(of, _)| of == name);
        let (_, map) = found.expect(name);
        map.fd().unwrap().as_fd().try_clone_to_owned().unwrap()
    }
}
