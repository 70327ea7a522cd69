//! Kernel objects with a defect, for what sound ones never do, and the maps that a load of one uses.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, with its line")]

use std::os::fd::{AsFd, OwnedFd};

use aya::{
    maps::MapInfo,
    programs::{ProgramInfo, SchedClassifier},
};
use netweir_agent::attach::Object;
use netweir_wire::map::{CacheEntry, FlowKey, FlowValue};

use crate::Program;

static OBJECT: &[u8] = include_bytes!("../../kernel/netweir.bpf.o");

/// Bytes of an instruction.
const INSTRUCTION: usize = 8;

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
        let words = |[kind, flags]: [u32; 2]| {
            let (key, value) = (size_of::<FlowKey>(), size_of::<FlowValue>());
            // Kind, key, value, entries, flags, as `struct bpf_map_def` has them.
            let words = [kind, key as u32, value as u32, 65_536, flags];
            words.map(u32::to_le_bytes).concat()
        };
        let replaced = replace(&mut object, &words([1, 0]), &words(self.definition()));
        assert_eq!(replaced, 2, "one map for even epochs, one for odd ones");
        object
    }
}

/// The object with programs that put entries of another length into the ring buffer.
///
/// # Panics
/// The object is laid out in another way.
pub fn object_with_ring_entries_of(bytes: u32) -> Vec<u8> {
    let mut object = OBJECT.to_vec();
    let call = |bytes: u32| {
        // The third argument is the length, the fourth says not to wake; 130 is
        // `bpf_ringbuf_output`.
        let instructions = [(0xb7, 3, bytes), (0xb7, 4, 1), (0x85, 0, 130)];
        let instruction = |(code, register, number): (u8, u8, u32)| {
            let mut instruction = [code, register, 0, 0, 0, 0, 0, 0];
            instruction[4..].copy_from_slice(&number.to_le_bytes());
            instruction
        };
        instructions.map(instruction).concat()
    };
    let sound = call(size_of::<CacheEntry>() as u32);
    assert_ne!(replace(&mut object, &sound, &call(bytes)), 0);
    object
}

/// Replaces every occurrence; says how many there were.
fn replace(object: &mut [u8], sound: &[u8], defect: &[u8]) -> usize {
    assert_eq!(sound.len() % (INSTRUCTION / 2), 0);
    let mut replaced = 0;
    for place in (0..object.len() - sound.len()).step_by(INSTRUCTION / 2) {
        if object[place..].starts_with(sound) {
            object[place..place + sound.len()].copy_from_slice(defect);
            replaced += 1;
        }
    }
    replaced
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
        let program: ProgramInfo = program.info().unwrap();
        let numbers = program.map_ids().unwrap().unwrap();
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
