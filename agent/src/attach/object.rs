//! The compiled kernel programs: preparing the object for the running kernel, and loading it.

use aya::{
    Ebpf, EbpfError, EbpfLoader, GlobalData, include_bytes_aligned,
    programs::{ProgramError, ProgramType},
    sys::{BpfHelper, is_helper_supported},
};
use netweir_wire::{map::SkbOffsets, name, version};

use super::{btf::KernelTypes, layout::Layout};
use crate::Error;

/// The object as it is committed; `make build-ebpf` builds it.
static OBJECT: &[u8] = include_bytes_aligned!("../../../kernel/netweir.bpf.o");

/// How large the kernel maps are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapSizes {
    /// Flows that each of the two flow maps can hold between two drains.
    pub flows: u32,
    /// Interfaces, each direction counting as one.
    pub interfaces: u32,
}

/// Bytes that the kernel keeps beside key and value of a hash map's entry.
const ENTRY_OVERHEAD_BYTES: u64 = 48;

impl MapSizes {
    /// Kernel memory in bytes that the maps take, whether they are full or empty.
    pub fn kernel_bytes(self, cpus: u64) -> u64 {
        use netweir_wire::map::{FlowCounters, FlowKey, InterfaceCounters, InterfaceKey};
        let entry = |key: usize, value: usize| {
            (key.next_multiple_of(8) + value.next_multiple_of(8)) as u64 + ENTRY_OVERHEAD_BYTES
        };
        let buckets = |entries: u32| u64::from(entries.next_power_of_two()) * 16;
        let flow = entry(size_of::<FlowKey>(), size_of::<FlowCounters>());
        let interface = entry(size_of::<InterfaceKey>(), 8);
        2 * (u64::from(self.flows) * flow + buckets(self.flows))
            + u64::from(self.interfaces)
                * (interface + cpus * size_of::<InterfaceCounters>() as u64)
            + buckets(self.interfaces)
    }
}

/// Which packets a load of the object is for.
pub enum Purpose {
    /// TC and XDP on interfaces of the namespace with this inode number.
    Interfaces {
        /// Inode number of the namespace.
        netns: u32,
    },
    /// The tracepoints, for every interface or for those that are watched.
    Tracepoints {
        /// Whether every interface of every namespace is counted.
        any: bool,
    },
}

/// A loaded object: its maps exist, its programs are loaded when they are first attached.
pub struct Object {
    pub(crate) ebpf: Ebpf,
    /// Whether the programs that read paged data can be loaded.
    pub(super) paged: bool,
}

impl Object {
    /// Creates the maps and prepares the programs.
    ///
    /// # Errors
    /// [`Error::Load`] and [`Error::NotPermitted`] where the kernel refuses, [`Error::Btf`] where
    /// the tracepoints lack what they need.
    pub fn load(purpose: &Purpose, sizes: MapSizes) -> Result<Self, Error> {
        Self::load_from(OBJECT, purpose, sizes)
    }

    /// As [`Self::load`], from another object than the one that is built in.
    ///
    /// # Errors
    /// As of [`Self::load`], and [`Error::Abi`] for an object of other layouts.
    pub fn load_from(object: &[u8], purpose: &Purpose, sizes: MapSizes) -> Result<Self, Error> {
        let (netns, any, types) = match purpose {
            Purpose::Interfaces { netns } => (*netns, false, None),
            Purpose::Tracepoints { any } => (0, *any, Some(KernelTypes::of_running_kernel()?)),
        };
        let offsets = types.as_ref().map(KernelTypes::skb_offsets).transpose()?;
        let function = types
            .as_ref()
            .and_then(|types| types.function("bpf_dynptr_from_skb"));
        let mut object = object.to_vec();
        if let Some(function) = function {
            call_kernel_function(&mut object, function);
        }
        let abi = format!("ABI_{}", version::ABI);
        let offsets = Layout(offsets.unwrap_or_else(SkbOffsets::default));
        let coarse = u32::from(matches!(purpose, Purpose::Interfaces { .. }) && has_coarse_clock());
        let any = u32::from(any);
        let ebpf = EbpfLoader::new()
            .override_global(&abi, &version::ABI, true)
            .override_global(name::NETNS, &netns, true)
            .override_global(name::COARSE_CLOCK, &coarse, true)
            .override_global(name::TRACE_ANY, &any, true)
            .override_global(name::SKB_OFFSETS, GlobalData::from(&offsets), true)
            .map_max_entries(name::FLOWS_EVEN, sizes.flows)
            .map_max_entries(name::FLOWS_ODD, sizes.flows)
            .map_max_entries(name::INTERFACES, sizes.interfaces)
            .load(&object)
            .map_err(|source| {
                let known = permission(&source).or_else(|| other_abi(&source, &abi));
                known.unwrap_or(Error::Load { source })
            })?;
        Ok(Self {
            ebpf,
            paged: function.is_some(),
        })
    }

    /// A program of the object, loaded into the kernel if it is not yet.
    pub fn program<'a, P>(
        &'a mut self,
        name: &'static str,
        load: impl FnOnce(&mut P) -> Result<(), ProgramError>,
    ) -> Result<&'a mut P, Error>
    where
        &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = ProgramError>,
    {
        let program = self.ebpf.program_mut(name).ok_or(Error::Missing { name })?;
        let loaded = program.fd().is_ok();
        let program: &'a mut P = program.try_into().map_err(|source| Error::Program {
            program: name,
            source,
        })?;
        if !loaded {
            load(program).map_err(|source| Error::Program {
                program: name,
                source,
            })?;
        }
        Ok(program)
    }
}

/// Puts the running kernel's number of a function where the object calls its stand-in.
fn call_kernel_function(object: &mut [u8], number: u32) {
    /// `BPF_JMP | BPF_CALL` of a helper, without registers and offset.
    const HELPER: [u8; 4] = [0x85, 0, 0, 0];
    /// The same of a kernel function: `BPF_PSEUDO_KFUNC_CALL` as the source register.
    const FUNCTION: [u8; 4] = [0x85, 0x20, 0, 0];
    let stand_in = (name::KFUNC_DYNPTR_FROM_SKB as u32).to_le_bytes();
    let (instructions, _) = object.as_chunks_mut::<8>();
    for instruction in instructions {
        if instruction[..4] == HELPER && instruction[4..] == stand_in {
            instruction[..4].copy_from_slice(&FUNCTION);
            instruction[4..].copy_from_slice(&number.to_le_bytes());
        }
    }
}

/// Whether the kernel has the cheap clock (Linux 5.11). Tracepoints may not use it in any kernel.
fn has_coarse_clock() -> bool {
    let helper = BpfHelper::BPF_FUNC_ktime_get_coarse_ns;
    is_helper_supported(ProgramType::SchedClassifier, helper).unwrap_or(false)
}

/// The plain answer where the object has other layouts: it lacks the symbol that names ours.
fn other_abi(error: &EbpfError, symbol: &str) -> Option<Error> {
    // The loader does not export the type of this cause; that it names the symbol tells enough.
    let EbpfError::ParseError(cause) = error else {
        return None;
    };
    cause.to_string().contains(symbol).then_some(Error::Abi {
        wanted: version::ABI,
    })
}

/// The plain answer where the kernel did not permit what was asked.
fn permission(error: &EbpfError) -> Option<Error> {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let denied = error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied);
        if denied {
            return Some(Error::NotPermitted);
        }
        cause = error.source();
    }
    None
}
