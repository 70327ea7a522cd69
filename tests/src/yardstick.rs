//! What Netweir's programs are compared with: the second kernel object, `kernel/bench`.
//!
//! Its names and layouts are spelled here and there alone.

use std::time::Duration;

use anyhow::Context;
use aya::{
    Ebpf, EbpfLoader, include_bytes_aligned,
    maps::{Array, HashMap, Map, PerCpuArray, PerCpuValues, ProgramArray},
    programs::{ProgramFd, SchedClassifier, Xdp},
    util::nr_cpus,
};
use netweir_agent::attach::Object;

use crate::{Entry, Pinned, Program};

static OBJECT: &[u8] = include_bytes_aligned!("../../kernel/bench.bpf.o");

const FLOWS: &str = "PLAIN_FLOWS";
const SEQUENCE: &str = "SEQUENCE";
const SEQUENCE_LENGTH: &str = "SEQUENCE_LENGTH";
const POSITION: &str = "POSITION";

/// Numbers in an entry of the map of the sequence.
const BLOCK_NUMBERS: usize = 1024;
/// Bytes of the key of a flow, and of its counters, of which the packets come first.
const KEY_BYTES: usize = 40;
const COUNTERS_WORDS: usize = 5;

impl Program {
    /// Does nothing at XDP.
    pub const EMPTY_XDP: Self = Self {
        name: "bench_empty_xdp",
        ..Self::XDP
    };
    /// Does nothing at TC.
    pub const EMPTY_TC: Self = Self {
        name: "bench_empty_tc",
        ..Self::TC_INGRESS
    };
    /// Counts flows as the usual agents do, at XDP.
    pub const PLAIN_XDP: Self = Self {
        name: "bench_plain_xdp",
        ..Self::XDP
    };
    /// Counts flows as the usual agents do, at TC.
    pub const PLAIN_TC: Self = Self {
        name: "bench_plain_tc",
        ..Self::TC_INGRESS
    };

    /// What makes the flows for programs like this one.
    const fn mixer(self) -> Self {
        let name = match self.entry {
            Entry::Xdp => "bench_mix_xdp",
            Entry::Tc => "bench_mix_tc",
        };
        Self { name, ..self }
    }
}

/// A loaded object whose programs can be run and attached.
pub trait Programs {
    /// A program of XDP, loaded.
    ///
    /// # Errors
    /// There is none of that name, or the kernel refuses it.
    fn xdp(&mut self, name: &'static str) -> anyhow::Result<&mut Xdp>;

    /// A program of TC, loaded.
    ///
    /// # Errors
    /// As of [`Self::xdp`].
    fn tc(&mut self, name: &'static str) -> anyhow::Result<&mut SchedClassifier>;
}

impl Programs for Object {
    fn xdp(&mut self, name: &'static str) -> anyhow::Result<&mut Xdp> {
        Ok(self.program(name, Xdp::load)?)
    }

    fn tc(&mut self, name: &'static str) -> anyhow::Result<&mut SchedClassifier> {
        Ok(self.program(name, SchedClassifier::load)?)
    }
}

/// The second object, loaded.
pub struct Yardstick {
    ebpf: Ebpf,
}

impl Yardstick {
    /// Loads it with room for so many flows of the plain program.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn new(flows: u32) -> anyhow::Result<Self> {
        Self::with_sequence(flows, &[0])
    }

    /// As [`Self::new`], with the numbers of the flows that packets are made into.
    ///
    /// # Errors
    /// As of [`Self::new`].
    pub fn with_sequence(flows: u32, sequence: &[u32]) -> anyhow::Result<Self> {
        let length = u32::try_from(sequence.len()).context("the sequence is too long")?;
        let blocks = length.div_ceil(BLOCK_NUMBERS as u32);
        let ebpf = EbpfLoader::new()
            .override_global(SEQUENCE_LENGTH, &length, true)
            .map_max_entries(FLOWS, flows)
            .map_max_entries(SEQUENCE, blocks)
            .load(OBJECT)?;
        let mut yardstick = Self { ebpf };
        let map = yardstick.map(SEQUENCE)?;
        let mut map: Array<_, [u32; BLOCK_NUMBERS]> = map.try_into()?;
        for (index, numbers) in (0..blocks).zip(sequence.chunks(BLOCK_NUMBERS)) {
            let mut block = [0; BLOCK_NUMBERS];
            block[..numbers.len()].copy_from_slice(numbers);
            map.set(index, block, 0)?;
        }
        Ok(yardstick)
    }

    pub(crate) fn map(&mut self, name: &'static str) -> anyhow::Result<&mut Map> {
        let map = self.ebpf.map_mut(name);
        map.with_context(|| format!("the object has no map {name}"))
    }

    /// Runs a program over a frame that is made into the next flow of the sequence each time, from
    /// its beginning on, and says how long one run took.
    ///
    /// # Errors
    /// The kernel takes no such frame.
    pub fn mix(&mut self, target: &Target, frame: &[u8], times: u32) -> anyhow::Result<Duration> {
        let Target { program, file } = target;
        let mixer = program.mixer();
        // Loaded before the map has an entry: the first program says which kind may be in it.
        match program.entry {
            Entry::Xdp => drop(self.xdp(mixer.name)?),
            Entry::Tc => drop(self.tc(mixer.name)?),
        }
        let targets = match program.entry {
            Entry::Xdp => "TARGET_XDP",
            Entry::Tc => "TARGET_TC",
        };
        let mut targets: ProgramArray<_> = self.map(targets)?.try_into()?;
        targets.set(0, file, 0)?;
        let mut position: PerCpuArray<_, u32> = self.map(POSITION)?.try_into()?;
        position.set(
            0,
            PerCpuValues::try_from(vec![0; nr_cpus().map_err(|(_, error)| error)?])?,
            0,
        )?;
        // The position is one of the CPU's.
        let _pinned = Pinned::to_one_cpu()?;
        mixer.run(self, frame, times)
    }

    /// How many flows the plain program has, and how many packets are in them.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn counted(&mut self) -> anyhow::Result<(u64, u64)> {
        let map = self.map(FLOWS)?;
        let map: HashMap<_, [u8; KEY_BYTES], [u64; COUNTERS_WORDS]> = map.try_into()?;
        map.iter().try_fold((0, 0), |(flows, packets), entry| {
            let (_, counters) = entry?;
            Ok((flows + 1, packets + counters[0]))
        })
    }
}

impl Programs for Yardstick {
    fn xdp(&mut self, name: &'static str) -> anyhow::Result<&mut Xdp> {
        let program = self.ebpf.program_mut(name);
        let program = program.with_context(|| format!("the object has no program {name}"))?;
        let program: &mut Xdp = program.try_into()?;
        if program.fd().is_err() {
            program.load()?;
        }
        Ok(program)
    }

    fn tc(&mut self, name: &'static str) -> anyhow::Result<&mut SchedClassifier> {
        let program = self.ebpf.program_mut(name);
        let program = program.with_context(|| format!("the object has no program {name}"))?;
        let program: &mut SchedClassifier = program.try_into()?;
        if program.fd().is_err() {
            program.load()?;
        }
        Ok(program)
    }
}

/// A program that [`Yardstick::mix`] makes flows for.
pub struct Target {
    program: Program,
    file: ProgramFd,
}

impl Target {
    /// A program of any object.
    ///
    /// # Errors
    /// As of [`Programs::xdp`].
    pub fn new(programs: &mut impl Programs, program: Program) -> anyhow::Result<Self> {
        let file = match program.entry {
            Entry::Xdp => programs.xdp(program.name)?.fd()?.try_clone()?,
            Entry::Tc => programs.tc(program.name)?.fd()?.try_clone()?,
        };
        Ok(Self { program, file })
    }
}
